//! Images that must be read correctly.

use crate::disk::{Noise, text};
use crate::model::{GoodImage, ImageFile};
use crate::rows::image;
use crate::vmdk::encode::{Cell, Hosted, Order, SECTOR, cells_of, cowd, descriptor, file, sectors, sesparse};
use crate::vmdk::snapshots::snapshots;

/// An image whose first file is `NAME.vmdk` with this text.
fn described(
    name: &str,
    about: &'static str,
    text: &str,
    disk: Vec<u8>,
    others: Vec<ImageFile>,
) -> GoodImage {
    let mut described = image(name, about, "vmdk", text.as_bytes().to_vec(), disk);
    described.files.extend(others);
    described
}

/// All of them.
pub(crate) fn good() -> Vec<GoodImage> {
    let mut all = monolithic();
    all.extend(streams());
    all.extend(splits());
    all.extend(texts());
    all.extend(snapshots());
    all
}

fn monolithic() -> Vec<GoodImage> {
    let own = |name: &str, about, disk: &[u8], recipe: Hosted| {
        let recipe = recipe.embedded("monolithicSparse", &format!("{name}.vmdk"));
        image(name, about, "vmdk", recipe.write().file, disk.to_vec())
    };
    let mut all = Vec::new();
    let disk = sectors(1_000_000);
    let plain = Hosted::new(128, &disk);
    for version in 1..=3 {
        let recipe = Hosted { version, ..plain.clone() };
        all.push(own(&format!("vmdk-sparse-v{version}"), "grains of 64 KiB", &disk, recipe));
    }
    // A table of grains of 4 KiB covers 2 MiB.
    for size in [0, 512, (2 << 20) - 512, 2 << 20, (2 << 20) + 512, 5_000_192] {
        let disk = sectors(size);
        all.push(own(&format!("vmdk-sparse-small-{size}"), "grains of 4 KiB", &disk, Hosted::new(8, &disk)));
    }
    let few = Hosted { gtes: 128, has_redundant: false, ..Hosted::new(8, &disk) };
    all.push(own("vmdk-sparse-gtes-128", "tables of 128 entries, no redundant directory", &disk, few));
    let shuffled = Hosted { order: Order::GrainsFirst, ..Hosted::new(16, &disk) };
    all.push(own("vmdk-sparse-shuffled", "grains last to first, before the tables", &disk, shuffled));
    all.push(own(
        "vmdk-sparse-dirty",
        "not closed properly",
        &disk,
        Hosted { is_dirty: true, ..plain.clone() },
    ));
    let mut zeroed = Hosted { version: 2, has_zeroed: true, ..plain.clone() };
    zeroed.cells.insert(1, Cell::Zero);
    zeroed.cells.insert(9, Cell::Zero);
    let mut with_zeros = disk.clone();
    with_zeros[1 << 16..2 << 16].fill(0);
    with_zeros[9 << 16..10 << 16].fill(0);
    all.push(own("vmdk-sparse-zeroed", "zeroed grains", &with_zeros, zeroed));
    let mut allocated = plain.clone();
    allocated.cells.insert(2, Cell::Data(vec![0; 1 << 16]));
    let mut with_zeros = disk.clone();
    with_zeros[2 << 16..3 << 16].fill(0);
    all.push(own("vmdk-sparse-allocated-zeros", "a stored grain of zeros", &with_zeros, allocated));
    let renamed = plain.embedded("monolithicSparse", "another name.vmdk").write().file;
    all.push(image("vmdk-sparse-renamed", "a descriptor with another file name", "vmdk", renamed, disk));
    all
}

fn streams() -> Vec<GoodImage> {
    let own = |name: &str, about, disk: &[u8], recipe: Hosted| {
        let recipe = recipe.embedded("streamOptimized", &format!("{name}.vmdk"));
        image(name, about, "vmdk", recipe.write().file, disk.to_vec())
    };
    let disk = sectors(3_000_320);
    let stream = Hosted::new(128, &disk).stream();
    let mut padded = stream.clone();
    if let Some(Cell::Data(last)) = padded.cells.values_mut().next_back() {
        last.resize(128 * SECTOR, 0);
    }
    let mut zeroed = Hosted { has_zeroed: true, ..Hosted::new(8, &disk).stream() };
    zeroed.cells.insert(3, Cell::Zero);
    let mut with_zeros = disk.clone();
    with_zeros[3 * 4096..4 * 4096].fill(0);
    let front = Hosted { order: Order::CompressedTablesFirst, has_redundant: true, ..stream.clone() };
    vec![
        own("vmdk-stream", "a directory at the end, a short last grain", &disk, stream.clone()),
        own("vmdk-stream-padded", "a last grain that is filled up", &disk, padded),
        own("vmdk-stream-v1", "version 1", &disk, Hosted { version: 1, ..stream }),
        own("vmdk-stream-tables", "grains of 4 KiB, two tables, a zeroed grain", &with_zeros, zeroed),
        own("vmdk-stream-in-front", "a directory in front", &disk, front),
        own("vmdk-stream-zeros", "no grain", &vec![0; 1 << 20], Hosted::new(128, &vec![0; 1 << 20]).stream()),
    ]
}

fn splits() -> Vec<GoodImage> {
    let disk = sectors(2_000_384);
    let line = |access: &str, part: &[u8], kind: &str, rest: &str| {
        format!("{access} {} {kind} {rest}", part.len() / SECTOR)
    };
    let split = |name: &str, about, create_type: &str, lines: &[String], files: Vec<ImageFile>| {
        described(name, about, &descriptor(create_type, 0x77, None, lines), disk.clone(), files)
    };
    // No part is a whole number of grains.
    let parts = [&disk[..700_416], &disk[700_416..1_500_160], &disk[1_500_160..]];
    let sparse = |part: &[u8], grain| {
        Hosted { descriptor: Some(String::new()), ..Hosted::new(grain, part) }.write().file
    };
    let mut flat = vec![0xee; SECTOR];
    flat.extend(parts[0]);
    flat.extend([0xee; SECTOR]);
    flat.extend(parts[2]);
    flat.extend([0xee; 3 * SECTOR]);
    let offset = 2 + parts[0].len() / SECTOR;
    let n = "vmdk-split-sparse";
    let f = "vmdk-split-flat";
    let stream = Hosted::new(16, parts[1]).stream().write().file;
    let se = sesparse(parts[2].len(), &cells_of(parts[2], 4096)).file;
    vec![
        split(
            n,
            "three sparse extents with grains of different sizes, one of them read-only",
            "twoGbMaxExtentSparse",
            &[
                line("RW", parts[0], "SPARSE", &format!("\"{n}-s001.vmdk\"")),
                line("RDONLY", parts[1], "SPARSE", &format!("\"{n}-s002.vmdk\"")),
                line("RW", parts[2], "SPARSE", &format!("\"{n}-s003.vmdk\"")),
            ],
            vec![
                file(format!("{n}-s001.vmdk"), sparse(parts[0], 128)),
                file(format!("{n}-s002.vmdk"), sparse(parts[1], 8)),
                file(format!("{n}-s003.vmdk"), Hosted::new(64, parts[2]).write().file),
            ],
        ),
        split(
            f,
            "two extents of one flat file at offsets, one of another file",
            "twoGbMaxExtentFlat",
            &[
                line("RW", parts[0], "FLAT", &format!("\"{f}-f001.vmdk\" 1")),
                line("RW", parts[1], "FLAT", &format!("\"{f}-f002.vmdk\"")),
                line("RW", parts[2], "FLAT", &format!("\"{f}-f001.vmdk\" {offset}")),
            ],
            vec![file(format!("{f}-f001.vmdk"), flat), file(format!("{f}-f002.vmdk"), parts[1])],
        ),
        split(
            "vmdk-vmfs",
            "one flat extent",
            "vmfs",
            &[line("RW", &disk, "VMFS", "\"vmdk-vmfs-flat.vmdk\"")],
            vec![file("vmdk-vmfs-flat.vmdk", disk.clone())],
        ),
        split(
            "vmdk-custom",
            "COWD, a stream and seSparse in one disk",
            "custom",
            &[
                line("RW", parts[0], "VMFSSPARSE", "\"vmdk-custom-a\""),
                line("RW", parts[1], "SPARSE", "\"vmdk-custom-b\""),
                line("RW", parts[2], "SESPARSE", "\"vmdk-custom-c\""),
            ],
            vec![
                file("vmdk-custom-a", cowd(1, parts[0]).file),
                file("vmdk-custom-b", stream),
                file("vmdk-custom-c", se),
            ],
        ),
        zero_extents(),
        cowd_tables(),
        sesparse_tables(),
        wrapped(),
    ]
}

fn zero_extents() -> GoodImage {
    let (first, last) = (sectors(100_352), sectors(50_176));
    let disk = [first.clone(), vec![0; 70_144], last.clone()].concat();
    let lines = [
        String::from("RW 0 ZERO"),
        format!("RW {} FLAT \"vmdk-zero-f.vmdk\" 0", first.len() / SECTOR),
        String::from("RDONLY 137 ZERO "),
        format!("RW {} SPARSE \"vmdk-zero-s.vmdk\"", last.len() / SECTOR),
    ];
    let files =
        vec![file("vmdk-zero-f.vmdk", first), file("vmdk-zero-s.vmdk", Hosted::new(8, &last).write().file)];
    described("vmdk-zero-extents", "extents of zeros", &descriptor("custom", 5, None, &lines), disk, files)
}

/// A table of sectors covers 2 MiB.
fn cowd_tables() -> GoodImage {
    let disk = sectors((4 << 20) + 512);
    let lines = [format!("RW {} VMFSSPARSE \"vmdk-cowd-delta.vmdk\"", disk.len() / SECTOR)];
    let text = descriptor("vmfsSparse", 5, None, &lines);
    let files = vec![file("vmdk-cowd-delta.vmdk", cowd(1, &disk).file)];
    described("vmdk-cowd", "three grain tables, grains of a sector", &text, disk, files)
}

/// A table covers 16 MiB: the second is the last sector's.
fn sesparse_tables() -> GoodImage {
    let mut disk = vec![0; (16 << 20) + 512];
    let len = disk.len();
    disk[..20_000].copy_from_slice(&text(20_000));
    disk[len - 512..].copy_from_slice(&Noise::new(3).bytes(512));
    let mut cells = cells_of(&disk, 4096);
    cells.insert(100, Cell::Zero);
    cells.insert(101, Cell::Unmapped);
    let lines = [format!("RW {} SESPARSE \"vmdk-sesparse-x.vmdk\"", len / SECTOR)];
    let text = descriptor("seSparse", 5, None, &lines);
    let files = vec![file("vmdk-sesparse-x.vmdk", sesparse(len, &cells).file)];
    described("vmdk-sesparse", "two grain tables, zeroed and unmapped grains", &text, disk, files)
}

/// A `KDMV` file of no size that is only there for the descriptor inside.
fn wrapped() -> GoodImage {
    let disk = sectors(100_352);
    let lines = [format!("RW {} FLAT \"vmdk-wrapped-flat.vmdk\" 0", disk.len() / SECTOR)];
    let text = descriptor("monolithicFlat", 5, None, &lines);
    let wrapper = Hosted { descriptor: Some(text), ..Hosted::new(128, &[]) }.write().file;
    let mut wrapped = image("vmdk-wrapped", "a descriptor in an empty extent", "vmdk", wrapper, disk.clone());
    wrapped.files.push(file("vmdk-wrapped-flat.vmdk", disk));
    wrapped
}

fn texts() -> Vec<GoodImage> {
    let disk = sectors(60_416);
    let flat = |name: &str, about, stored: &str, change: &dyn Fn(String) -> Vec<u8>, other: &str| {
        let lines = [format!("RW {} FLAT \"{stored}\" 0", disk.len() / SECTOR)];
        let text = change(descriptor("monolithicFlat", 5, None, &lines));
        let mut image = image(name, about, "vmdk", text, disk.clone());
        image.files.push(file(other, disk.clone()));
        image
    };
    let windows = |text: String| {
        let text = format!("\u{feff}{}", text.replace('\n', "\r\n"));
        let mut bytes = text.into_bytes();
        bytes.resize(2048, 0);
        bytes
    };
    let latin = |text: String| {
        let text = text.replace("UTF-8", "windows-1252");
        text.chars().map(|c| u8::try_from(u32::from(c)).expect("it is of latin-1")).collect()
    };
    let odd = |text: String| format!("{text}an odd line\n").into_bytes();
    let own_name = "my \"own\" disk = 1.vmdk";
    vec![
        flat(
            "vmdk-text-windows",
            "CRLF, a byte order mark, NULs",
            "vmdk-text-w.raw",
            &windows,
            "vmdk-text-w.raw",
        ),
        flat("vmdk-text-encoding", "a name in windows-1252", "vmdk café.raw", &latin, "vmdk café.raw"),
        flat("vmdk-text-odd", "an invalid line, a name with blanks and quotes", own_name, &odd, own_name),
        flat(
            "vmdk-text-no-magic",
            "comments in front, not the usual first line",
            "vmdk-text-n.raw",
            &|text| text.replace("# Disk DescriptorFile", "\n  # made by hand").into_bytes(),
            "vmdk-text-n.raw",
        ),
    ]
}
