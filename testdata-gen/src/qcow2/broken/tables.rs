//! Entries of the tables.

use std::collections::BTreeMap;

use crate::bytes::put;
use crate::disk::text;
use crate::model::BrokenImage;
use crate::model::Refused::AtRead;
use crate::qcow2::broken::recipe::{edited, recipe};
use crate::qcow2::encode::{Cell, Qcow2};
use crate::rows::{Row, named};

pub(crate) fn tables() -> Vec<BrokenImage> {
    let rows = [entries(), shared_clusters(), compressed_clusters(), flags()].concat();
    rows.into_iter().map(|row| named("qcow2", row)).collect()
}

/// The image with another number at `at`.
fn entry(at: u64, value: u64) -> Vec<u8> {
    edited(|written| put(&mut written.file, at, &value.to_be_bytes()))
}

/// Another entry at `from`, which is reported at `at`.
fn row(name: &'static str, about: &'static str, code: &'static str, at: u64, from: u64, value: u64) -> Row {
    (name, about, AtRead, code, Some(at), entry(from, value))
}

/// Another entry at `at`, where it is reported.
fn at(name: &'static str, about: &'static str, code: &'static str, at: u64, value: u64) -> Row {
    row(name, about, code, at, at, value)
}

/// Invalid entries of L1 and L2 tables.
fn entries() -> Vec<Row> {
    let written = recipe().write();
    let second = written.entries[&2];
    let (l1, file_len) = (written.l1, written.file.len() as u64);
    let copied = 1 << 63;
    vec![
        at(
            "qcow2-l2-entry-past-end",
            "data after the file's end",
            "qcow2.l2.past-end",
            second,
            copied | 1 << 40,
        ),
        at(
            "qcow2-l2-entry-at-end",
            "data that begins where the file ends",
            "qcow2.l2.past-end",
            second,
            copied | file_len,
        ),
        at(
            "qcow2-l1-entry-past-end",
            "an L2 table after the file's end",
            "qcow2.table.past-end",
            l1,
            copied | 1 << 40,
        ),
        at(
            "qcow2-l1-reserved-bits",
            "reserved bits in an L1 entry",
            "qcow2.table.entry",
            l1,
            copied | 0x30001,
        ),
        at(
            "qcow2-l2-reserved-bits",
            "reserved bits in an L2 entry",
            "qcow2.table.entry",
            second,
            copied | 1 << 57 | 0x40000,
        ),
        at(
            "qcow2-l2-unaligned",
            "a data offset not on a cluster",
            "qcow2.table.entry",
            second,
            copied | 0x40200,
        ),
    ]
}

/// Entries that name bytes in use.
fn shared_clusters() -> Vec<Row> {
    let written = recipe().write();
    let (first, second) = (written.entries[&0], written.entries[&2]);
    let l1 = written.l1;
    let copied = 1 << 63;
    vec![
        row(
            "qcow2-data-shared-by-two-entries",
            "one cluster used twice",
            "usage.overlap",
            written.places[&0],
            second,
            copied | written.places[&0],
        ),
        at(
            "qcow2-entry-points-into-header",
            "data in the header",
            "qcow2.table.entry",
            second,
            copied | 0x200,
        ),
        row("qcow2-entry-points-into-l1", "data in the L1 table", "usage.overlap", l1, second, copied | l1),
        row(
            "qcow2-entry-points-into-l2",
            "data in its own table",
            "usage.overlap",
            first,
            second,
            copied | first & !0xffff,
        ),
    ]
}

/// Compressed clusters.
fn compressed_clusters() -> Vec<Row> {
    let written = recipe().write();
    let third = written.entries[&3];
    vec![
        (
            "qcow2-compressed-in-data",
            "a payload inside another cluster",
            AtRead,
            "usage.overlap",
            None,
            entry(third, 1 << 62 | written.places[&2]),
        ),
        at(
            "qcow2-compressed-past-end",
            "a payload after the file's end",
            "qcow2.l2.past-end",
            third,
            1 << 62 | 1 << 40,
        ),
        (
            "qcow2-compressed-garbage",
            "a payload that is not deflate data",
            AtRead,
            "codec.decompress.garbage",
            Some(written.places[&3]),
            edited(|written| {
                let at = written.places[&3];
                put(&mut written.file, at, &[0xff; 64]);
            }),
        ),
        (
            "qcow2-compressed-short",
            "a payload that decompresses to less than a cluster",
            AtRead,
            "codec.decompress.short",
            Some(written.places[&3]),
            edited(|written| {
                let at = written.places[&3];
                put(&mut written.file, at, &[1, 1, 0, 0xfe, 0xff, b'x']);
            }),
        ),
    ]
}

/// Flags, states and the end of the file.
fn flags() -> Vec<Row> {
    let written = recipe().write();
    let second = written.entries[&2];
    let l1 = written.l1;
    let copied = 1 << 63;
    vec![
        at("qcow2-l1-copied-alone", "the flag of an L2 table, and no table", "qcow2.table.entry", l1, copied),
        at(
            "qcow2-l2-copied-alone",
            "the flag of a cluster, and no cluster",
            "qcow2.table.entry",
            second,
            copied,
        ),
        (
            "qcow2-tables-repeated",
            "an L1 table whose entries all name one L2 table",
            AtRead,
            "usage.overlap",
            None,
            repeated_tables(),
        ),
        (
            "qcow2-zero-flag-in-v2",
            "a zero cluster in version 2",
            AtRead,
            "qcow2.table.entry",
            None,
            Qcow2 { version: 2, cells: BTreeMap::from([(1, Cell::Zero)]), ..recipe() }.write().file,
        ),
        (
            "qcow2-subcluster-alloc-and-zero",
            "a subcluster in two states",
            AtRead,
            "qcow2.l2.subclusters",
            None,
            subclusters(1, 1),
        ),
        (
            "qcow2-cut-in-data",
            "the last cluster of data is cut",
            AtRead,
            "qcow2.l2.past-end",
            None,
            cut_in_data(),
        ),
    ]
}

/// Clusters of 512 bytes: an L1 table of 64 entries that are one.
fn repeated_tables() -> Vec<u8> {
    let mut written = Qcow2::new(9, 64 << 15).with_disk(&text(512), |_, bytes| Cell::Data(bytes)).write();
    let (start, end) = (written.l1 as usize, written.l1 as usize + 512);
    let entry = written.file[start..start + 8].to_vec();
    written.file[start..end].copy_from_slice(&entry.repeat(64));
    written.file
}

fn subclusters(data: u32, zeros: u32) -> Vec<u8> {
    let cells = BTreeMap::from([(1, Cell::Sub(data, zeros, vec![7; 1 << 16]))]);
    Qcow2 { extended: true, cells, ..recipe() }.write().file
}

/// Cut inside the data of a cluster that is after all required tables.
fn cut_in_data() -> Vec<u8> {
    let written = recipe().write();
    let at = written.places[&2] as usize;
    written.file[..at + 1000].to_vec()
}
