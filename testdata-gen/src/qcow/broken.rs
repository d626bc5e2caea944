//! Images that must be rejected, each named after its defect.

use std::collections::BTreeMap;

use crate::bytes::{be64_at, put};
use crate::disk::{Noise, text};
use crate::model::Refused::{AtOpen, AtRead};
use crate::model::{BrokenImage, ImageFile};
use crate::qcow::encode::{Cell, Qcow, Xen};
use crate::rows::{Row, named};

/// 1 MiB: clusters 0 and 2 plain, 3 compressed.
fn recipe() -> Qcow {
    let mut recipe = Qcow::new(12, 9, 4 << 20);
    recipe.cells = BTreeMap::from([
        (0, Cell::Data(text(1 << 12))),
        (2, Cell::Data(Noise::new(1).bytes(1 << 12))),
        (3, Cell::Compressed(text(1 << 12))),
        (600, Cell::Data(text(1 << 12))),
    ]);
    recipe
}

/// All of them.
pub(crate) fn broken() -> Vec<BrokenImage> {
    let mut all: Vec<_> = headers().into_iter().map(|row| named("qcow", row)).collect();
    all.extend(tables().into_iter().map(|row| named("qcow", row)));
    all.extend(names());
    all
}

fn headers() -> Vec<Row> {
    let written = recipe().write();
    let with = |at: u64, bytes: &[u8]| {
        let mut file = written.file.clone();
        put(&mut file, at, bytes);
        file
    };
    let field =
        |name, about, at, bytes: &[u8]| (name, about, AtOpen, "qcow.header.field", Some(at), with(at, bytes));
    let past = |name, about, at, bytes: &[u8]| {
        (name, about, AtOpen, "qcow.table.past-end", Some(at), with(at, bytes))
    };
    let encrypted = |name, about, crypt| {
        (name, about, AtRead, "qcow.header.encrypted", Some(36), Qcow { crypt, ..recipe() }.write().file)
    };
    vec![
        (
            "qcow-cut-header",
            "the file ends in its header",
            AtOpen,
            "qcow.header.cut",
            Some(47),
            written.file[..47].to_vec(),
        ),
        (
            "qcow-version-0",
            "a version that does not exist",
            AtOpen,
            "qcow.header.version",
            Some(4),
            with(4, &[0; 4]),
        ),
        field("qcow-cluster-bits-8", "clusters too small", 32, &[8]),
        field("qcow-cluster-bits-17", "clusters too large", 32, &[17]),
        field("qcow-l2-bits-5", "tables too small", 33, &[5]),
        field("qcow-l2-bits-14", "tables too large", 33, &[14]),
        field("qcow-l1-in-header", "an L1 table in the header", 40, &40u64.to_be_bytes()),
        past("qcow-l1-past-end", "an L1 table after the file's end", 40, &(1u64 << 40).to_be_bytes()),
        past("qcow-l1-overflow", "an L1 table at the end of all numbers", 40, &[0xff; 8]),
        past("qcow-size-bomb", "a disk of 2^64 - 1 bytes", 40, &[]),
        encrypted("qcow-aes", "AES", 1),
        encrypted("qcow-crypt-2", "an encryption that does not exist", 2),
        (
            "qcow-xen-native-l1",
            "tapdisk's extension without its flag",
            AtRead,
            "qcow.header.native-l1",
            Some(60),
            Qcow { xen: Xen::Flags(1), ..recipe() }.write().file,
        ),
    ]
    .into_iter()
    .map(|mut row: Row| {
        if row.0 == "qcow-size-bomb" {
            put(&mut row.5, 24, &[0xff; 8]);
        }
        row
    })
    .collect()
}

fn tables() -> Vec<Row> {
    [l1_entries(), l2_entries(), compressed_clusters()].concat()
}

/// The recipe's file with another number at `at`.
fn with(at: u64, value: u64) -> Vec<u8> {
    let mut file = recipe().write().file;
    put(&mut file, at, &value.to_be_bytes());
    file
}

/// Another number at `from`, which is reported at `at`.
fn row(name: &'static str, about: &'static str, code: &'static str, at: u64, from: u64, value: u64) -> Row {
    (name, about, AtRead, code, Some(at), with(from, value))
}

/// Another number at `at`, where it is reported.
fn at(name: &'static str, about: &'static str, code: &'static str, at: u64, value: u64) -> Row {
    row(name, about, code, at, at, value)
}

/// Entries of the L1 table.
fn l1_entries() -> Vec<Row> {
    let written = recipe().write();
    let (l1, first) = (written.l1, written.entries[&0]);
    let overlap = "usage.overlap";
    let entry = "qcow.table.entry";
    let repeated = {
        let mut repeated = Qcow { size: 8 << 30, ..recipe() }.write();
        let table = be64_at(&repeated.file, repeated.l1);
        (0..4096).for_each(|index| put(&mut repeated.file, repeated.l1 + index * 8, &table.to_be_bytes()));
        (table, repeated.file)
    };
    vec![
        at("qcow-l1-entry-past-end", "a table after the file's end", "qcow.table.past-end", l1 + 8, 1 << 40),
        at("qcow-l1-entry-flag", "an L1 entry with a flag", "qcow.table.past-end", l1, first | 1 << 63),
        at("qcow-l1-entry-unaligned", "a table between clusters", entry, l1, first + 8),
        row("qcow-table-shared", "one table for two parts of the disk", overlap, first, l1 + 8, first),
        (
            "qcow-table-repeated",
            "one table for all parts of the disk",
            AtRead,
            overlap,
            Some(repeated.0),
            repeated.1,
        ),
    ]
}

/// Entries of L2 tables.
fn l2_entries() -> Vec<Row> {
    let written = recipe().write();
    let (first, second) = (written.entries[&0], written.entries[&2]);
    let overlap = "usage.overlap";
    let (entry, past) = ("qcow.table.entry", "qcow.l2.past-end");
    vec![
        at("qcow-l2-entry-past-end", "data after the file's end", past, second, 1 << 40),
        at("qcow-l2-entry-bomb", "data at 2^63 - 4096", past, second, (1 << 63) - 4096),
        at("qcow-l2-entry-unaligned", "data between clusters", entry, second, written.places[&2] + 512),
        row(
            "qcow-data-shared",
            "one cluster used twice",
            overlap,
            written.places[&0],
            second,
            written.places[&0],
        ),
        row("qcow-data-in-l2", "data in its own table", overlap, first, second, first),
    ]
}

/// Compressed clusters.
fn compressed_clusters() -> Vec<Row> {
    let written = recipe().write();
    let (l1, second) = (written.l1, written.entries[&2]);
    let (third, far) = (written.entries[&3], written.entries[&600]);
    let payload = |at: u64, len: u64| 1u64 << 63 | len << 51 | at;
    let (place, len) = (written.places[&3], be64_at(&written.file, third) << 1 >> 52);
    let overlap = "usage.overlap";
    let (entry, past) = ("qcow.table.entry", "qcow.l2.past-end");
    let garbage = {
        let mut file = written.file.clone();
        put(&mut file, place, &[0xff; 8]);
        file
    };
    let end = written.file.len();
    let two_data = written.places[&600];
    vec![
        row("qcow-compressed-in-header", "a payload in the header", overlap, 8, third, payload(8, 20)),
        row("qcow-compressed-in-l1", "a payload in the L1 table", overlap, l1, third, payload(l1, 8)),
        row(
            "qcow-compressed-in-data",
            "a payload inside another cluster",
            overlap,
            two_data + 100,
            third,
            payload(two_data + 100, 20),
        ),
        row("qcow-compressed-shared", "one payload used twice", overlap, place, second, payload(place, len)),
        at("qcow-compressed-empty", "a payload of 0 bytes", entry, third, payload(place, 0)),
        at(
            "qcow-compressed-past-end",
            "a payload that runs past the file's end",
            past,
            third,
            payload(end as u64 - 10, 11),
        ),
        row(
            "qcow-compressed-short",
            "a payload without its last byte",
            "codec.decompress.short",
            place,
            third,
            payload(place, len / 2),
        ),
        (
            "qcow-compressed-garbage",
            "a payload that is not a deflate stream",
            AtRead,
            "codec.decompress.garbage",
            Some(place),
            garbage,
        ),
        (
            "qcow-cut-in-data",
            "the last cluster is cut",
            AtRead,
            past,
            Some(far),
            written.file[..end - 1].to_vec(),
        ),
    ]
}

fn names() -> Vec<BrokenImage> {
    let over = |name: &'static str, about, backing: &str, code| {
        let top = Qcow { backing: Some(backing.into()), ..recipe() };
        named("qcow", (name, about, AtOpen, code, None, top.write().file))
    };
    let mut all = vec![
        over("qcow-backing-missing", "a missing backing file", "gone.raw", "open.name.missing"),
        over("qcow-backing-absolute", "a file outside the folder", "/etc/passwd", "open.follow.outside"),
        over("qcow-backing-nbd", "a server instead of a name", "nbd://127.0.0.1/x", "open.name.protocol"),
        over("qcow-backing-itself", "its own backing file", "qcow-backing-itself.qcow", "open.chain.cycle"),
        over(
            "qcow-backing-cycle",
            "the backing file's backing file",
            "qcow-backing-cycle.other",
            "open.chain.cycle",
        ),
    ];
    let other = Qcow { backing: Some("qcow-backing-cycle.qcow".into()), ..recipe() };
    if let Some(cycle) = all.last_mut() {
        cycle.files.push(ImageFile { name: "qcow-backing-cycle.other".into(), bytes: other.write().file });
    }
    let with = |at: u64, bytes: &[u8]| {
        let mut file = Qcow { backing: Some("base.raw".into()), ..recipe() }.write().file;
        put(&mut file, at, bytes);
        file
    };
    let rows: Vec<Row> = vec![
        (
            "qcow-name-in-header",
            "a name in the header",
            AtOpen,
            "qcow.header.field",
            Some(8),
            with(8, &4u64.to_be_bytes()),
        ),
        ("qcow-name-empty", "a name of 0 bytes", AtOpen, "qcow.header.field", Some(16), with(16, &[0; 4])),
        ("qcow-name-bomb", "a name of 4 GiB", AtOpen, "qcow.header.field", Some(16), with(16, &[0xff; 4])),
        (
            "qcow-name-past-end",
            "a name after the file's end",
            AtOpen,
            "qcow.table.past-end",
            Some(8),
            with(8, &[0xff; 8]),
        ),
    ];
    all.extend(rows.into_iter().map(|row| named("qcow", row)));
    all
}
