//! QED images whose structure is wrong where readers do not read.

use std::collections::BTreeMap;

use crate::bytes::put;
use crate::disk::{Noise, text};
use crate::model::AnomalousImage;
use crate::qed::encode::{Cell, Qed, Written, append};
use crate::rows::anomaly;

const CLUSTER: usize = 4096;

/// 5 MiB, tables of two clusters for 4 MiB each: clusters 0 and 2 of the first, 1100 of the second.
fn recipe() -> Qed {
    let mut recipe = Qed::new(CLUSTER, 2, 5 << 20);
    recipe.cells = BTreeMap::from([
        (0, Cell::Data(text(CLUSTER))),
        (2, Cell::Data(Noise::new(1).bytes(CLUSTER))),
        (1100, Cell::Data(text(CLUSTER))),
    ]);
    recipe
}

pub(crate) fn anomalous() -> Vec<AnomalousImage> {
    tables().into_iter().chain(headers()).collect()
}

fn tables() -> Vec<AnomalousImage> {
    [leaks(), l1_entries_after_disk(), l2_entries_after_disk(), ends()].concat()
}

/// The recipe's file with another number at `at`.
fn with(at: u64, value: u64) -> Vec<u8> {
    let mut file = recipe().write().file;
    put(&mut file, at, &value.to_le_bytes());
    file
}

/// The same with `len` zeros after its end.
fn longer(len: usize, at: u64, value: u64) -> Vec<u8> {
    let mut file = with(at, value);
    append(&mut file, &vec![0; len]);
    file
}

fn row(
    name: &'static str,
    about: &'static str,
    code: &'static str,
    at: u64,
    bytes: Vec<u8>,
) -> AnomalousImage {
    anomaly("qed", (name, about, code, at), bytes)
}

/// Lost clusters.
fn leaks() -> Vec<AnomalousImage> {
    let written = recipe().write();
    let Written { file, l1, entries, places } = &written;
    let (end, second) = (file.len() as u64, entries[&1100] - (1100 - 1024) * 8);
    let leak = "qed.check.leak";
    vec![
        row("qed-leak", "a cluster that was lost", leak, places[&2], with(entries[&2], 0)),
        row("qed-leak-of-a-table", "a table that was lost, and all in it", leak, second, with(l1 + 8, 0)),
        row("qed-leak-at-end", "a cluster after all others", leak, end, longer(CLUSTER, 56, 0)),
    ]
}

/// L1 entries after the end of the disk.
fn l1_entries_after_disk() -> Vec<AnomalousImage> {
    let written = recipe().write();
    let Written { file, l1, entries, .. } = &written;
    let end = file.len() as u64;
    // The entry for 40 MiB.
    let l1_beyond = l1 + 10 * 8;
    let l1_entry = "qed.check.l1-entry";
    vec![
        row(
            "qed-l1-after-disk-past-end",
            "a lost table after the disk",
            l1_entry,
            l1_beyond,
            with(l1_beyond, 1 << 40),
        ),
        row("qed-l1-after-disk-zeros", "an L1 entry of zeros", l1_entry, l1_beyond, with(l1_beyond, 1)),
        row(
            "qed-l1-after-disk-in-header",
            "a table in the header",
            l1_entry,
            l1_beyond,
            with(l1_beyond, 4096 - 512),
        ),
        row(
            "qed-l1-after-disk-shared",
            "the first table again, after the disk",
            "qed.check.table-shared",
            l1_beyond,
            with(l1_beyond, entries[&0]),
        ),
        row(
            "qed-l1-after-disk",
            "a table after the disk",
            "qed.check.beyond-disk",
            l1_beyond,
            longer(2 * CLUSTER, l1_beyond, end),
        ),
    ]
}

/// L2 entries after the end of the disk.
fn l2_entries_after_disk() -> Vec<AnomalousImage> {
    let written = recipe().write();
    let Written { file, l1, entries, places } = &written;
    let (end, second) = (file.len() as u64, entries[&1100] - (1100 - 1024) * 8);
    // The entry for disk byte 6 MiB.
    let beyond = second + 512 * 8;
    let l2_entry = "qed.check.l2-entry";
    vec![
        row(
            "qed-l2-after-disk-past-end",
            "lost data after the disk",
            l2_entry,
            beyond,
            with(beyond, 1 << 40),
        ),
        row(
            "qed-l2-after-disk-unaligned",
            "data between clusters",
            l2_entry,
            beyond,
            with(beyond, end - 512),
        ),
        row("qed-l2-after-disk-2", "an invalid entry", l2_entry, beyond, with(beyond, 2)),
        row(
            "qed-l2-after-disk-shared",
            "a cluster of the disk again, after it",
            "qed.check.cluster-shared",
            beyond,
            with(beyond, places[&0]),
        ),
        row(
            "qed-l2-after-disk",
            "data after the disk",
            "qed.check.beyond-disk",
            beyond,
            longer(CLUSTER, beyond, end),
        ),
        row(
            "qed-l2-after-disk-in-l1",
            "data in the L1 table, after the disk",
            "qed.check.cluster-shared",
            beyond,
            with(beyond, *l1),
        ),
    ]
}

/// The end of the file.
fn ends() -> Vec<AnomalousImage> {
    let written = recipe().write();
    let Written { file, entries, .. } = &written;
    let end = file.len() as u64;
    let cut = {
        // Half a sector more than the last cluster's beginning.
        let mut cut = Qed { size: (1100 << 12) + 512, ..recipe() }.write().file;
        cut.truncate(cut.len() - CLUSTER + 512);
        cut
    };
    vec![
        row("qed-trailing", "bytes after the last cluster", "qed.check.trailing", end, longer(100, 56, 0)),
        row(
            "qed-cut-cluster",
            "a last cluster as long as the disk",
            "qed.check.cut-cluster",
            entries[&1100],
            cut,
        ),
    ]
}

fn headers() -> Vec<AnomalousImage> {
    let field = |name, about, code, at: u64, bytes: &[u8]| {
        let mut file = recipe().write().file;
        put(&mut file, at, bytes);
        anomaly("qed", (name, about, code, at), file)
    };
    vec![
        field("qed-compat-feature", "an unknown compatible feature", "qed.check.compat-features", 24, &[4]),
        field("qed-autoclear-feature", "an autoclear feature", "qed.check.autoclear-features", 32, &[0, 1]),
        field(
            "qed-name-unflagged",
            "a name without its feature",
            "qed.backing.unflagged",
            56,
            &[64, 0, 0, 0, 9],
        ),
        field("qed-raw-without-backing", "no backing file, and it is raw", "qed.check.no-probe", 16, &[4]),
    ]
}
