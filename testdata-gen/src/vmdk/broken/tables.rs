//! Grain directories and tables.

use crate::model::BrokenImage;
use crate::model::Refused::AtRead;
use crate::rows::Row;
use crate::vmdk::broken::edits::{edited, rows};
use crate::vmdk::encode::recipe;

pub(crate) fn tables() -> Vec<BrokenImage> {
    let written = recipe().write();
    let (entry, second) = (written.entries[&1], written.places[&4] / 512);
    let four = |sector: u64| u32::try_from(sector).expect("a sector number").to_le_bytes();
    let table = |name, about, code, at, sector: u64| -> Row {
        (name, about, AtRead, code, Some(at), edited(&written, entry, &four(sector)))
    };
    let directory = written.directory;
    let grain_table = written.entries[&0];
    let cut = written.places[&4] as usize + 1000;
    rows(vec![
        table("vmdk-entry-past-end", "data after the file's end", "vmdk.grain.past-end", entry, 0xffff_ffff),
        table(
            "vmdk-entry-at-end",
            "data that begins where the file ends",
            "vmdk.grain.past-end",
            entry,
            written.file.len() as u64 / 512,
        ),
        table("vmdk-entry-1", "a zeroed grain without its flag", "vmdk.table.entry", entry, 1),
        table("vmdk-shared-grain", "one grain used twice", "usage.overlap", second * 512, second),
        table("vmdk-entry-in-descriptor", "data in the descriptor", "usage.overlap", 1024, 2),
        table(
            "vmdk-entry-in-directory",
            "data in the directory",
            "usage.overlap",
            directory,
            directory / 512,
        ),
        (
            "vmdk-table-past-end",
            "a table after the file's end",
            AtRead,
            "vmdk.table.past-end",
            Some(directory),
            edited(&written, directory, &four(0xffff_ffff)),
        ),
        (
            "vmdk-table-1",
            "a table in the descriptor",
            AtRead,
            "vmdk.table.entry",
            Some(directory),
            edited(&written, directory, &four(1)),
        ),
        (
            "vmdk-table-is-directory",
            "a directory that is its own table",
            AtRead,
            "usage.overlap",
            Some(directory),
            edited(&written, directory, &four(directory / 512)),
        ),
        (
            "vmdk-redundant-table-shared",
            "both directories name one table",
            AtRead,
            "usage.overlap",
            Some(grain_table),
            edited(&written, written.redundant, &four(grain_table / 512)),
        ),
        (
            "vmdk-cut-in-data",
            "the last grain is cut",
            AtRead,
            "vmdk.grain.past-end",
            Some(written.entries[&4]),
            written.file[..cut].to_vec(),
        ),
    ])
}
