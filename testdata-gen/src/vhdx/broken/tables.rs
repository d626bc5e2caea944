//! The block allocation table.

use crate::model::Refused::AtRead;
use crate::rows::Row;
use crate::vhdx::broken::recipe::{edited, recipe};
use crate::vhdx::encode::put;

pub(crate) fn tables() -> Vec<Row> {
    let written = recipe().write();
    let file_len = written.file.len() as u64;
    let second = written.entries[&2];
    let entry =
        |value: u64| edited(&recipe(), |written| put(&mut written.file, second, &value.to_le_bytes()));
    let here = written.places[&2];
    vec![
        ("vhdx-entry-state-4", "a reserved state", AtRead, "vhdx.bat.entry", Some(second), entry(here | 4)),
        (
            "vhdx-entry-state-5",
            "another reserved state",
            AtRead,
            "vhdx.bat.entry",
            Some(second),
            entry(here | 5),
        ),
        (
            "vhdx-entry-partial-without-parent",
            "a block in part in a dynamic image",
            AtRead,
            "vhdx.bat.entry",
            Some(second),
            entry(here | 7),
        ),
        (
            "vhdx-entry-reserved-bits",
            "bits that must be zero",
            AtRead,
            "vhdx.bat.entry",
            Some(second),
            entry(here | 0b1110),
        ),
        ("vhdx-entry-into-headers", "data in the headers", AtRead, "vhdx.bat.entry", Some(second), entry(6)),
        (
            "vhdx-entry-past-end",
            "data behind the file's end",
            AtRead,
            "vhdx.bat.past-end",
            Some(second),
            entry(file_len | 6),
        ),
        (
            "vhdx-entry-bomb",
            "data at the end of all offsets",
            AtRead,
            "vhdx.bat.past-end",
            Some(second),
            entry((u64::MAX << 20) | 6),
        ),
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
            "claims.overlap",
            Some(written.places[&0]),
            entry(written.places[&0] | 6),
        ),
        (
            "vhdx-data-in-log",
            "data in the log",
            AtRead,
            "claims.overlap",
            Some(written.log),
            entry(written.log | 6),
        ),
        (
            "vhdx-data-in-bat",
            "data in the block allocation table",
            AtRead,
            "claims.overlap",
            Some(written.bat),
            entry(written.bat | 6),
        ),
        (
            "vhdx-data-in-metadata",
            "data in the metadata",
            AtRead,
            "claims.overlap",
            Some(written.metadata),
            entry(written.metadata | 6),
        ),
    ]
}
