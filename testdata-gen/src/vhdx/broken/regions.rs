//! Region tables.

use crate::model::Refused::AtOpen;
use crate::rows::Row;
use crate::vhdx::broken::recipe::{LATER, MIB, edited, recipe};
use crate::vhdx::encode::{BAT, REGION_TABLES, Vhdx, guid, put, seal};

pub(crate) fn regions() -> Vec<Row> {
    [region_tables(), region_places()].concat()
}

/// The region tables and their entries.
fn region_tables() -> Vec<Row> {
    let first = REGION_TABLES[0];
    // Entry 0 is the block allocation table's.
    let bat = 16;
    vec![
        (
            "vhdx-both-region-tables-damaged",
            "no region table has its checksum",
            AtOpen,
            "vhdx.region.no-table",
            Some(first),
            edited(&recipe(), |written| {
                put(&mut written.file, REGION_TABLES[0] + 40, &[9]);
                put(&mut written.file, REGION_TABLES[1] + 40, &[9]);
            }),
        ),
        (
            "vhdx-region-tables-differ",
            "two valid region tables, two places of the allocation table",
            AtOpen,
            "vhdx.region.tables-differ",
            Some(REGION_TABLES[1]),
            edited(&recipe(), |written| {
                let place = written.places[&0];
                put(&mut written.file, REGION_TABLES[1] + bat + 16, &place.to_le_bytes());
                seal(&mut written.file, REGION_TABLES[1], 65536);
            }),
        ),
        with(
            "vhdx-region-count",
            "more regions than the table has room for",
            "vhdx.region.field",
            8,
            &2048u32.to_le_bytes(),
        ),
        (
            "vhdx-region-unknown-required",
            "an unknown required region",
            AtOpen,
            "vhdx.region.unknown",
            Some(first + 80),
            Vhdx { regions: vec![(LATER, true)], ..recipe() }.write().file,
        ),
        (
            "vhdx-no-bat-region",
            "no region of the block allocation table",
            AtOpen,
            "vhdx.region.missing",
            Some(first),
            edited(&recipe(), |written| {
                written.region(bat, &guid(LATER));
                written.region(bat + 28, &[0]);
            }),
        ),
        (
            "vhdx-no-metadata-region",
            "a region table of one entry",
            AtOpen,
            "vhdx.region.missing",
            Some(first),
            edited(&recipe(), |written| written.region(8, &[1])),
        ),
        (
            "vhdx-region-twice",
            "two regions of one name",
            AtOpen,
            "vhdx.region.twice",
            Some(first + 80),
            edited(&Vhdx { regions: vec![(LATER, false)], ..recipe() }, |written| {
                written.region(80, &guid(BAT));
            }),
        ),
    ]
}

/// Another field of the first region table.
fn with(name: &'static str, about: &'static str, code: &'static str, at: u64, bytes: &[u8]) -> Row {
    let file = edited(&recipe(), |written| written.region(at, bytes));
    (name, about, AtOpen, code, Some(REGION_TABLES[0] + at), file)
}

/// The places of regions.
fn region_places() -> Vec<Row> {
    let first = REGION_TABLES[0];
    let written = recipe().write();
    let file_len = written.file.len() as u64;
    // Entry 0 is the block allocation table's, entry 1 the metadata's.
    let (bat, metadata) = (16, 48);
    vec![
        with(
            "vhdx-region-unaligned",
            "a region between two MiB",
            "vhdx.region.field",
            bat + 16,
            &(written.bat + 65536).to_le_bytes(),
        ),
        with(
            "vhdx-region-in-headers",
            "a region at the file's start",
            "vhdx.region.field",
            metadata + 16,
            &[0; 8],
        ),
        with(
            "vhdx-region-length",
            "a region that is not whole MiB",
            "vhdx.region.field",
            metadata + 24,
            &65536u32.to_le_bytes(),
        ),
        with(
            "vhdx-region-past-end",
            "a region after the file's end",
            "vhdx.region.past-end",
            bat + 16,
            &file_len.to_le_bytes(),
        ),
        with(
            "vhdx-region-overflows",
            "a region that ends after all offsets",
            "vhdx.region.past-end",
            bat + 16,
            &(u64::MAX - MIB + 1).to_le_bytes(),
        ),
        (
            "vhdx-regions-overlap",
            "the allocation table reaches into the data and another region",
            AtOpen,
            "vhdx.region.overlap",
            Some(first + 80),
            edited(&Vhdx { regions: vec![(LATER, false)], ..recipe() }, |written| {
                written.region(bat + 24, &(2 * MIB as u32).to_le_bytes());
            }),
        ),
        (
            "vhdx-region-in-log",
            "the metadata in the log",
            AtOpen,
            "vhdx.region.overlap",
            Some(first + metadata),
            edited(&recipe(), |written| written.region(metadata + 16, &written.log.to_le_bytes())),
        ),
    ]
}
