//! Images that must be rejected, each named after its defect.

use crate::bytes::put;
use crate::disk::{Noise, disk_of, mixed, text};
use crate::model::Refused::{AtOpen, AtRead};
use crate::model::{BrokenImage, ImageFile};
use crate::rows::{Row, named};
use crate::vdi::encode::{Head, Vdi, Written};
use crate::vdi::good::{base, over};

fn recipe() -> Vdi {
    let disk = disk_of(
        (1 << 20) + 700,
        &[(0, text(65536)), (3 << 16, Noise::new(1).bytes(65536)), (1 << 20, vec![7; 700])],
    );
    Vdi::new(1 << 16, disk.len() as u64).with_disk(&disk)
}

/// All of them.
pub(crate) fn broken() -> Vec<BrokenImage> {
    let mut all: Vec<_> = headers().into_iter().chain(maps()).map(|row| named("vdi", row)).collect();
    all.extend(parents());
    all
}

fn edited(at: u64, bytes: &[u8]) -> Vec<u8> {
    let mut file = recipe().write().file;
    put(&mut file, at, bytes);
    file
}

fn headers() -> Vec<Row> {
    let whole = recipe().write().file;
    let old = Vdi { head: Head::V0(1), ..recipe() }.write().file;
    let field =
        |name, about, code, at: u64, bytes: &[u8]| (name, about, AtOpen, code, Some(at), edited(at, bytes));
    vec![
        (
            "vdi-cut-text",
            "the file ends in its text",
            AtOpen,
            "vdi.header.cut",
            Some(30),
            whole[..30].to_vec(),
        ),
        (
            "vdi-cut-header",
            "the file ends in its header",
            AtOpen,
            "vdi.header.cut",
            Some(400),
            whole[..400].to_vec(),
        ),
        (
            "vdi-cut-header-0.1",
            "an old header, cut",
            AtOpen,
            "vdi.header.cut",
            Some(419),
            old[..419].to_vec(),
        ),
        field("vdi-version-2", "an unknown version", "vdi.header.version", 68, &[0, 0, 2, 0]),
        field("vdi-version-1.2", "an unknown minor version", "vdi.header.version", 68, &[2, 0, 1, 0]),
        field("vdi-header-size-383", "a header too short", "vdi.header.field", 72, &[0x7f, 1, 0, 0]),
        (
            "vdi-header-size-huge",
            "a header longer than the file",
            AtOpen,
            "vdi.header.cut",
            Some(whole.len() as u64),
            edited(72, &[0xff; 4]),
        ),
        field("vdi-type-0", "an invalid image type", "vdi.header.type", 76, &[0; 4]),
        field("vdi-type-5", "an unknown image type", "vdi.header.type", 76, &[5, 0, 0, 0]),
        field("vdi-sector-4096", "sectors of 4 KiB", "vdi.header.sector-size", 360, &[0, 16, 0, 0]),
        field("vdi-block-size-0", "blocks of 0 bytes", "vdi.header.field", 376, &[0; 4]),
        field(
            "vdi-block-size-odd",
            "a block size that is not a multiple of a sector",
            "vdi.header.field",
            376,
            &[1, 0, 1, 0],
        ),
        field(
            "vdi-block-size-smaller",
            "a map too short for such blocks",
            "vdi.map.too-short",
            384,
            &[16, 0, 0, 0],
        ),
        (
            "vdi-bomb-size",
            "a disk of 16 EiB",
            AtOpen,
            "vdi.map.too-short",
            Some(384),
            edited(368, &[0xff; 8]),
        ),
        (
            "vdi-bomb-map",
            "a map of 2^32 - 1 blocks",
            AtOpen,
            "vdi.map.past-end",
            Some(340),
            edited(384, &[0xff; 4]),
        ),
        field("vdi-map-past-end", "a map after the file's end", "vdi.map.past-end", 340, &[0, 0, 0, 0x7f]),
        field("vdi-link-of-dynamic", "a link in an image without a parent", "vdi.header.link", 424, &[9; 16]),
        (
            "vdi-no-link",
            "a differencing image without a link",
            AtOpen,
            "vdi.header.link",
            Some(424),
            edited(76, &[4, 0, 0, 0]),
        ),
    ]
}

fn maps() -> Vec<Row> {
    let Written { file, map, data } = recipe().write();
    let stored = |number: u64| data + (number << 16);
    // Entries 0, 3 and 16 name blocks 0, 1 and 2.
    let entry = |index: u64, number: u32| edited(map + index * 4, &number.to_le_bytes());
    let mut unallocated = file.clone();
    put(&mut unallocated, 388, &2u32.to_le_bytes());
    let mut many = entry(3, 3);
    put(&mut many, 388, &100u32.to_le_bytes());
    let mut bomb = entry(3, 0x7fff_ffff);
    put(&mut bomb, 388, &[0xff; 4]);
    let mut no_extra = many.clone();
    put(&mut no_extra, map + 12, &1u32.to_le_bytes());
    put(&mut no_extra, 380, &[0xff; 4]);
    vec![
        (
            "vdi-entry-past-allocated",
            "a block that is not allocated",
            AtRead,
            "vdi.block.past-allocated",
            Some(map + 12),
            entry(3, 3),
        ),
        (
            "vdi-allocated-too-few",
            "a header with fewer allocated blocks",
            AtRead,
            "vdi.block.past-allocated",
            Some(map + 64),
            unallocated,
        ),
        (
            "vdi-entry-at-end",
            "a block where the file ends",
            AtRead,
            "vdi.block.past-end",
            Some(map + 12),
            many,
        ),
        ("vdi-entry-bomb", "a block at 2^47", AtRead, "vdi.block.past-end", Some(map + 12), bomb),
        ("vdi-extra-bomb", "4 GiB before each block", AtRead, "vdi.block.past-end", Some(map), no_extra),
        (
            "vdi-two-entries-one-block",
            "one block used twice",
            AtRead,
            "usage.overlap",
            Some(stored(0)),
            entry(3, 0),
        ),
        (
            "vdi-data-in-header",
            "data that begin in the header",
            AtRead,
            "usage.overlap",
            Some(0),
            edited(344, &[0; 4]),
        ),
        (
            "vdi-data-in-map",
            "data that begin in the map",
            AtRead,
            "usage.overlap",
            Some(map),
            edited(344, &(map as u32).to_le_bytes()),
        ),
        (
            "vdi-map-in-header",
            "a map in the header",
            AtRead,
            "usage.overlap",
            Some(404),
            edited(340, &404u32.to_le_bytes()),
        ),
        (
            "vdi-cut",
            "the last bytes of the disk are gone",
            AtRead,
            "vdi.block.past-end",
            Some(map + 64),
            file[..stored(2) as usize + 699].to_vec(),
        ),
        (
            "vdi-all-zero-map",
            "a map of zeros",
            AtRead,
            "usage.overlap",
            Some(stored(0)),
            edited(map, &[0; 17 * 4]),
        ),
    ]
}

/// Children whose parents are not what they must be. Their uuids are in no other image.
fn parents() -> Vec<BrokenImage> {
    let below = mixed(400_000);
    let child = |uuid: u8, parent: u8| over(&below, 400_000, uuid, parent).0.write().file;
    let broken = |name: &'static str, about, code, at, files: Vec<(&str, Vec<u8>)>| {
        let files =
            files.into_iter().map(|(part, bytes)| ImageFile { name: format!("{name}{part}.vdi"), bytes });
        BrokenImage { name, about, files: files.collect(), refused: AtOpen, code, at: Some(at) }
    };
    vec![
        broken("vdi-orphan", "no parent", "open.parent.not-found", 424, vec![("", child(0x81, 0x82))]),
        broken(
            "vdi-twins",
            "two files with the parent's id",
            "open.parent.several",
            424,
            vec![("", child(0x83, 0x84)), ("-a", base(&below, 0x84)), ("-b", base(&below, 0x84))],
        ),
        broken("vdi-own-parent", "its own parent", "open.chain.cycle", 424, vec![("", child(0x85, 0x85))]),
        broken(
            "vdi-cycle",
            "each the parent of the other",
            "open.chain.cycle",
            424,
            vec![("", child(0x86, 0x87)), ("-below", child(0x87, 0x86))],
        ),
        broken(
            "vdi-broken-parent",
            "a parent that is cut",
            "open.parent.not-found",
            424,
            vec![("", child(0x88, 0x89)), ("-below", base(&below, 0x89)[..450].to_vec())],
        ),
    ]
}
