//! Images that must be rejected, each named after its defect.

use std::collections::BTreeMap;

use crate::bytes::put;
use crate::disk::{Noise, text};
use crate::model::{BrokenImage, ImageFile, Refused};
use crate::qcow2::encode::{Cell, Qcow2, Written};
use crate::rows::{Row, named};

pub(crate) fn broken() -> Vec<BrokenImage> {
    let mut all = headers();
    all.extend(tables());
    all.extend(names());
    all
}

fn recipe() -> Qcow2 {
    let mut recipe = Qcow2::new(16, 1 << 20);
    recipe.cells = BTreeMap::from([
        (0, Cell::Data(text(1 << 16))),
        (2, Cell::Data(Noise::new(1).bytes(1 << 16))),
        (3, Cell::Compressed(text(1 << 16))),
    ]);
    recipe
}

fn edited(edit: impl Fn(&mut Written)) -> Vec<u8> {
    let mut written = recipe().write();
    edit(&mut written);
    written.file
}

fn headers() -> Vec<BrokenImage> {
    use Refused::{AtOpen, AtRead};
    let with = |at, bytes: &'static [u8]| edited(|written| put(&mut written.file, at, bytes));
    let written = recipe().write();
    let features = |bits| Qcow2 { incompatible: bits, ..recipe() }.write().file;
    let snapshots = vec![("1".into(), "then".into(), BTreeMap::new(), 1 << 20)];
    let with_snapshot = Qcow2 { snapshots, ..recipe() }.write();
    let (snapshot_table, mut huge_extra_data) = (with_snapshot.snapshot_table, with_snapshot.file);
    put(&mut huge_extra_data, snapshot_table + 36, &[0, 0x10, 0, 1]);
    let rows: Vec<Row> = vec![
        (
            "qcow2-cut-header",
            "the file ends in its header",
            AtOpen,
            "qcow2.header.cut",
            Some(90),
            written.file[..90].to_vec(),
        ),
        (
            "qcow2-version-4",
            "a version that does not exist",
            AtOpen,
            "qcow2.header.version",
            Some(4),
            with(4, &[0, 0, 0, 4]),
        ),
        (
            "qcow2-cluster-bits-8",
            "clusters too small",
            AtOpen,
            "qcow2.header.field",
            Some(20),
            with(20, &[0, 0, 0, 8]),
        ),
        (
            "qcow2-cluster-bits-22",
            "clusters too large",
            AtOpen,
            "qcow2.header.field",
            Some(20),
            with(20, &[0, 0, 0, 22]),
        ),
        (
            "qcow2-header-length-100",
            "a header too short",
            AtOpen,
            "qcow2.header.field",
            Some(100),
            with(100, &[0, 0, 0, 100]),
        ),
        (
            "qcow2-header-length-huge",
            "a header longer than the file",
            AtOpen,
            "qcow2.header.cut",
            None,
            with(100, &[0xff, 0xff, 0xff, 0xf8]),
        ),
        (
            "qcow2-refcount-order-7",
            "refcounts of 128 bits",
            AtOpen,
            "qcow2.header.field",
            Some(96),
            with(96, &[0, 0, 0, 7]),
        ),
        (
            "qcow2-unknown-incompatible-bit",
            "a feature of a later time",
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
        (
            "qcow2-compression-without-bit",
            "zstd without its feature bit",
            AtOpen,
            "qcow2.header.field",
            Some(104),
            with(104, &[1]),
        ),
        (
            "qcow2-compression-bit-without-type",
            "the feature bit with zlib",
            AtOpen,
            "qcow2.header.field",
            Some(104),
            features(8),
        ),
        (
            "qcow2-l1-too-short",
            "an L1 table that does not cover the disk",
            AtOpen,
            "qcow2.l1.too-short",
            Some(36),
            with(36, &[0, 0, 0, 0]),
        ),
        ("qcow2-bomb-size", "a disk of 16 EiB", AtOpen, "qcow2.l1.too-short", Some(36), with(24, &[0xff; 8])),
        (
            "qcow2-huge-l1",
            "an L1 table of 32 GiB",
            AtOpen,
            "qcow2.header.field",
            Some(36),
            with(36, &[0xff; 4]),
        ),
        (
            "qcow2-l1-past-end",
            "an L1 table behind the file's end",
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
        (
            "qcow2-snapshot-table-past-end",
            "a snapshot table behind the file's end",
            AtOpen,
            "qcow2.snapshot.past-end",
            Some(1 << 40),
            with(60, &[0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0]),
        ),
        (
            "qcow2-snapshots-too-many",
            "2^32 - 1 snapshots",
            AtOpen,
            "qcow2.limit.snapshots",
            Some(60),
            with(60, &[0xff; 4]),
        ),
        (
            "qcow2-extension-overrun",
            "an extension longer than its cluster",
            AtOpen,
            "qcow2.extension.overrun",
            Some(112),
            with(112, &[1, 2, 3, 4, 0, 1, 0, 0]),
        ),
        (
            "qcow2-backing-name-too-long",
            "a name of 1024 bytes",
            AtOpen,
            "qcow2.header.field",
            Some(16),
            with(8, &[0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 4, 0]),
        ),
        (
            "qcow2-backing-name-past-end",
            "a name behind the file's end",
            AtOpen,
            "qcow2.table.past-end",
            Some(8),
            with(8, &[0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 9]),
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
            "a compression of a later time",
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
    ];
    rows.into_iter().map(|row| named("qcow2", row)).collect()
}

fn tables() -> Vec<BrokenImage> {
    use Refused::AtRead;
    let written = recipe().write();
    let (first, second, third) = (written.entries[&0], written.entries[&2], written.entries[&3]);
    let (l1, file_len) = (written.l1, written.file.len() as u64);
    let entry = |at: u64, value: u64| edited(move |written| put(&mut written.file, at, &value.to_be_bytes()));
    let copied = 1 << 63;
    let rows: Vec<Row> = vec![
        (
            "qcow2-l2-entry-past-end",
            "data behind the file's end",
            AtRead,
            "qcow2.l2.past-end",
            Some(second),
            entry(second, copied | 1 << 40),
        ),
        (
            "qcow2-l2-entry-at-end",
            "data that begins where the file ends",
            AtRead,
            "qcow2.l2.past-end",
            Some(second),
            entry(second, copied | file_len),
        ),
        (
            "qcow2-l1-entry-past-end",
            "an L2 table behind the file's end",
            AtRead,
            "qcow2.table.past-end",
            Some(l1),
            entry(l1, copied | 1 << 40),
        ),
        (
            "qcow2-l1-reserved-bits",
            "reserved bits in an L1 entry",
            AtRead,
            "qcow2.table.entry",
            Some(l1),
            entry(l1, copied | 0x30001),
        ),
        (
            "qcow2-l2-reserved-bits",
            "reserved bits in an L2 entry",
            AtRead,
            "qcow2.table.entry",
            Some(second),
            entry(second, copied | 1 << 57 | 0x40000),
        ),
        (
            "qcow2-l2-unaligned",
            "a data offset not on a cluster",
            AtRead,
            "qcow2.table.entry",
            Some(second),
            entry(second, copied | 0x40200),
        ),
        (
            "qcow2-data-shared-by-two-entries",
            "one cluster used twice",
            AtRead,
            "claims.overlap",
            Some(written.places[&0]),
            entry(second, copied | written.places[&0]),
        ),
        (
            "qcow2-entry-points-into-header",
            "data in the header",
            AtRead,
            "qcow2.table.entry",
            Some(second),
            entry(second, copied | 0x200),
        ),
        (
            "qcow2-entry-points-into-l1",
            "data in the L1 table",
            AtRead,
            "claims.overlap",
            Some(l1),
            entry(second, copied | l1),
        ),
        (
            "qcow2-entry-points-into-l2",
            "data in its own table",
            AtRead,
            "claims.overlap",
            Some(first),
            entry(second, copied | first & !0xffff),
        ),
        (
            "qcow2-compressed-in-data",
            "a payload inside another cluster",
            AtRead,
            "claims.overlap",
            None,
            entry(third, 1 << 62 | written.places[&2]),
        ),
        (
            "qcow2-compressed-past-end",
            "a payload behind the file's end",
            AtRead,
            "qcow2.l2.past-end",
            Some(third),
            entry(third, 1 << 62 | 1 << 40),
        ),
        (
            "qcow2-compressed-garbage",
            "a payload that is no deflate data",
            AtRead,
            "codec.unpack.garbage",
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
            "codec.unpack.short",
            Some(written.places[&3]),
            edited(|written| {
                let at = written.places[&3];
                put(&mut written.file, at, &[1, 1, 0, 0xfe, 0xff, b'x']);
            }),
        ),
        (
            "qcow2-l1-copied-alone",
            "the flag of an L2 table, and no table",
            AtRead,
            "qcow2.table.entry",
            Some(l1),
            entry(l1, copied),
        ),
        (
            "qcow2-l2-copied-alone",
            "the flag of a cluster, and no cluster",
            AtRead,
            "qcow2.table.entry",
            Some(second),
            entry(second, copied),
        ),
        (
            "qcow2-tables-repeated",
            "an L1 table that names one L2 table for ever",
            AtRead,
            "claims.overlap",
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
    ];
    rows.into_iter().map(|row| named("qcow2", row)).collect()
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

/// Cut inside the data of a cluster that stands behind all tables that a reader needs.
fn cut_in_data() -> Vec<u8> {
    let written = recipe().write();
    let at = written.places[&2] as usize;
    written.file[..at + 1000].to_vec()
}

fn names() -> Vec<BrokenImage> {
    let over = |name: &'static str, about, backing: &str, code| {
        let mut top = recipe();
        top.backing = Some((backing.into(), Some("qcow2".into())));
        named("qcow2", (name, about, Refused::AtOpen, code, None, top.write().file))
    };
    let mut all = vec![
        over("qcow2-backing-missing", "no such backing file", "gone.raw", "open.name.missing"),
        over(
            "qcow2-backing-json",
            "options instead of a name",
            "json:{\"driver\":\"null-co\"}",
            "open.name.protocol",
        ),
        over("qcow2-backing-nbd", "a server instead of a name", "nbd://127.0.0.1/disk", "open.name.protocol"),
        over("qcow2-backing-file-url", "an address instead of a name", "file:base.raw", "open.name.protocol"),
        over("qcow2-backing-absolute", "a file elsewhere", "/etc/passwd", "open.gate.outside"),
        over(
            "qcow2-backing-dotdot",
            "a file in another folder",
            "../../../../../../etc/passwd",
            "open.gate.outside",
        ),
        over(
            "qcow2-backing-itself",
            "its own backing file",
            "qcow2-backing-itself.qcow2",
            "open.chain.cycle",
        ),
        over(
            "qcow2-backing-cycle",
            "the backing file's backing file",
            "qcow2-backing-cycle.other",
            "open.chain.cycle",
        ),
    ];
    let mut other = recipe();
    other.backing = Some(("qcow2-backing-cycle.qcow2".into(), Some("qcow2".into())));
    if let Some(cycle) = all.last_mut() {
        cycle.files.push(ImageFile { name: "qcow2-backing-cycle.other".into(), bytes: other.write().file });
    }
    let mut unknown = recipe();
    unknown.backing = Some(("qcow2-backing-format.base".into(), Some("floppy".into())));
    let mut format = named(
        "qcow2",
        (
            "qcow2-backing-format",
            "a backing format that nobody knows",
            Refused::AtOpen,
            "open.parent.format",
            None,
            unknown.write().file,
        ),
    );
    format.files.push(ImageFile { name: "qcow2-backing-format.base".into(), bytes: vec![0; 512] });
    all.push(format);
    let data = Qcow2 { data_file: Some(("gone.data".into(), false)), ..Qcow2::new(16, 1 << 20) };
    all.push(named(
        "qcow2",
        (
            "qcow2-data-file-missing",
            "no such data file",
            Refused::AtOpen,
            "open.name.missing",
            None,
            data.write().file,
        ),
    ));
    all.extend(data_files());
    all
}

/// A data file whose cluster is not at its own offset, and one that is the image itself.
fn data_files() -> [BrokenImage; 2] {
    let over = |name: &str| Qcow2 { data_file: Some((name.into(), false)), ..Qcow2::new(16, 1 << 20) };
    let stored = Qcow2 { cells: BTreeMap::from([(2, Cell::Data(text(1 << 16)))]), ..over("elsewhere.data") };
    let mut written = stored.write();
    let at = written.entries[&2];
    put(&mut written.file, at, &(1u64 << 63 | 1 << 16).to_be_bytes());
    let (name, about) = ("qcow2-data-file-elsewhere", "a cluster at the offset of another in a data file");
    let row = (name, about, Refused::AtRead, "qcow2.l2.not-raw", Some(at), written.file);
    let mut elsewhere = named("qcow2", row);
    elsewhere.files.push(ImageFile { name: "elsewhere.data".into(), bytes: written.data });
    let (name, about) = ("qcow2-data-file-itself", "a data file that is the image");
    let itself = over("qcow2-data-file-itself.qcow2").write().file;
    // Behind the header and the extension's head.
    let row = (name, about, Refused::AtOpen, "open.file.own-part", Some(120), itself);
    [elsewhere, named("qcow2", row)]
}
