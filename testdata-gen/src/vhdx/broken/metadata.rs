//! Metadata items.

use crate::model::Refused::AtOpen;
use crate::rows::Row;
use crate::vhdx::broken::recipe::{LATER, MIB, edited, recipe};
use crate::vhdx::encode::{
    DISK_SIZE, FILE_PARAMETERS, LOGICAL, PAGE_83, PHYSICAL, REGION_TABLES, Vhdx, guid, put,
};

pub(crate) fn metadata() -> Vec<Row> {
    [metadata_values(), metadata_items()].concat()
}

/// The values of items.
fn metadata_values() -> Vec<Row> {
    let written = recipe().write();
    let (table, item) = (written.metadata, |name| written.items[name]);
    let block_size = |bytes: u64| bytes_at(item(FILE_PARAMETERS), &u32s(bytes));
    let size = |bytes: u64| bytes_at(item(DISK_SIZE), &bytes.to_le_bytes());
    let field = "vhdx.metadata.field";
    let parameters = item(FILE_PARAMETERS);
    vec![
        with("vhdx-metadata-signature", "no metadata table", "vhdx.metadata.signature", table, b"METADATA"),
        with(
            "vhdx-metadata-count",
            "more items than the table has room for",
            field,
            table + 10,
            &2048u16.to_le_bytes(),
        ),
        (
            "vhdx-blocks-of-3m",
            "a block size that is not a power of two",
            AtOpen,
            field,
            Some(parameters),
            block_size(3 * MIB),
        ),
        ("vhdx-blocks-of-512k", "blocks too small", AtOpen, field, Some(parameters), block_size(MIB / 2)),
        ("vhdx-blocks-of-512m", "blocks too large", AtOpen, field, Some(parameters), block_size(512 * MIB)),
        ("vhdx-blocks-of-nothing", "blocks of 0 bytes", AtOpen, field, Some(parameters), block_size(0)),
        with("vhdx-logical-sector-520", "sectors of 520 bytes", field, item(LOGICAL), &u32s(520)),
        with("vhdx-logical-sector-0", "sectors of 0 bytes", field, item(LOGICAL), &[0; 4]),
        with("vhdx-physical-sector-8k", "physical sectors of 8 KiB", field, item(PHYSICAL), &u32s(8192)),
        ("vhdx-size-odd", "a disk of half a sector", AtOpen, field, Some(item(DISK_SIZE)), size(256)),
        ("vhdx-size-65t", "a disk larger than 64 TiB", AtOpen, field, Some(item(DISK_SIZE)), size(65 << 40)),
        ("vhdx-size-bomb", "a disk of 2^60 bytes", AtOpen, field, Some(item(DISK_SIZE)), size(1 << 60)),
    ]
}

fn u32s(value: u64) -> [u8; 4] {
    (value as u32).to_le_bytes()
}

/// The image with other bytes at `at`.
fn bytes_at(at: u64, bytes: &[u8]) -> Vec<u8> {
    edited(&recipe(), |written| put(&mut written.file, at, bytes))
}

/// An invalid field at `at`.
fn with(name: &'static str, about: &'static str, code: &'static str, at: u64, bytes: &[u8]) -> Row {
    (name, about, AtOpen, code, Some(at), bytes_at(at, bytes))
}

/// The items and their places.
fn metadata_items() -> Vec<Row> {
    let written = recipe().write();
    let (table, item) = (written.metadata, |name| written.items[name]);
    let entry = |index: u64| table + 32 + index * 32;
    let size = |bytes: u64| bytes_at(item(DISK_SIZE), &bytes.to_le_bytes());
    let field = "vhdx.metadata.field";
    vec![
        (
            "vhdx-item-missing",
            "no virtual disk id",
            AtOpen,
            "vhdx.metadata.missing",
            Some(table),
            // Replaced by an optional item of another name.
            edited(&recipe(), |written| {
                put(&mut written.file, entry(4), &guid(LATER));
                put(&mut written.file, entry(4) + 24, &[0; 4]);
            }),
        ),
        (
            "vhdx-item-is-a-users",
            "the disk's size in a user's item",
            AtOpen,
            "vhdx.metadata.missing",
            Some(table),
            bytes_at(entry(1) + 24, &[1]),
        ),
        (
            "vhdx-item-unknown-required",
            "an unknown required item",
            AtOpen,
            "vhdx.metadata.unknown",
            Some(entry(5)),
            Vhdx { items: vec![(LATER, 4, vec![1; 8])], ..recipe() }.write().file,
        ),
        (
            "vhdx-item-twice",
            "two items of one name",
            AtOpen,
            "vhdx.metadata.twice",
            Some(entry(5)),
            Vhdx { items: vec![(PAGE_83, 6, vec![1; 16])], ..recipe() }.write().file,
        ),
        with("vhdx-item-length", "a size of four bytes", "vhdx.metadata.length", entry(1) + 20, &[4]),
        with("vhdx-item-of-2m", "an item longer than any may be", field, entry(4) + 20, &u32s(2 * MIB)),
        with("vhdx-item-in-table", "an item inside the table", field, entry(4) + 16, &u32s(4096)),
        with(
            "vhdx-item-past-end",
            "an item after its region's end",
            "vhdx.metadata.past-end",
            entry(4) + 16,
            &u32s(MIB - 8),
        ),
        (
            "vhdx-items-overlap",
            "two items share bytes",
            AtOpen,
            "vhdx.metadata.overlap",
            Some(entry(1)),
            bytes_at(entry(1) + 16, &u32s(65540)),
        ),
        (
            "vhdx-bat-too-short",
            "a disk of 64 TiB with a table of 1 MiB",
            AtOpen,
            "vhdx.bat.too-short",
            Some(REGION_TABLES[0] + 16 + 24),
            size(64 << 40),
        ),
    ]
}
