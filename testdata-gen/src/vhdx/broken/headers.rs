//! Headers.

use crate::model::Refused::AtOpen;
use crate::rows::Row;
use crate::vhdx::broken::recipe::{MIB, edited, recipe};
use crate::vhdx::encode::{HEADERS, LOG, Vhdx, guid, put};

pub(crate) fn headers() -> Vec<Row> {
    [signatures_and_versions(), log_places()].concat()
}

/// Cut and damaged headers, versions.
fn signatures_and_versions() -> Vec<Row> {
    let whole = recipe().write().file;
    let current = HEADERS[1];
    vec![
        (
            "vhdx-cut-in-signature",
            "the file ends after its signature",
            AtOpen,
            "vhdx.header.cut",
            Some(8),
            whole[..8].to_vec(),
        ),
        (
            "vhdx-cut-in-region-table",
            "the file ends in the second region table",
            AtOpen,
            "vhdx.header.cut",
            Some(300_000),
            whole[..300_000].to_vec(),
        ),
        (
            "vhdx-both-headers-damaged",
            "no header has its checksum",
            AtOpen,
            "vhdx.header.none",
            Some(HEADERS[0]),
            edited(&recipe(), |written| {
                put(&mut written.file, HEADERS[0] + 100, &[1]);
                put(&mut written.file, HEADERS[1], &[0; 4]);
            }),
        ),
        (
            "vhdx-headers-of-one-age",
            "two headers of one number that differ",
            AtOpen,
            "vhdx.header.ambiguous",
            Some(current + 8),
            edited(&Vhdx { sequences: [5, 5], ..recipe() }, |written| written.header(&[0], 16, &[1])),
        ),
        both("vhdx-version-2", "a version that does not exist", "vhdx.header.version", 66, &[2]),
        both("vhdx-log-version-1", "a log of a later version", "vhdx.log.version", 64, &[1]),
    ]
}

/// Both headers with other bytes at `at`.
fn both_with(at: u64, bytes: &[u8]) -> Vec<u8> {
    edited(&recipe(), |written| written.header(&[0, 1], at, bytes))
}

/// An invalid field of both headers.
fn both(name: &'static str, about: &'static str, code: &'static str, at: u64, bytes: &[u8]) -> Row {
    (name, about, AtOpen, code, Some(HEADERS[1] + at), both_with(at, bytes))
}

/// The place of the log.
fn log_places() -> Vec<Row> {
    let current = HEADERS[1];
    vec![
        both(
            "vhdx-log-length-odd",
            "a log that is not whole MiB",
            "vhdx.header.field",
            68,
            &4096u32.to_le_bytes(),
        ),
        both(
            "vhdx-log-offset-odd",
            "a log between two MiB",
            "vhdx.header.field",
            72,
            &(MIB + 4096).to_le_bytes(),
        ),
        both("vhdx-log-in-headers", "a log at the file's start", "vhdx.header.field", 72, &[0; 8]),
        (
            "vhdx-log-past-end",
            "a log of 4 GiB",
            AtOpen,
            "vhdx.log.past-end",
            Some(current + 72),
            both_with(68, &0xfff0_0000u32.to_le_bytes()),
        ),
        both(
            "vhdx-log-overflows",
            "a log that ends after all offsets",
            "vhdx.log.past-end",
            72,
            &(u64::MAX - MIB + 1).to_le_bytes(),
        ),
        (
            "vhdx-log-of-no-length",
            "a log in use that has no place",
            AtOpen,
            "vhdx.header.field",
            Some(current + 68),
            edited(&recipe(), |written| {
                written.header(&[0, 1], 48, &guid(LOG));
                written.header(&[0, 1], 68, &[0; 4]);
            }),
        ),
    ]
}
