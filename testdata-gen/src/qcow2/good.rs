//! Images that must be read correctly.

use crate::disk::{Noise, disk_of, mixed, text};
use crate::model::{GoodImage, ImageFile};
use crate::qcow2::encode::{Cell, Qcow2};
use crate::rows::image;

/// All but the sample.
pub(crate) fn good() -> Vec<GoodImage> {
    let mut all = clusters();
    all.extend(features());
    all.extend(chains());
    all
}

fn qcow2(name: &str, about: &'static str, recipe: &Qcow2, disk: Vec<u8>) -> GoodImage {
    image(name, about, "qcow2", recipe.write().file, disk)
}

fn plain(_: u64, bytes: Vec<u8>) -> Cell {
    Cell::Data(bytes)
}

fn compressed(_: u64, bytes: Vec<u8>) -> Cell {
    Cell::Compressed(bytes)
}

/// Every third plain, so that compressed and plain clusters alternate.
fn some_compressed(index: u64, bytes: Vec<u8>) -> Cell {
    if index.is_multiple_of(3) { Cell::Data(bytes) } else { Cell::Compressed(bytes) }
}

fn clusters() -> Vec<GoodImage> {
    let mut all = Vec::new();
    for bits in [9, 10, 12, 14, 16, 18, 21] {
        let disk = mixed((5 << bits).max(300_000) + 1234);
        let recipe = Qcow2::new(bits, disk.len() as u64);
        let v2 = Qcow2 { version: 2, ..recipe.clone() };
        all.push(qcow2(
            &format!("qcow2-v3-{bits}"),
            "plain clusters",
            &recipe.clone().with_disk(&disk, plain),
            disk.clone(),
        ));
        all.push(qcow2(
            &format!("qcow2-v2-{bits}"),
            "version 2, some compressed",
            &v2.with_disk(&disk, some_compressed),
            disk.clone(),
        ));
        all.push(qcow2(
            &format!("qcow2-zlib-{bits}"),
            "deflated clusters",
            &recipe.clone().with_disk(&disk, compressed),
            disk.clone(),
        ));
        let zstd = Qcow2 { zstd: true, ..recipe.clone() };
        all.push(qcow2(
            &format!("qcow2-zstd-{bits}"),
            "zstd clusters",
            &zstd.with_disk(&disk, compressed),
            disk.clone(),
        ));
        let shuffled = Qcow2 { shuffled: true, ..recipe };
        all.push(qcow2(
            &format!("qcow2-shuffled-{bits}"),
            "data last to first, before the tables",
            &shuffled.with_disk(&disk, some_compressed),
            disk,
        ));
    }
    all
}

fn features() -> Vec<GoodImage> {
    let disk = mixed(1_000_000);
    let size = disk.len() as u64;
    let base = Qcow2::new(16, size).with_disk(&disk, some_compressed);
    let mut zeros = base.clone();
    zeros.cells.insert(6, Cell::Zero);
    zeros.cells.insert(7, Cell::ZeroKept);
    let mut without = disk.clone();
    without[6 << 16..8 << 16].fill(0);
    let mut allocated = base.clone();
    allocated.cells.insert(10, Cell::Data(vec![0; 1 << 16]));
    let mut with_zeros = disk.clone();
    with_zeros[10 << 16..11 << 16].fill(0);
    let dirty = Qcow2 { incompatible: 1, ..base.clone() };
    let mut names = vec![0, 0];
    names.extend(b"dirty bit");
    names.resize(48, 0);
    let extensions = Qcow2 { extensions: vec![(0x6803_f857, names), (0x1234_5678, vec![1; 13])], ..base };
    let mut all = vec![
        qcow2("qcow2-zero-clusters", "zero clusters, one of which keeps garbage", &zeros, without),
        qcow2("qcow2-allocated-zeros", "an allocated cluster of zeros", &allocated, with_zeros),
        qcow2("qcow2-dirty", "not closed properly", &dirty, disk.clone()),
        qcow2("qcow2-extensions", "a feature name table and an unknown extension", &extensions, disk),
        qcow2("qcow2-empty", "a disk of size 0", &Qcow2::new(16, 0), Vec::new()),
        qcow2("qcow2-nothing-stored", "no cluster at all", &Qcow2::new(12, 3 << 20), vec![0; 3 << 20]),
    ];
    all.push(subclusters());
    all.extend(snapshots());
    all
}

/// Some subclusters of noise, some of zeros, the rest nothing.
fn subclusters() -> GoodImage {
    let (bits, data_bits, zero_bits) = (16, 0x0000_ff01_u32, 0x8000_0070_u32);
    let bytes = Noise::new(3).bytes(1 << bits);
    let mut disk = vec![0; 10 << bits];
    for index in (0..32).filter(|index| data_bits >> index & 1 == 1) {
        let part = index * 2048..(index + 1) * 2048;
        disk[(3 << bits) + part.start..(3 << bits) + part.end].copy_from_slice(&bytes[part]);
    }
    disk[5 << bits..6 << bits].copy_from_slice(&bytes);
    disk[8 << bits..9 << bits].copy_from_slice(&text(1 << bits));
    let mut recipe = Qcow2 { extended: true, ..Qcow2::new(bits, disk.len() as u64) };
    recipe.cells.insert(3, Cell::Sub(data_bits, zero_bits, bytes.clone()));
    recipe.cells.insert(5, Cell::Data(bytes));
    recipe.cells.insert(6, Cell::Zero);
    recipe.cells.insert(8, Cell::Compressed(text(1 << bits)));
    qcow2("qcow2-subclusters", "extended entries", &recipe, disk)
}

fn snapshots() -> Vec<GoodImage> {
    let (now, then) = (mixed(900_000), mixed(600_000));
    let of_then = Qcow2::new(14, then.len() as u64).with_disk(&then, some_compressed).cells;
    let mut recipe = Qcow2::new(14, now.len() as u64).with_disk(&now, plain);
    recipe.snapshots = vec![
        ("1".into(), "first".into(), of_then, then.len() as u64),
        ("2".into(), "empty".into(), std::collections::BTreeMap::new(), 4096),
    ];
    let mut all = Vec::new();
    for (name, snapshot, disk) in [
        ("qcow2-snapshots", None, now),
        ("qcow2-snapshot-by-name", Some("first"), then.clone()),
        ("qcow2-snapshot-by-id", Some("1"), then),
        ("qcow2-snapshot-empty", Some("2"), vec![0; 4096]),
    ] {
        let image = qcow2(name, "snapshots with sizes of their own", &recipe, disk);
        all.push(GoodImage { snapshot, ..image });
    }
    all
}

/// The overlay `top` over `base`: clusters that `top` stores, else what is below.
fn chains() -> Vec<GoodImage> {
    let below = mixed(500_000);
    let top_bytes = Noise::new(9).bytes(1 << 16);
    let chain = |name: &str, about, size: usize, files: Vec<ImageFile>, format: &str| {
        let mut disk = below.clone();
        disk.resize(size, 0);
        disk[2 << 16..3 << 16].copy_from_slice(&top_bytes);
        disk[3 << 16..4 << 16].fill(0);
        let mut top = Qcow2::new(16, size as u64);
        top.cells.insert(2, Cell::Data(top_bytes.clone()));
        top.cells.insert(3, Cell::Zero);
        top.backing = Some((files[0].name.clone(), Some(format.into())));
        let mut image = qcow2(name, about, &top, disk);
        image.files.extend(files);
        image
    };
    let base_raw = |name: &str| ImageFile { name: format!("{name}.base"), bytes: below.clone() };
    let middle = |name: &str| {
        let mut middle = Qcow2::new(12, below.len() as u64);
        middle.backing = Some((format!("{name}.base"), Some("raw".into())));
        ImageFile { name: format!("{name}.middle"), bytes: middle.write().file }
    };
    let mut all = vec![
        chain("qcow2-over-raw", "a RAW backing file", 500_000, vec![base_raw("qcow2-over-raw")], "raw"),
        chain(
            "qcow2-over-shorter",
            "a backing file shorter than the disk",
            900_000,
            vec![base_raw("qcow2-over-shorter")],
            "raw",
        ),
        chain(
            "qcow2-over-longer",
            "a backing file longer than the disk",
            300_000,
            vec![base_raw("qcow2-over-longer")],
            "raw",
        ),
        chain(
            "qcow2-chain-of-three",
            "QCOW2 over QCOW2 over RAW",
            500_000,
            vec![middle("qcow2-chain-of-three"), base_raw("qcow2-chain-of-three")],
            "qcow2",
        ),
    ];
    for (name, is_raw) in [("qcow2-data-file", false), ("qcow2-data-file-raw", true)] {
        let disk = mixed(700_000);
        let recipe = Qcow2 { data_file: Some((format!("{name}.data"), is_raw)), ..Qcow2::new(16, 700_000) };
        let written = recipe.with_disk(&disk, plain).write();
        let mut image = image(name, "an external data file", "qcow2", written.file, disk);
        image.files.push(ImageFile { name: format!("{name}.data"), bytes: written.data });
        all.push(image);
    }
    all
}

/// The image of the README: 64 MiB, an MBR, text, compressed and zero clusters.
pub fn sample() -> GoodImage {
    let size = 64 << 20;
    let mut boot = vec![0; 512];
    boot[440..444].copy_from_slice(b"SMPL");
    boot[446..462].copy_from_slice(&[0x80, 32, 33, 0, 0x83, 31, 40, 8, 0, 8, 0, 0, 0, 0xf8, 1, 0]);
    boot[510..].copy_from_slice(&[0x55, 0xaa]);
    let disk = disk_of(
        size,
        &[
            (0, boot),
            (1 << 20, text(200_000)),
            (10 << 20, Noise::new(5).bytes(60_000)),
            (40 << 20, text(3 << 20)),
        ],
    );
    let mut recipe = Qcow2::new(16, size as u64).with_disk(&disk, some_compressed);
    for (index, cell) in &mut recipe.cells {
        // Runs of text shrink to nothing: only the boot sector and the noise are kept plain.
        if let Cell::Data(bytes) = cell
            && *index != 0
        {
            *cell = Cell::Compressed(std::mem::take(bytes));
        }
    }
    recipe.cells.insert(500, Cell::Zero);
    recipe.cells.insert(501, Cell::Data(vec![0; 1 << 16]));
    let mut image = qcow2("sample", "the image of the README", &recipe, disk);
    image.files[0].name = "sample.qcow2".into();
    image
}
