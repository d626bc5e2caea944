//! One image for each code of QCOW2 that no other image here provokes.

use std::collections::BTreeMap;

use crate::bytes::{be64_at, put};
use crate::disk::text;
use crate::model::{Provoked, Provoking};
use crate::qcow2::encode::{Cell, Qcow2, Written};

const K64: u64 = 1 << 16;
const COPIED: u64 = 1 << 63;

/// All of them.
pub(crate) fn provoking() -> Vec<Provoking> {
    let mut all = tables();
    all.extend(counts());
    all.extend(snapshots());
    all.extend(bitmaps());
    all.extend(opened());
    all.extend(repeated());
    all
}

fn recipe() -> Qcow2 {
    let mut recipe = Qcow2::new(16, 16 * K64);
    recipe.cells = BTreeMap::from([
        (0, Cell::Data(text(1 << 16))),
        (3, Cell::Compressed(text(1 << 16))),
        (4, Cell::Compressed([text(1 << 15), vec![7; 1 << 15]].concat())),
    ]);
    recipe
}

/// The word at `at`, changed.
fn word(written: &Written, at: u64, change: impl Fn(u64) -> u64) -> Vec<u8> {
    let mut file = written.file.clone();
    let found = be64_at(&file, at);
    put(&mut file, at, &change(found).to_be_bytes());
    file
}

fn tables() -> Vec<Provoking> {
    use Provoked::Checked;
    let written = recipe().write();
    let (l1, data, compressed) = (written.l1, written.entries[&0], written.entries[&3]);
    let case = |code, at, change: fn(u64) -> u64| ("qcow2", code, at, Checked, word(&written, at, change));
    vec![
        case("qcow2.l1.reserved", l1, |entry| entry | 1),
        case("qcow2.l1.unaligned", l1, |entry| entry + 512),
        case("qcow2.l2.entry", data, |entry| entry | 2),
        case("qcow2.l2.entry", data, |entry| entry + 512),
        case("qcow2.l2.compressed", compressed, |entry| entry | COPIED),
        case("qcow2.use.past-end", data, |_| COPIED | 1 << 40),
        case("qcow2.copied", data, |entry| entry & !COPIED),
    ]
}

fn counts() -> Vec<Provoking> {
    use Provoked::Checked;
    let written = recipe().write();
    let table = be64_at(&written.file, 48);
    let block = be64_at(&written.file, table);
    let (place, compressed) = (written.places[&0], written.places[&3] / K64 * K64);
    let count = |count: u16| {
        let mut file = written.file.clone();
        put(&mut file, block + place / K64 * 2, &count.to_be_bytes());
        file
    };
    let mut one_bit = written.file.clone();
    put(&mut one_bit, 96, &[0; 4]);
    let mut huge = written.file.clone();
    put(&mut huge, 56, &[0xff; 4]);
    vec![
        ("qcow2", "qcow2.refcount.leak", place, Checked, count(2)),
        ("qcow2", "qcow2.refcount.low", place, Checked, count(0)),
        ("qcow2", "qcow2.refcount.overflow", compressed, Checked, one_bit),
        ("qcow2", "qcow2.refcount.block", table, Checked, word(&written, table, |entry| entry | 1)),
        ("qcow2", "qcow2.refcount.table", 48, Checked, word(&written, 48, |table| table + 512)),
        ("qcow2", "qcow2.refcount.table", 56, Checked, huge),
    ]
}

fn snapshots() -> Vec<Provoking> {
    use Provoked::Checked;
    let snapshots = || vec![("1".into(), "then".into(), BTreeMap::new(), 16 * K64)];
    let written = Qcow2 { snapshots: snapshots(), ..recipe() }.write();
    let at = written.snapshot_table;
    let data = Qcow2 { data_file: Some(("x.data".into(), true)), ..Qcow2::new(16, 16 * K64) };
    let data = Qcow2 { snapshots: snapshots(), ..data }.write().file;
    let with = |at: u64, bytes: &[u8]| {
        let mut file = written.file.clone();
        put(&mut file, at, bytes);
        file
    };
    // Two L1 tables at the same place, each of them longer than half of the file.
    let two = [("1", 16 * K64), ("2", 16 * K64)]
        .map(|(id, size)| (id.to_string(), "then".to_string(), BTreeMap::new(), size));
    let mut overlap = Qcow2 { snapshots: two.into(), ..recipe() }.write();
    let entries = overlap.file.len() as u64 / 8;
    // Fixed part, extra data, the texts "1" and "then"; a multiple of 8.
    let second = overlap.snapshot_table + (40 + 16 + 5u64).next_multiple_of(8);
    for entry in [overlap.snapshot_table, second] {
        put(&mut overlap.file, entry, &K64.to_be_bytes());
        put(&mut overlap.file, entry + 8, &(entries as u32).to_be_bytes());
    }
    vec![
        ("qcow2", "qcow2.snapshot.overlap", second, Checked, overlap.file),
        ("qcow2", "qcow2.snapshot.l1", at, Checked, word(&written, at, |l1| l1 + 512)),
        ("qcow2", "qcow2.snapshot.l1", at + 8, Checked, with(at + 8, &[0, 0x40, 0, 1])),
        ("qcow2", "qcow2.snapshot.incomplete", at, Checked, with(at + 36, &[0, 0, 0, 8])),
        ("qcow2", "qcow2.snapshot.data-file", 60, Checked, data),
    ]
}

fn bitmaps() -> Vec<Provoking> {
    use Provoked::Checked;
    // The extension: number of bitmaps, length and place of their directory.
    let with = |len: u64, directory: u64| {
        let mut extension = 1u64.wrapping_shl(32).to_be_bytes().to_vec();
        extension.extend(len.to_be_bytes());
        extension.extend(directory.to_be_bytes());
        let mut file = Qcow2 { extensions: vec![(0x2385_2875, extension)], ..recipe() }.write().file;
        file[95] = 1;
        file
    };
    let end = with(0, 0).len() as u64;
    let mut short = with(8, end);
    short.resize((end + K64) as usize, 0);
    // A directory of one entry, and a table of one entry that has reserved bits.
    let mut entry = with(24, end);
    entry.extend((end + K64).to_be_bytes());
    entry.extend(1u32.to_be_bytes());
    entry.resize((end + K64) as usize, 0);
    entry.extend(6u64.to_be_bytes());
    entry.resize((end + 2 * K64) as usize, 0);
    vec![
        ("qcow2", "qcow2.bitmaps.directory", end, Checked, short),
        ("qcow2", "qcow2.bitmaps.entry", end + K64, Checked, entry),
    ]
}

fn opened() -> Vec<Provoking> {
    use Provoked::{Opened, Refused};
    let over = Qcow2 { backing: Some(("base".into(), None)), ..recipe() }.write().file;
    let name_at = be64_at(&over, 8);
    let feature = |at: usize| {
        let mut file = recipe().write().file;
        file[at] = 0x80;
        file
    };
    vec![
        ("qcow2", "qcow2.backing.no-format", name_at, Opened, over),
        ("qcow2", "qcow2.header.dirty", 72, Opened, Qcow2 { incompatible: 1, ..recipe() }.write().file),
        ("qcow2", "qcow2.header.optional-feature", 80, Opened, feature(80)),
        ("qcow2", "qcow2.header.optional-feature", 88, Opened, feature(88)),
        ("qcow2", "qcow2.header.magic", 0, Refused, vec![0; 512]),
    ]
}

/// An L1 table whose entries all name one L2 table: it is walked as often as it fits into the file.
fn repeated() -> Vec<Provoking> {
    let mut recipe = Qcow2::new(9, 64 << 15);
    recipe.cells.insert(0, Cell::Data(vec![1; 512]));
    let Written { mut file, l1, .. } = recipe.write();
    let entry = be64_at(&file, l1).to_be_bytes();
    put(&mut file, l1, &entry.repeat(64));
    // The first entry that would walk more bytes of tables than the file has.
    let at = l1 + file.len() as u64 / 512 * 8;
    vec![("qcow2", "qcow2.table.repeated", at, Provoked::Walked, file)]
}
