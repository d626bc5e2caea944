//! The block allocation table.

use crate::model::Refused::AtRead;
use crate::rows::Row;
use crate::vhd::broken::recipe::{entry_with, recipe};

pub(crate) fn tables() -> Vec<Row> {
    let good = recipe().write();
    let bat = good.bat;
    vec![
        (
            "vhd-block-past-end",
            "an entry past the file's end",
            AtRead,
            "vhd.bat.past-end",
            Some(bat + 8),
            entry_with(2, |written| written.file.len() as u64 / 512),
        ),
        (
            "vhd-block-nowhere",
            "the largest entry",
            AtRead,
            "vhd.bat.past-end",
            Some(bat + 8),
            entry_with(2, |_| 0xffff_fffe),
        ),
        (
            "vhd-block-cut",
            "the last block and the footer are cut",
            AtRead,
            "vhd.bat.past-end",
            Some(bat + 12),
            good.file[..good.footer as usize - 512].to_vec(),
        ),
        (
            "vhd-block-in-footer",
            "a block whose last sector is the footer",
            AtRead,
            "usage.overlap",
            None,
            entry_with(3, |written| written.blocks[&3] / 512 + 1),
        ),
        ("vhd-block-at-0", "entry 0", AtRead, "vhd.bat.in-header", Some(bat + 4), entry_with(1, |_| 0)),
        (
            "vhd-block-in-table",
            "a block where the table is",
            AtRead,
            "vhd.bat.in-header",
            Some(bat + 4),
            entry_with(1, |written| written.bat / 512),
        ),
        (
            "vhd-shared-block",
            "two entries with one block",
            AtRead,
            "usage.overlap",
            None,
            entry_with(1, |written| written.blocks[&2] / 512),
        ),
        (
            "vhd-overlapping-blocks",
            "a block in the middle of another",
            AtRead,
            "usage.overlap",
            None,
            entry_with(1, |written| written.blocks[&2] / 512 + 3),
        ),
    ]
}
