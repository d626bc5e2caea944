//! The header of dynamic images.

use crate::model::Refused::{AtOpen, AtRead};
use crate::rows::Row;
use crate::vhd::broken::recipe::{HEADER, edited, header_with};

/// An invalid field of the header.
fn header_field(name: &'static str, about: &'static str, code: &'static str, at: u64, bytes: &[u8]) -> Row {
    (name, about, AtOpen, code, Some(HEADER as u64 + at), header_with(at, bytes))
}

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
        header_field(
            "vhd-header-version-2",
            "a version that does not exist",
            "vhd.header.version",
            24,
            &[0, 2, 0, 0],
        ),
        header_field("vhd-block-size-0", "blocks of 0 bytes", "vhd.header.field", 32, &[0; 4]),
        header_field(
            "vhd-block-size-odd",
            "a block size that is not a power of two",
            "vhd.header.field",
            32,
            &[0, 0x30, 0, 0],
        ),
        header_field("vhd-block-size-512", "blocks too small", "vhd.header.block-size", 32, &[0, 0, 2, 0]),
        header_field(
            "vhd-block-size-2-gib",
            "blocks too large",
            "vhd.header.block-size",
            32,
            &[0x80, 0, 0, 0],
        ),
        header_field(
            "vhd-table-too-short",
            "a table that does not cover the disk",
            "vhd.bat.too-short",
            28,
            &[0, 0, 0, 5],
        ),
        (
            "vhd-table-huge",
            "four thousand million entries",
            AtOpen,
            "vhd.table.past-end",
            Some(at + 16),
            header_with(28, &[0xff; 4]),
        ),
        header_field(
            "vhd-table-nowhere",
            "a table at the end of all numbers",
            "vhd.table.past-end",
            16,
            &[0xff; 8],
        ),
        (
            "vhd-table-over-the-header",
            "a table where the header is",
            AtRead,
            "usage.overlap",
            None,
            header_with(16, &512u64.to_be_bytes()),
        ),
    ]
}
