//! Images that must be read correctly.

use crate::disk::{Noise, mixed};
use crate::model::{GoodImage, ImageFile};
use crate::qcow::encode::{Cell, Qcow, Xen};
use crate::rows::image;

fn plain(_: u64, bytes: Vec<u8>) -> Cell {
    Cell::Data(bytes)
}

fn compressed(_: u64, bytes: Vec<u8>) -> Cell {
    Cell::Compressed(bytes)
}

fn some_compressed(index: u64, bytes: Vec<u8>) -> Cell {
    if index.is_multiple_of(3) { Cell::Data(bytes) } else { Cell::Compressed(bytes) }
}

fn qcow(name: &str, about: &'static str, recipe: &Qcow, disk: Vec<u8>) -> GoodImage {
    image(name, about, "qcow", recipe.write().file, disk)
}

/// All of them.
pub(crate) fn good() -> Vec<GoodImage> {
    let mut all = Vec::new();
    // The smallest and largest of both sizes, QEMU's two choices (12 and 9, 9 and 12), one between.
    for (bits, l2_bits) in [(9, 6), (9, 12), (12, 9), (14, 7), (16, 6), (16, 13)] {
        let disk = mixed((5 << bits).max(200_000) + 1234);
        let recipe = Qcow::new(bits, l2_bits, disk.len() as u64);
        let name = |kind| format!("qcow-{kind}-{bits}-{l2_bits}");
        let plain = recipe.clone().with_disk(&disk, plain);
        all.push(qcow(&name("plain"), "plain clusters", &plain, disk.clone()));
        let compressed = recipe.clone().with_disk(&disk, compressed);
        all.push(qcow(&name("compressed"), "deflated clusters", &compressed, disk.clone()));
        let shuffled = Qcow { shuffled: true, ..recipe }.with_disk(&disk, some_compressed);
        all.push(qcow(&name("shuffled"), "data last to first, before its tables", &shuffled, disk));
    }
    all.extend(sizes());
    all.extend(features());
    all.extend(chains());
    all
}

/// A table of 64 entries of 512 bytes covers 32 KiB.
fn sizes() -> Vec<GoodImage> {
    let sized = |size: usize| {
        let disk = Noise::new(size as u64).bytes(size);
        let recipe = Qcow::new(9, 6, size as u64).with_disk(&disk, some_compressed);
        qcow(&format!("qcow-size-{size}"), "sizes around what a table covers", &recipe, disk)
    };
    [0, 1, 511, 512, 32_767, 32_768, 32_769, 33_280].into_iter().map(sized).collect()
}

fn features() -> Vec<GoodImage> {
    let disk = mixed(500_000);
    let base = Qcow::new(12, 9, 500_000).with_disk(&disk, some_compressed);
    let xen = Qcow { xen: Xen::Flags(3), ..base.clone() };
    // The last cluster ends where the disk does.
    let mut ends = Qcow::new(12, 9, 500_000).with_disk(&disk, plain).write().file;
    ends.truncate(ends.len() - 4096 + 500_000 % 4096);
    let mut zeros = base.clone();
    zeros.cells.insert(50, Cell::Data(vec![0; 4096]));
    zeros.cells.insert(51, Cell::Compressed(vec![0; 4096]));
    let mut with_zeros = disk.clone();
    with_zeros[50 << 12..52 << 12].fill(0);
    vec![
        qcow("qcow-xen", "tapdisk's extension of the header", &xen, disk.clone()),
        image("qcow-ends-with-disk", "a last cluster as long as the disk", "qcow", ends, disk),
        qcow("qcow-allocated-zeros", "clusters of zeros, plain and compressed", &zeros, with_zeros),
        qcow("qcow-nothing-stored", "no cluster at all", &Qcow::new(9, 6, 3 << 20), vec![0; 3 << 20]),
    ]
}

/// Overlays that store cluster 2 over other images.
fn chains() -> Vec<GoodImage> {
    let below = mixed(300_000);
    let stored = Noise::new(9).bytes(1 << 12);
    let chain = |name: &str, about, size: usize, base: Vec<ImageFile>| {
        let mut disk = below.clone();
        disk.resize(size, 0);
        disk[2 << 12..3 << 12].copy_from_slice(&stored);
        let mut top = Qcow::new(12, 9, size as u64);
        top.cells.insert(2, Cell::Data(stored.clone()));
        top.backing = Some(base[0].name.clone());
        top.mtime = 1_200_000_000;
        let mut image = qcow(name, about, &top, disk);
        image.files.extend(base);
        image
    };
    let raw = |name: &str| ImageFile { name: format!("{name}.base"), bytes: below.clone() };
    let middle = |name: &str| {
        let middle = Qcow { backing: Some(format!("{name}.base")), ..Qcow::new(9, 12, below.len() as u64) };
        ImageFile { name: format!("{name}.middle"), bytes: middle.write().file }
    };
    let compressed = Qcow::new(16, 13, below.len() as u64).with_disk(&below, compressed);
    let compressed = ImageFile { name: "qcow-over-qcow.base".into(), bytes: compressed.write().file };
    vec![
        chain("qcow-over-raw", "a RAW backing file", 300_000, vec![raw("qcow-over-raw")]),
        chain("qcow-over-shorter", "a shorter backing file", 500_000, vec![raw("qcow-over-shorter")]),
        chain("qcow-over-longer", "a longer backing file", 100_000, vec![raw("qcow-over-longer")]),
        chain("qcow-over-qcow", "QCOW over QCOW", 300_000, vec![compressed]),
        chain(
            "qcow-chain-of-three",
            "QCOW over QCOW over RAW",
            300_000,
            vec![middle("qcow-chain-of-three"), raw("qcow-chain-of-three")],
        ),
    ]
}
