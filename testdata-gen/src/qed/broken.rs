//! Images that must be rejected, each named after its defect.

use std::collections::BTreeMap;

use crate::bytes::put;
use crate::disk::{Noise, text};
use crate::model::Refused::{AtOpen, AtRead};
use crate::model::{BrokenImage, ImageFile};
use crate::qed::encode::{Cell, K, Qed};
use crate::rows::{Row, named};

/// 4 MiB: clusters 0 and 2 of the first table, 600 of the second, zeros in 3.
fn recipe() -> Qed {
    let mut recipe = Qed::new(4 * K, 1, 4 << 20);
    recipe.cells = BTreeMap::from([
        (0, Cell::Data(text(4 * K))),
        (2, Cell::Data(Noise::new(1).bytes(4 * K))),
        (3, Cell::Zero),
        (600, Cell::Data(text(4 * K))),
    ]);
    recipe
}

/// All of them.
pub(crate) fn broken() -> Vec<BrokenImage> {
    let mut all: Vec<_> = headers().into_iter().map(|row| named("qed", row)).collect();
    all.extend(tables().into_iter().map(|row| named("qed", row)));
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
        |name, about, at, bytes: &[u8]| (name, about, AtOpen, "qed.header.field", Some(at), with(at, bytes));
    let past =
        |name, about, bytes: &[u8]| (name, about, AtOpen, "qed.table.past-end", Some(40), with(40, bytes));
    let feature = |name, about, at, bytes: &[u8]| {
        (name, about, AtOpen, "qed.header.unknown-feature", Some(16), with(at, bytes))
    };
    vec![
        (
            "qed-cut-header",
            "the file ends in its header",
            AtOpen,
            "qed.header.cut",
            Some(60),
            written.file[..60].to_vec(),
        ),
        field("qed-cluster-2k", "clusters too small", 4, &2048u32.to_le_bytes()),
        field("qed-cluster-128m", "clusters too large", 4, &(1u32 << 27).to_le_bytes()),
        field(
            "qed-cluster-12k",
            "a cluster size that is not a power of two",
            4,
            &(12u32 << 10).to_le_bytes(),
        ),
        field("qed-table-0", "tables of length 0", 8, &[0; 4]),
        field("qed-table-3", "a table size that is not a power of two", 8, &[3]),
        field("qed-table-32", "tables too large", 8, &[32]),
        field("qed-header-0", "a header of 0 clusters", 12, &[0; 4]),
        field("qed-header-over-l1", "a header that covers the L1 table", 40, &[]).with(12, &[2]),
        field("qed-header-bomb", "a header of 2^44 bytes", 40, &[]).with(12, &[0xff; 4]),
        field("qed-l1-unaligned", "an L1 table between clusters", 40, &[8]),
        field("qed-l1-in-header", "an L1 table in the header", 40, &[0; 8]),
        field(
            "qed-size-over-tables",
            "a disk larger than its tables describe",
            48,
            &((1u64 << 30) + 1).to_le_bytes(),
        ),
        field("qed-size-bomb", "a disk of 2^64 - 1 bytes", 48, &[0xff; 8]),
        past("qed-l1-past-end", "an L1 table after the file's end", &(1u64 << 40).to_le_bytes()),
        past("qed-l1-overflow", "an L1 table at the end of all numbers", &(u64::MAX - 4095).to_le_bytes()),
        feature("qed-feature-3", "a feature that does not exist", 16, &[8]),
        feature("qed-feature-63", "the last feature", 23, &[0x80]),
    ]
}

/// A further change of a row's file.
trait With {
    fn with(self, at: u64, bytes: &[u8]) -> Self;
}

impl With for Row {
    fn with(mut self, at: u64, bytes: &[u8]) -> Self {
        put(&mut self.5, at, bytes);
        self
    }
}

fn tables() -> Vec<Row> {
    [l1_entries(), l2_entries(), shared_clusters()].concat()
}

/// The recipe's file with another number at `at`.
fn with(at: u64, value: u64) -> Vec<u8> {
    let mut file = recipe().write().file;
    put(&mut file, at, &value.to_le_bytes());
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
    let (overlap, entry) = ("usage.overlap", "qed.table.entry");
    let repeated = {
        let mut repeated = Qed { size: 1 << 30, ..recipe() }.write().file;
        (0..512).for_each(|index| put(&mut repeated, l1 + index * 8, &first.to_le_bytes()));
        repeated
    };
    vec![
        at("qed-l1-entry-past-end", "a table after the file's end", "qed.table.past-end", l1 + 8, 1 << 40),
        at(
            "qed-l1-entry-overflow",
            "a table at the end of all numbers",
            "qed.table.past-end",
            l1,
            u64::MAX - 4095,
        ),
        at("qed-l1-entry-zeros", "zeros instead of a table", entry, l1, 1),
        at("qed-l1-entry-unaligned", "a table between clusters", entry, l1, first + 512),
        row("qed-l1-entry-in-l1", "the L1 table as an L2 table", overlap, l1, l1 + 8, l1),
        row("qed-table-shared", "one table for two parts of the disk", overlap, first, l1 + 8, first),
        ("qed-table-repeated", "one table for all parts of the disk", AtRead, overlap, Some(first), repeated),
    ]
}

/// Entries of L2 tables.
fn l2_entries() -> Vec<Row> {
    let written = recipe().write();
    let second = written.entries[&2];
    let (entry, past) = ("qed.table.entry", "qed.l2.past-end");
    vec![
        at("qed-l2-entry-past-end", "data after the file's end", past, second, 1 << 40),
        at("qed-l2-entry-overflow", "data at the end of all numbers", past, second, u64::MAX - 4095),
        at("qed-l2-entry-unaligned", "data between clusters", entry, second, written.places[&2] + 512),
        at("qed-l2-entry-2", "an entry that is neither zeros nor a place", entry, second, 2),
    ]
}

/// Entries that name bytes in use, and cut files.
fn shared_clusters() -> Vec<Row> {
    let written = recipe().write();
    let (l1, first, second) = (written.l1, written.entries[&0], written.entries[&2]);
    let far = written.entries[&600];
    let (overlap, entry, past) = ("usage.overlap", "qed.table.entry", "qed.l2.past-end");
    let end = written.file.len();
    vec![
        row(
            "qed-data-shared",
            "one cluster used twice",
            overlap,
            written.places[&0],
            second,
            written.places[&0],
        ),
        row("qed-data-in-l1", "data in the L1 table", overlap, l1, second, l1),
        row("qed-data-in-l2", "data in its own table", overlap, first, second, first),
        (
            "qed-data-in-header",
            "data in the second cluster of the header",
            AtRead,
            entry,
            Some(second + 2 * 4096),
            {
                let mut moved = Qed { header: 3, ..recipe() }.write();
                put(&mut moved.file, moved.entries[&2], &4096u64.to_le_bytes());
                moved.file
            },
        ),
        (
            "qed-cut-in-data",
            "the last cluster is cut",
            AtRead,
            past,
            Some(far),
            written.file[..end - 1].to_vec(),
        ),
        (
            "qed-cut-in-table",
            "the second table is cut",
            AtRead,
            "qed.table.past-end",
            Some(l1 + 8),
            written.file[..end - 4097].to_vec(),
        ),
    ]
}

fn names() -> Vec<BrokenImage> {
    let with_name = |backing: &str, is_raw| Qed { backing: Some((backing.into(), is_raw)), ..recipe() };
    let over = |name: &'static str, about, backing: &str, code| {
        let top = with_name(backing, false);
        named("qed", (name, about, AtOpen, code, None, top.write().file))
    };
    let mut all = vec![
        over("qed-backing-missing", "a missing backing file", "gone.raw", "open.name.missing"),
        over("qed-backing-absolute", "a file outside the folder", "/etc/passwd", "open.follow.outside"),
        over("qed-backing-nbd", "a server instead of a name", "nbd://127.0.0.1/x", "open.name.protocol"),
        over("qed-backing-itself", "its own backing file", "qed-backing-itself.qed", "open.chain.cycle"),
        over(
            "qed-backing-cycle",
            "the backing file's backing file",
            "qed-backing-cycle.other",
            "open.chain.cycle",
        ),
    ];
    if let Some(cycle) = all.last_mut() {
        let other = with_name("qed-backing-cycle.qed", false).write().file;
        cycle.files.push(ImageFile { name: "qed-backing-cycle.other".into(), bytes: other });
    }
    let row = |name, about, at: u64, bytes: &[u8]| {
        let mut file = with_name("base.raw", true).write().file;
        put(&mut file, at, bytes);
        named("qed", (name, about, AtOpen, "qed.header.field", Some(at), file))
    };
    all.push(row("qed-name-in-header", "a name in the header's fields", 56, &[4]));
    all.push(row("qed-name-empty", "a feature without a name", 60, &[0]));
    all.push(row("qed-name-over-header", "a name that runs out of the header", 60, &4033u32.to_le_bytes()));
    all.push(row("qed-name-bomb", "a name of 4 GiB", 60, &[0xff; 4]));
    all
}
