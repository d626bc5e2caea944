//! The block allocation table.

use crate::model::Refused::AtRead;
use crate::rows::Row;
use crate::vhdx::broken::recipe::{edited, recipe};
use crate::vhdx::encode::put;

pub(crate) fn tables() -> Vec<Row> {
    let written = recipe().write();
    let file_len = written.file.len() as u64;
    let second = written.entries[&2];
    let with = |value: u64| edited(&recipe(), |written| put(&mut written.file, second, &value.to_le_bytes()));
    let entry = |name, about, code, value| (name, about, AtRead, code, Some(second), with(value));
    let here = written.places[&2];
    vec![
        entry("vhdx-entry-state-4", "a reserved state", "vhdx.bat.entry", here | 4),
        entry("vhdx-entry-state-5", "another reserved state", "vhdx.bat.entry", here | 5),
        entry(
            "vhdx-entry-partial-without-parent",
            "a block in part in a dynamic image",
            "vhdx.bat.entry",
            here | 7,
        ),
        entry("vhdx-entry-reserved-bits", "bits that must be zero", "vhdx.bat.entry", here | 0b1110),
        entry("vhdx-entry-into-headers", "data in the headers", "vhdx.bat.entry", 6),
        entry("vhdx-entry-past-end", "data after the file's end", "vhdx.bat.past-end", file_len | 6),
        entry("vhdx-entry-bomb", "data at the end of all offsets", "vhdx.bat.past-end", (u64::MAX << 20) | 6),
        (
            "vhdx-data-cut",
            "the file ends in its last block",
            AtRead,
            "vhdx.bat.past-end",
            Some(second),
            edited(&recipe(), |written| written.file.truncate(here as usize + 4096)),
        ),
        (
            "vhdx-data-shared-by-two-entries",
            "one block used twice",
            AtRead,
            "usage.overlap",
            Some(written.places[&0]),
            with(written.places[&0] | 6),
        ),
        (
            "vhdx-data-in-log",
            "data in the log",
            AtRead,
            "usage.overlap",
            Some(written.log),
            with(written.log | 6),
        ),
        (
            "vhdx-data-in-bat",
            "data in the block allocation table",
            AtRead,
            "usage.overlap",
            Some(written.bat),
            with(written.bat | 6),
        ),
        (
            "vhdx-data-in-metadata",
            "data in the metadata",
            AtRead,
            "usage.overlap",
            Some(written.metadata),
            with(written.metadata | 6),
        ),
    ]
}
