//! The header and what it names.

use std::collections::BTreeMap;

use crate::bytes::put;
use crate::model::BrokenImage;
use crate::model::Refused::{AtOpen, AtRead};
use crate::qcow2::broken::recipe::{edited, recipe};
use crate::qcow2::encode::Qcow2;
use crate::rows::{Row, named};

pub(crate) fn headers() -> Vec<BrokenImage> {
    let rows = [versions_and_sizes(), features(), l1_tables(), snapshots_and_names()].concat();
    rows.into_iter().map(|row| named("qcow2", row)).collect()
}

/// The image with other bytes at `at`.
fn with(at: u64, bytes: &[u8]) -> Vec<u8> {
    edited(|written| put(&mut written.file, at, bytes))
}

/// An invalid field at `at`.
fn field(name: &'static str, about: &'static str, code: &'static str, at: u64, bytes: &[u8]) -> Row {
    (name, about, AtOpen, code, Some(at), with(at, bytes))
}

/// Versions, sizes of clusters and of the header.
fn versions_and_sizes() -> Vec<Row> {
    let written = recipe().write();
    vec![
        (
            "qcow2-cut-header",
            "the file ends in its header",
            AtOpen,
            "qcow2.header.cut",
            Some(90),
            written.file[..90].to_vec(),
        ),
        field("qcow2-version-4", "a version that does not exist", "qcow2.header.version", 4, &[0, 0, 0, 4]),
        field("qcow2-cluster-bits-8", "clusters too small", "qcow2.header.field", 20, &[0, 0, 0, 8]),
        field("qcow2-cluster-bits-22", "clusters too large", "qcow2.header.field", 20, &[0, 0, 0, 22]),
        field("qcow2-header-length-100", "a header too short", "qcow2.header.field", 100, &[0, 0, 0, 100]),
        (
            "qcow2-header-length-huge",
            "a header longer than the file",
            AtOpen,
            "qcow2.header.cut",
            None,
            with(100, &[0xff, 0xff, 0xff, 0xf8]),
        ),
        field("qcow2-refcount-order-7", "refcounts of 128 bits", "qcow2.header.field", 96, &[0, 0, 0, 7]),
    ]
}

/// Features, encryption and compression.
fn features() -> Vec<Row> {
    let features = |bits| Qcow2 { incompatible: bits, ..recipe() }.write().file;
    vec![
        (
            "qcow2-unknown-incompatible-bit",
            "an unknown feature",
            AtOpen,
            "qcow2.header.unknown-feature",
            Some(72),
            features(1 << 40),
        ),
        ("qcow2-corrupt-bit", "marked corrupt", AtRead, "qcow2.header.corrupt-flag", Some(72), features(2)),
        (
            "qcow2-encrypted-aes",
            "AES",
            AtRead,
            "qcow2.header.encrypted",
            Some(32),
            Qcow2 { crypt: 1, ..recipe() }.write().file,
        ),
        (
            "qcow2-encrypted-luks",
            "LUKS",
            AtRead,
            "qcow2.header.encrypted",
            Some(32),
            Qcow2 { crypt: 2, ..recipe() }.write().file,
        ),
        field(
            "qcow2-compression-without-bit",
            "zstd without its feature bit",
            "qcow2.header.field",
            104,
            &[1],
        ),
        (
            "qcow2-compression-bit-without-type",
            "the feature bit with zlib",
            AtOpen,
            "qcow2.header.field",
            Some(104),
            features(8),
        ),
    ]
}

/// The place and length of the L1 table.
fn l1_tables() -> Vec<Row> {
    vec![
        field(
            "qcow2-l1-too-short",
            "an L1 table that does not cover the disk",
            "qcow2.l1.too-short",
            36,
            &[0, 0, 0, 0],
        ),
        ("qcow2-bomb-size", "a disk of 16 EiB", AtOpen, "qcow2.l1.too-short", Some(36), with(24, &[0xff; 8])),
        field("qcow2-huge-l1", "an L1 table of 32 GiB", "qcow2.header.field", 36, &[0xff; 4]),
        (
            "qcow2-l1-past-end",
            "an L1 table after the file's end",
            AtOpen,
            "qcow2.table.past-end",
            Some(36),
            with(40, &[0, 0, 0, 1, 0, 0, 0, 0]),
        ),
        (
            "qcow2-l1-unaligned",
            "an L1 table not on a cluster",
            AtOpen,
            "qcow2.header.field",
            Some(36),
            with(46, &[2, 0]),
        ),
    ]
}

/// The snapshot table, extensions and names.
fn snapshots_and_names() -> Vec<Row> {
    let snapshots = vec![("1".into(), "then".into(), BTreeMap::new(), 1 << 20)];
    let with_snapshot = Qcow2 { snapshots, ..recipe() }.write();
    let (snapshot_table, mut huge_extra_data) = (with_snapshot.snapshot_table, with_snapshot.file);
    put(&mut huge_extra_data, snapshot_table + 36, &[0, 0x10, 0, 1]);
    vec![
        (
            "qcow2-snapshot-table-past-end",
            "a snapshot table after the file's end",
            AtOpen,
            "qcow2.snapshot.past-end",
            Some(1 << 40),
            with(60, &[0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0]),
        ),
        field("qcow2-snapshots-too-many", "2^32 - 1 snapshots", "qcow2.limit.snapshots", 60, &[0xff; 4]),
        field(
            "qcow2-extension-overrun",
            "an extension longer than its cluster",
            "qcow2.extension.overrun",
            112,
            &[1, 2, 3, 4, 0, 1, 0, 0],
        ),
        (
            "qcow2-backing-name-too-long",
            "a name of 1024 bytes",
            AtOpen,
            "qcow2.header.field",
            Some(16),
            with(8, &[0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 4, 0]),
        ),
        field(
            "qcow2-backing-name-past-end",
            "a name after the file's end",
            "qcow2.table.past-end",
            8,
            &[0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 9],
        ),
        (
            "qcow2-backing-size-zero",
            "the place of a backing file's name, and no name",
            AtOpen,
            "qcow2.header.field",
            Some(16),
            with(8, &[0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0]),
        ),
        (
            "qcow2-luks-header-without-method",
            "an encryption header, and no encryption",
            AtOpen,
            "qcow2.header.field",
            Some(32),
            Qcow2 { extensions: vec![(0x0537_be77, vec![0; 16])], ..recipe() }.write().file,
        ),
        (
            "qcow2-raw-data-file-without-data-file",
            "a raw data file, and no data file",
            AtOpen,
            "qcow2.header.field",
            Some(88),
            with(95, &[2]),
        ),
        (
            "qcow2-compression-type-7",
            "an unknown compression",
            AtOpen,
            "qcow2.header.compression",
            Some(104),
            edited(|written| {
                put(&mut written.file, 79, &[8]);
                put(&mut written.file, 104, &[7]);
            }),
        ),
        (
            "qcow2-snapshot-of-huge-extra-data",
            "a snapshot with more extra data than is kept",
            AtOpen,
            "qcow2.limit.text",
            Some(snapshot_table + 36),
            huge_extra_data,
        ),
    ]
}
