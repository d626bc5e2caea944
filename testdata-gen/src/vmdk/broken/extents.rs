//! Extents of other kinds.

use crate::model::BrokenImage;
use crate::model::Refused::{AtOpen, AtRead};
use crate::rows::{Row, named};
use crate::vmdk::broken::edits::edited;
use crate::vmdk::encode::{Hosted, SECTOR, cells_of, cowd, descriptor, file, sectors, sesparse};

pub(crate) fn extents() -> Vec<BrokenImage> {
    [lone_extents(), cowd_extents(), sesparse_extents()].concat()
}

/// Bytes of the disk of the extents below.
const EXTENT: usize = 100_352;

/// A descriptor of one extent of this kind, which is the row's file.
fn over(kind: &str, (name, about, refused, code, at, bytes): Row) -> BrokenImage {
    let lines = [format!("RW {} {kind} \"{name}-x\"", EXTENT / SECTOR)];
    let text = descriptor("custom", 1, None, &lines).into_bytes();
    let mut image = named("vmdk", (name, about, refused, code, at, text));
    image.files.push(file(format!("{name}-x"), bytes));
    image
}

/// Extents without their descriptor, or of another kind.
fn lone_extents() -> Vec<BrokenImage> {
    let disk = sectors(EXTENT);
    let alone =
        |name, about, bytes| named("vmdk", (name, about, AtRead, "vmdk.extent.alone", Some(0), bytes));
    let (hosted, cow) = (Hosted::new(8, &disk).write(), cowd(1, &disk));
    let se = sesparse(disk.len(), &cells_of(&disk, 4096));
    vec![
        alone("vmdk-alone-sparse", "one extent of a split disk", hosted.file.clone()),
        alone("vmdk-alone-cowd", "a redo log without its descriptor", cow.file.clone()),
        alone("vmdk-alone-sesparse", "an seSparse delta without its descriptor", se.file.clone()),
        over(
            "SPARSE",
            (
                "vmdk-extent-size",
                "an extent of another size",
                AtOpen,
                "vmdk.extent.size",
                Some(12),
                edited(&hosted, 12, &[1]),
            ),
        ),
        over(
            "SESPARSE",
            (
                "vmdk-cowd-as-sesparse",
                "another kind of extent",
                AtOpen,
                "vmdk.header.magic",
                Some(0),
                cow.file.clone(),
            ),
        ),
    ]
}

/// COWD extents.
fn cowd_extents() -> Vec<BrokenImage> {
    let cow = cowd(1, &sectors(EXTENT));
    let cow_entry = cow.entries[&0];
    vec![
        over(
            "VMFSSPARSE",
            (
                "vmdk-cowd-version-2",
                "a version that does not exist",
                AtOpen,
                "vmdk.header.version",
                Some(4),
                edited(&cow, 4, &[2]),
            ),
        ),
        over(
            "VMFSSPARSE",
            (
                "vmdk-cowd-grain-0",
                "grains of length 0",
                AtOpen,
                "vmdk.header.field",
                Some(16),
                edited(&cow, 16, &[0; 4]),
            ),
        ),
        over(
            "VMFSSPARSE",
            (
                "vmdk-cowd-directory-0",
                "no directory entry",
                AtOpen,
                "vmdk.directory.too-short",
                Some(24),
                edited(&cow, 24, &[0; 4]),
            ),
        ),
        over(
            "VMFSSPARSE",
            (
                "vmdk-cowd-entry-in-header",
                "data in the header",
                AtRead,
                "vmdk.table.entry",
                Some(cow_entry),
                edited(&cow, cow_entry, &[3, 0, 0, 0]),
            ),
        ),
        over(
            "VMFSSPARSE",
            (
                "vmdk-cowd-entry-past-end",
                "data after the file's end",
                AtRead,
                "vmdk.grain.past-end",
                Some(cow_entry),
                edited(&cow, cow_entry, &[0xff; 4]),
            ),
        ),
    ]
}

/// seSparse extents.
fn sesparse_extents() -> Vec<BrokenImage> {
    let disk = sectors(EXTENT);
    let se = sesparse(disk.len(), &cells_of(&disk, 4096));
    let se_entry = se.entries[&0];
    let odd = edited(&se, se_entry, &(5u64 << 60).to_le_bytes());
    let far = edited(&se, se_entry, &(0x3fff_u64 << 48).to_le_bytes());
    let table = edited(&se, se.directory, &(2u64 << 60).to_le_bytes());
    vec![
        over(
            "SESPARSE",
            (
                "vmdk-sesparse-version",
                "another version",
                AtOpen,
                "vmdk.header.version",
                Some(8),
                edited(&se, 8, &[2]),
            ),
        ),
        over(
            "SESPARSE",
            (
                "vmdk-sesparse-flags",
                "unknown flags",
                AtOpen,
                "vmdk.sesparse.field",
                Some(40),
                edited(&se, 40, &[1]),
            ),
        ),
        over(
            "SESPARSE",
            (
                "vmdk-sesparse-journal",
                "a journal to replay",
                AtOpen,
                "vmdk.sesparse.journal",
                Some(536),
                edited(&se, 536, &[1]),
            ),
        ),
        over(
            "SESPARSE",
            (
                "vmdk-sesparse-volatile",
                "no volatile header",
                AtOpen,
                "vmdk.header.field",
                Some(512),
                edited(&se, 512, &[0]),
            ),
        ),
        over(
            "SESPARSE",
            (
                "vmdk-sesparse-directory",
                "a directory too short",
                AtOpen,
                "vmdk.directory.too-short",
                Some(136),
                edited(&se, 136, &[0]),
            ),
        ),
        over(
            "SESPARSE",
            (
                "vmdk-sesparse-entry-type",
                "an entry of type 5",
                AtRead,
                "vmdk.table.entry",
                Some(se_entry),
                odd,
            ),
        ),
        over(
            "SESPARSE",
            (
                "vmdk-sesparse-entry-past-end",
                "data after the file's end",
                AtRead,
                "vmdk.grain.past-end",
                Some(se_entry),
                far,
            ),
        ),
        over(
            "SESPARSE",
            (
                "vmdk-sesparse-table-type",
                "a directory entry of type 2",
                AtRead,
                "vmdk.table.entry",
                Some(se.directory),
                table,
            ),
        ),
    ]
}
