//! QCOW images whose structure is wrong where readers do not read.

use std::collections::BTreeMap;

use crate::bytes::{be64_at, put};
use crate::disk::{Noise, text};
use crate::model::AnomalousImage;
use crate::qcow::encode::{Cell, Qcow, Written};
use crate::rows::anomaly;

const CLUSTER: usize = 4096;

/// 3 MiB, tables for 2 MiB each: clusters 0 and 2 plain, 3 compressed; 600 of the second table.
fn recipe() -> Qcow {
    let mut recipe = Qcow::new(12, 9, 3 << 20);
    recipe.cells = BTreeMap::from([
        (0, Cell::Data(text(CLUSTER))),
        (2, Cell::Data(Noise::new(1).bytes(CLUSTER))),
        (3, Cell::Compressed(text(CLUSTER))),
        (600, Cell::Data(text(CLUSTER))),
    ]);
    recipe
}

pub(crate) fn anomalous() -> Vec<AnomalousImage> {
    tables().into_iter().chain(headers()).collect()
}

fn tables() -> Vec<AnomalousImage> {
    let Written { file, l1, entries, places } = recipe().write();
    let (end, second) = (file.len() as u64, entries[&600] - (600 - 512) * 8);
    // The entry for disk byte 3.5 MiB.
    let beyond = second + 384 * 8;
    let with = |at: u64, value: u64| {
        let mut file = file.clone();
        put(&mut file, at, &value.to_be_bytes());
        file
    };
    let longer = |len: usize, at: u64, value: u64| {
        let mut file = with(at, value);
        file.resize(file.len() + len, 0);
        file
    };
    let table = |name, about, code, at, file| anomaly("qcow", (name, about, code, at), file);
    let payload = |at: u64, len: u64| 1u64 << 63 | len << 51 | at;
    let (leak, trailing, entry) = ("qcow.check.leak", "qcow.check.trailing", "qcow.check.l2-entry");
    let (overlap, after) = ("qcow.check.overlap", "qcow.check.beyond-disk");
    let compressed = be64_at(&file, entries[&3]);
    let mut padded =
        Qcow { cells: BTreeMap::from([(3, Cell::Compressed(text(CLUSTER)))]), ..recipe() }.write();
    let padded_end = padded.file.len() as u64;
    padded.file.resize(padded.file.len() + 1000, 7);
    // In front of the second table, which is cluster-aligned.
    let mut part = recipe();
    part.cells.remove(&600);
    part.cells.insert(601, Cell::Compressed(text(CLUSTER)));
    let mut part = part.write();
    let part_at = part.places[&3] + compressed_len(be64_at(&part.file, part.entries[&3])) + 20;
    put(&mut part.file, part_at, &[1]);
    vec![
        table("qcow-leak-of-a-part", "data after a payload", leak, part_at, part.file),
        table("qcow-leak", "a cluster that was lost", leak, places[&2], with(entries[&2], 0)),
        table(
            "qcow-leak-of-a-table",
            "a table that was lost, and its data",
            trailing,
            places[&3] + compressed_len(compressed),
            with(l1 + 8, 0),
        ),
        table("qcow-leak-of-the-first-table", "the first table was lost", leak, entries[&0], with(l1, 0)),
        table("qcow-trailing-cluster", "a cluster after all others", trailing, end, longer(CLUSTER, 20, 0)),
        table("qcow-trailing-part", "half a cluster after all others", trailing, end, longer(2048, 20, 0)),
        table("qcow-trailing-bytes", "bytes after the last payload", trailing, padded_end, padded.file),
        table("qcow-after-disk", "data after the disk", after, beyond, longer(CLUSTER, beyond, end)),
        table(
            "qcow-after-disk-compressed",
            "a payload after the disk",
            after,
            beyond,
            longer(100, beyond, payload(end, 100)),
        ),
        table("qcow-after-disk-past-end", "lost data after the disk", entry, beyond, with(beyond, 1 << 40)),
        table("qcow-after-disk-unaligned", "data between clusters", entry, beyond, with(beyond, 512)),
        table(
            "qcow-after-disk-compressed-empty",
            "a payload of length 0",
            entry,
            beyond,
            with(beyond, payload(end, 0)),
        ),
        table(
            "qcow-after-disk-shared",
            "a cluster of the disk again",
            overlap,
            beyond,
            with(beyond, places[&0]),
        ),
        table("qcow-after-disk-in-l2", "data in a table", overlap, beyond, with(beyond, second)),
        table(
            "qcow-after-disk-compressed-shared",
            "a payload of the disk again",
            overlap,
            beyond,
            with(beyond, compressed),
        ),
    ]
}

/// With clusters of 4 KiB.
fn compressed_len(entry: u64) -> u64 {
    entry << 1 >> 52
}

fn headers() -> Vec<AnomalousImage> {
    let field = |name, about, code, at: u64, bytes: &[u8]| {
        let mut file = recipe().write().file;
        put(&mut file, at, bytes);
        anomaly("qcow", (name, about, code, at), file)
    };
    let size = (3u64 << 20) - 100;
    vec![
        field(
            "qcow-mtime-without-name",
            "a backing file's time, and none",
            "qcow.check.mtime",
            20,
            &[0x47, 0, 0, 0],
        ),
        field("qcow-name-unplaced", "a name of 9 bytes nowhere", "qcow.backing.unplaced", 16, &[0, 0, 0, 9]),
        field("qcow-padding", "bytes that mean nothing", "qcow.check.padding", 34, &[1, 2]),
        field(
            "qcow-odd-size",
            "a size that is not a multiple of a sector",
            "qcow.check.odd-size",
            24,
            &size.to_be_bytes(),
        ),
    ]
}
