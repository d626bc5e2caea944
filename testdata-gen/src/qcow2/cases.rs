//! Images with one damage that the format can detect although the disk can be read.

use std::collections::BTreeMap;

use crate::bytes::{be64_at, put};
use crate::disk::{Noise, text};
use crate::model::{AnomalousImage, ImageFile};
use crate::qcow2::encode::{Cell, Qcow2, Written};
use crate::rows::anomaly;

const COPIED: u64 = 1 << 63;
const K64: u64 = 1 << 16;

/// A file, and the offset that the finding names.
type Damaged = (Vec<u8>, u64);

/// Name, what it is, the code, the damaged file and its place.
type Case = (&'static str, &'static str, &'static str, Damaged);

/// Images that a conversion reads with a finding of this code at this place.
pub(crate) fn damaged() -> Vec<AnomalousImage> {
    let rows = counts().into_iter().chain(payloads()).chain(fields());
    let mut all: Vec<_> = rows
        .map(|(name, about, code, (bytes, at))| anomaly("qcow2", (name, about, code, at), bytes))
        .collect();
    all.push(raw_data_file());
    all
}

/// A raw data file that holds a cluster which the tables do not.
fn raw_data_file() -> AnomalousImage {
    let name = "data-file-raw-entry-lost";
    let mut written = Qcow2 { data_file: Some((format!("{name}.data"), true)), ..Qcow2::new(16, 4 * K64) };
    written.cells = [(0, Cell::Data(text(1 << 16))), (2, Cell::Data(text(1 << 16)))].into();
    let mut written = written.write();
    put(&mut written.file, written.entries[&2], &[0; 8]);
    let files = vec![
        ImageFile { name: format!("{name}.qcow2"), bytes: written.file },
        ImageFile { name: format!("{name}.data"), bytes: written.data },
    ];
    let (about, code) = ("a raw data file with a cluster that no entry names", "qcow2.data-file.unallocated");
    AnomalousImage { name, about, files, code, at: None }
}

/// 16 clusters: data in 0 and 2, compressed in 3, 4 and 5.
fn recipe() -> Qcow2 {
    let mut noise = Noise::new(1);
    let mut recipe = Qcow2::new(16, 16 * K64);
    recipe.cells = BTreeMap::from([
        (0, Cell::Data(text(1 << 16))),
        (2, Cell::Data(noise.bytes(1 << 16))),
        (3, Cell::Compressed(text(1 << 16))),
        (4, Cell::Compressed([text(1 << 15), vec![7; 1 << 15]].concat())),
        (5, Cell::Compressed([vec![9; 1 << 15], text(1 << 15)].concat())),
    ]);
    recipe
}

/// Sets the reference count of the cluster at `place`.
fn set_count(file: &mut [u8], place: u64, count: u16) {
    let block = be64_at(file, be64_at(file, 48));
    put(file, block + place / K64 * 2, &count.to_be_bytes());
}

fn edited(edit: impl Fn(&mut Written) -> u64) -> Damaged {
    let mut written = recipe().write();
    let at = edit(&mut written);
    (written.file, at)
}

fn counts() -> Vec<Case> {
    let entry = |index: u64, value: fn(u64) -> u64| {
        edited(move |written| {
            let at = written.entries[&index];
            let found = be64_at(&written.file, at);
            put(&mut written.file, at, &value(found).to_be_bytes());
            at
        })
    };
    let count = |index: u64, count: u16| {
        edited(move |written| {
            let place = written.places[&index];
            set_count(&mut written.file, place, count);
            written.entries[&index]
        })
    };
    let free = edited(|written| {
        let (at, end) = (written.entries[&2], written.file.len() as u64);
        written.file.resize(written.file.len() + (1 << 16), 5);
        put(&mut written.file, at, &(COPIED | end).to_be_bytes());
        at
    });
    let table = edited(|written| {
        let l2 = be64_at(&written.file, written.l1) & !COPIED;
        set_count(&mut written.file, l2, 0);
        written.l1
    });
    let unreadable = edited(|written| {
        let table = be64_at(&written.file, 48);
        let block = be64_at(&written.file, table);
        put(&mut written.file, table, &(block + 512).to_be_bytes());
        written.l1
    });
    vec![
        (
            "copied-is-clear",
            "COPIED cleared, the count is 1",
            "qcow2.copied",
            entry(2, |found| found & !COPIED),
        ),
        ("copied-with-a-count-of-2", "two uses by the count, one by COPIED", "qcow2.copied", count(0, 2)),
        (
            "copied-on-a-payload",
            "COPIED of a compressed cluster",
            "qcow2.copied",
            entry(4, |found| found | COPIED),
        ),
        ("data-without-a-count", "a used cluster that is free", "qcow2.refcount.low", count(0, 0)),
        ("payload-without-a-count", "a used payload that is free", "qcow2.refcount.low", count(3, 0)),
        ("entry-to-a-free-cluster", "an entry changed to a cluster after", "qcow2.refcount.low", free),
        ("table-without-a-count", "a used L2 table that is free", "qcow2.refcount.low", table),
        ("counts-that-cannot-be-read", "no refcount block", "qcow2.refcount.unreadable", unreadable),
    ]
}

fn payloads() -> Vec<Case> {
    let one_start = edited(|written| {
        let (from, at) = (written.entries[&3], written.entries[&5]);
        let found = be64_at(&written.file, from);
        put(&mut written.file, at, &found.to_be_bytes());
        at
    });
    // Payloads are stored last to first, so that their order alone proves nothing.
    let shuffled = {
        let mut written = Qcow2 { shuffled: true, ..recipe() }.write();
        let at = written.entries[&4];
        let found = be64_at(&written.file, written.entries[&3]);
        put(&mut written.file, at, &found.to_be_bytes());
        (written.file, at)
    };
    let code = "qcow2.l2.payload-shared";
    vec![
        ("payloads-with-one-start", "two compressed clusters with one start", code, one_start),
        ("payloads-with-one-start-shuffled", "the same, not in the order of the disk", code, shuffled),
    ]
}

fn fields() -> Vec<Case> {
    let smaller = edited(|written| {
        put(&mut written.file, 24, &(5 * K64).to_be_bytes());
        written.entries[&5]
    });
    // An L2 table of 64 entries for 32 KiB of the disk: the second one lies after it.
    let table_after = {
        let mut recipe = Qcow2::new(9, 1 << 16);
        recipe.cells = [(3, Cell::Data(vec![1; 512])), (70, Cell::Data(vec![2; 512]))].into();
        let mut written = recipe.write();
        put(&mut written.file, 24, &(1u64 << 15).to_be_bytes());
        (written.file, written.entries[&70])
    };
    let over = || Qcow2 { backing: Some(("base.raw".into(), Some("raw".into()))), ..recipe() }.write().file;
    let mut no_place = over();
    put(&mut no_place, 8, &[0; 8]);
    // Without its feature bit the name is after the header and the extension's head.
    let unflagged = Qcow2 { extensions: vec![(0x4441_5441, b"disk.data".to_vec())], ..recipe() }.write().file;
    let code = "qcow2.size.beyond";
    vec![
        ("size-below-what-is-allocated", "a size that ends before a cluster", code, smaller),
        ("size-below-a-table", "a size that ends before an L2 table", code, table_after),
        (
            "data-file-flag-cleared",
            "a data file without its flag",
            "qcow2.data-file.unflagged",
            (unflagged, 120),
        ),
        (
            "backing-offset-zero",
            "a name's length without its offset",
            "qcow2.backing.unplaced",
            (no_place, 16),
        ),
    ]
}

/// Images that look like the damaged ones and are correct: a conversion reports nothing.
pub(crate) fn undamaged() -> Vec<ImageFile> {
    // Counts are stale while an image is open with lazy reference counts.
    let mut lazy = Qcow2 { incompatible: 1, ..recipe() }.write();
    let place = lazy.places[&0];
    set_count(&mut lazy.file, place, 0);
    // A crash leaves clusters with a count and no use.
    let mut leaked = recipe().write();
    put(&mut leaked.file, leaked.entries[&2], &[0; 8]);
    [("lazy.qcow2", lazy.file), ("leaked.qcow2", leaked.file), ("saved-state.qcow2", saved_state())]
        .map(|(name, bytes)| ImageFile { name: name.into(), bytes })
        .into()
}

/// The state of a machine after the disk, and a snapshot with its length.
fn saved_state() -> Vec<u8> {
    let state = || Cell::Data(vec![3; 512]);
    let mut recipe = Qcow2::new(9, 1 << 16);
    recipe.cells = [(3, Cell::Data(vec![1; 512])), (64, state()), (65, state())].into();
    let of_then = BTreeMap::from([(3, Cell::Data(vec![2; 512]))]);
    recipe.snapshots = vec![("1".into(), "then".into(), of_then, 1 << 15)];
    let mut written = recipe.write();
    // The disk ends with its first L2 table.
    put(&mut written.file, 24, &(1u64 << 15).to_be_bytes());
    // The entry's extra data begin with the bytes of the state.
    put(&mut written.file, written.snapshot_table + 40, &1024u64.to_be_bytes());
    written.file
}
