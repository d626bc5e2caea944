//! The header of dynamic images.

use crate::model::Refused::{AtOpen, AtRead};
use crate::rows::Row;
use crate::vhd::broken::recipe::{HEADER, edited, header_with};

pub(crate) fn headers() -> Vec<Row> {
    let at = HEADER as u64;
    vec![
        (
            "vhd-header-cookie",
            "another cookie",
            AtOpen,
            "vhd.header.cookie",
            Some(at),
            edited(|written| written.file[512] = b'C'),
        ),
        (
            "vhd-header-checksum",
            "a wrong checksum",
            AtOpen,
            "vhd.header.checksum",
            Some(at + 36),
            edited(|written| written.file[900] ^= 1),
        ),
        (
            "vhd-header-version-2",
            "a version that does not exist",
            AtOpen,
            "vhd.header.version",
            Some(at + 24),
            header_with(24, &[0, 2, 0, 0]),
        ),
        (
            "vhd-block-size-0",
            "blocks of 0 bytes",
            AtOpen,
            "vhd.header.field",
            Some(at + 32),
            header_with(32, &[0; 4]),
        ),
        (
            "vhd-block-size-odd",
            "a block size that is not a power of two",
            AtOpen,
            "vhd.header.field",
            Some(at + 32),
            header_with(32, &[0, 0x30, 0, 0]),
        ),
        (
            "vhd-block-size-512",
            "blocks too small",
            AtOpen,
            "vhd.header.block-size",
            Some(at + 32),
            header_with(32, &[0, 0, 2, 0]),
        ),
        (
            "vhd-block-size-2-gib",
            "blocks too large",
            AtOpen,
            "vhd.header.block-size",
            Some(at + 32),
            header_with(32, &[0x80, 0, 0, 0]),
        ),
        (
            "vhd-table-too-short",
            "a table that does not cover the disk",
            AtOpen,
            "vhd.bat.too-short",
            Some(at + 28),
            header_with(28, &[0, 0, 0, 5]),
        ),
        (
            "vhd-table-huge",
            "four thousand million entries",
            AtOpen,
            "vhd.table.past-end",
            Some(at + 16),
            header_with(28, &[0xff; 4]),
        ),
        (
            "vhd-table-nowhere",
            "a table at the end of all numbers",
            AtOpen,
            "vhd.table.past-end",
            Some(at + 16),
            header_with(16, &[0xff; 8]),
        ),
        (
            "vhd-table-over-the-header",
            "a table where the header is",
            AtRead,
            "claims.overlap",
            None,
            header_with(16, &512u64.to_be_bytes()),
        ),
    ]
}
