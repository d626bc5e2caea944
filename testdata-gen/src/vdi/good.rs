//! Images that must be read correctly.

use crate::disk::{Noise, mixed, text};
use crate::model::{GoodImage, ImageFile};
use crate::qcow2::encode::{Cell, Qcow2};
use crate::rows::image;
use crate::vdi::encode::{Entry, Head, Vdi};

fn vdi(name: &str, about: &'static str, recipe: &Vdi, disk: Vec<u8>) -> GoodImage {
    image(name, about, "vdi", recipe.write().file, disk)
}

/// All of them.
pub(crate) fn good() -> Vec<GoodImage> {
    let mut all = blocks();
    all.extend(variants());
    all.extend(chains());
    all
}

fn blocks() -> Vec<GoodImage> {
    let mut all = Vec::new();
    for (size, block) in
        [(300_000, 512), (700_001, 4096), (1_200_000, 65536), (3_500_001, 1 << 20), (9 << 20, 2 << 20)]
    {
        let disk = mixed(size);
        let recipe = Vdi::new(block, size as u64).with_disk(&disk);
        all.push(vdi(&format!("vdi-{block}"), "dynamic", &recipe, disk.clone()));
        let recipe = Vdi { kind: 2, tight: true, ..Vdi::new(block, size as u64) }.with_all_of(&disk);
        all.push(vdi(
            &format!("vdi-static-{block}"),
            "static, the last block ends where the disk does",
            &recipe,
            disk,
        ));
    }
    let disk = mixed(900_000);
    let odd = Vdi::new(1536, 900_000).with_disk(&disk);
    all.push(vdi("vdi-1536", "a block size that is not a power of two", &odd, disk));
    // A page of the map has 1024 entries: one less, as many, one more; with blocks of a sector.
    for sectors in [1, 1023, 1024, 1025] {
        let mut disk = mixed(sectors * 512);
        disk[sectors * 512 - 1] = 1;
        let recipe = Vdi::new(512, disk.len() as u64).with_disk(&disk);
        all.push(vdi(&format!("vdi-sectors-{sectors}"), "about a page of the map", &recipe, disk));
    }
    all
}

fn variants() -> Vec<GoodImage> {
    let disk = mixed(1_000_000);
    let base = Vdi::new(65536, 1_000_000).with_disk(&disk);
    let with = |head| Vdi { head, ..base.clone() };
    let mut zeros = base.clone();
    zeros.cells.insert(1, Entry::Zero);
    zeros.cells.insert(9, Entry::Zero);
    let mut without = disk.clone();
    without[1 << 16..2 << 16].fill(0);
    without[9 << 16..10 << 16].fill(0);
    let all = [
        ("vdi-0.0", "version 0.0: the map follows the header", with(Head::V0(0))),
        ("vdi-0.1", "version 0.1: the map follows the header", with(Head::V0(1))),
        ("vdi-1.0", "version 1.0", with(Head::V1(0))),
        ("vdi-1.1", "version 1.1 without a logical geometry", with(Head::V1(1))),
        ("vdi-extra-512", "a sector before each block", Vdi { extra: 512, ..base.clone() }),
        ("vdi-extra-100", "100 bytes before each block", Vdi { extra: 100, tight: true, ..base.clone() }),
        ("vdi-reversed", "blocks last to first", Vdi { reversed: true, ..base.clone() }),
        ("vdi-spare", "a map of more blocks than the disk has", Vdi { spare: 5000, ..base.clone() }),
        (
            "vdi-stored-in-full",
            "a static image with zeros",
            Vdi { kind: 2, ..base.clone() }.with_all_of(&disk),
        ),
    ];
    let mut all: Vec<_> =
        all.into_iter().map(|(name, about, recipe)| vdi(name, about, &recipe, disk.clone())).collect();
    let disk = mixed(2_500_000);
    let extra = Vdi { extra: 512, ..Vdi::new(1 << 20, 2_500_000) }.with_disk(&disk);
    all.push(vdi("vdi-extra-1048576", "a sector before each block of a MiB", &extra, disk));
    all.push(vdi("vdi-zero-blocks", "blocks of zeros by their entry", &zeros, without));
    all.push(vdi("vdi-empty", "a disk of size 0", &Vdi::new(1 << 20, 0), Vec::new()));
    all.push(vdi("vdi-nothing-stored", "no block at all", &Vdi::new(4096, 3 << 20), vec![0; 3 << 20]));
    all
}

/// A child's recipe over the image with the id `parent`, and its disk over `below`.
pub(crate) fn over(below: &[u8], size: usize, uuid: u8, parent: u8) -> (Vdi, Vec<u8>) {
    let bytes = Noise::new(uuid.into()).bytes(1 << 16);
    let at = usize::from(uuid % 4) << 16;
    let mut disk = below.to_vec();
    disk.resize(size, 0);
    disk[at..at + (1 << 16)].copy_from_slice(&bytes);
    disk[4 << 16..5 << 16].fill(0);
    let mut recipe = Vdi { kind: 4, uuid, parent, parent_revision: 2, ..Vdi::new(1 << 16, size as u64) };
    recipe.cells.insert(at as u64 >> 16, Entry::Data(bytes));
    recipe.cells.insert(4, Entry::Zero);
    (recipe, disk)
}

pub(crate) fn base(disk: &[u8], uuid: u8) -> Vec<u8> {
    Vdi { uuid, ..Vdi::new(4096, disk.len() as u64) }.with_disk(disk).write().file
}

/// Uuids are unique over all images, which share a folder in the tests.
fn chains() -> Vec<GoodImage> {
    let below = mixed(600_000);
    let file = |name: &str, bytes| ImageFile { name: format!("{name}.vdi"), bytes };
    let mut all = Vec::new();
    for (name, about, size, kind, head, uuid) in [
        ("vdi-over-vdi", "a differencing image", 600_000, 4, Head::V1Plus, 0x11),
        ("vdi-undo", "an undo image", 600_000, 3, Head::V1(1), 0x21),
        ("vdi-over-vdi-0.1", "a differencing image of version 0.1", 600_000, 4, Head::V0(1), 0x31),
        ("vdi-over-shorter", "a parent shorter than the disk", 900_000, 4, Head::V1Plus, 0x41),
        ("vdi-over-longer", "a parent longer than the disk", 400_000, 4, Head::V1Plus, 0x51),
    ] {
        let (recipe, disk) = over(&below, size, uuid, uuid + 1);
        let recipe = Vdi { head, kind, ..recipe };
        let mut image = vdi(name, about, &recipe, disk);
        image.files.push(file(&format!("{name}-base"), base(&below, uuid + 1)));
        all.push(image);
    }
    let (middle, disk) = over(&below, 600_000, 0x62, 0x63);
    let (top, disk) = over(&disk, 600_000, 0x61, 0x62);
    let mut image = vdi("vdi-chain-of-three", "VDI over VDI over VDI", &top, disk);
    image.files.push(file("vdi-chain-of-three-middle", middle.write().file));
    image.files.push(file("vdi-chain-of-three-base", base(&below, 0x63)));
    all.push(image);
    all.push(under_qcow2(&below));
    all
}

/// Names and identities in one chain.
fn under_qcow2(below: &[u8]) -> GoodImage {
    let (middle, mut disk) = over(below, 600_000, 0x71, 0x72);
    let bytes = text(1 << 16);
    disk[5 << 16..6 << 16].copy_from_slice(&bytes);
    let mut top = Qcow2::new(16, 600_000);
    top.cells.insert(5, Cell::Data(bytes));
    top.backing = Some(("qcow2-over-vdi-middle.vdi".into(), Some("vdi".into())));
    let mut image = image("qcow2-over-vdi", "QCOW2 over VDI over VDI", "qcow2", top.write().file, disk);
    // qemu-img cannot read what is below it.
    image.format = "vdi";
    let file = |name: &str, bytes| ImageFile { name: name.into(), bytes };
    image.files.push(file("qcow2-over-vdi-middle.vdi", middle.write().file));
    image.files.push(file("qcow2-over-vdi-base.vdi", base(below, 0x72)));
    image
}
