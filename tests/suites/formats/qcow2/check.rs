//! `check` of QCOW2 against `qemu-img check`: damaged in many ways, the same counts.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::program::{has_tool, imgprep, printed, tool};

/// An image in memory, with the places of its tables from its header.
struct Image {
    bytes: Vec<u8>,
}

const COPIED: u64 = 1 << 63;

/// A damage.
type Edit = fn(&mut Image);

impl Image {
    fn u64(&self, at: u64) -> u64 {
        let at = usize::try_from(at).unwrap();
        u64::from_be_bytes(self.bytes[at..at + 8].try_into().unwrap())
    }

    fn u32(&self, at: u64) -> u32 {
        let at = usize::try_from(at).unwrap();
        u32::from_be_bytes(self.bytes[at..at + 4].try_into().unwrap())
    }

    fn put(&mut self, at: u64, bytes: &[u8]) {
        let at = usize::try_from(at).unwrap();
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn put64(&mut self, at: u64, value: u64) {
        self.put(at, &value.to_be_bytes());
    }

    fn cluster(&self) -> u64 {
        1 << self.u32(20)
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn l1(&self) -> u64 {
        self.u64(40)
    }

    /// The first L2 table.
    fn l2(&self) -> u64 {
        self.u64(self.l1()) & 0x00ff_ffff_ffff_fe00
    }

    fn refcount_table(&self) -> u64 {
        self.u64(48)
    }

    fn refcount_block(&self) -> u64 {
        self.u64(self.refcount_table())
    }

    /// Entries of the first L2 table that are not zero.
    fn entries(&self) -> Vec<u64> {
        let step = if self.u32(4) == 3 && self.u64(72) & 16 != 0 { 16 } else { 8 };
        (self.l2()..self.l2() + self.cluster()).step_by(step).filter(|at| self.u64(*at) != 0).collect()
    }

    fn data(&self, entry: u64) -> u64 {
        self.u64(entry) & 0x00ff_ffff_ffff_fe00
    }

    /// The offset of the 16-bit count of a cluster.
    fn count_at(&self, cluster_at: u64) -> u64 {
        self.refcount_block() + cluster_at / self.cluster() * 2
    }
}

type Counts = (u64, u64, u64);

fn counts(json: &Value) -> Counts {
    let number = |key: &str| json[key].as_u64().unwrap_or(0);
    (number("corruptions"), number("leaks"), number("check-errors"))
}

/// Both checkers on one image; the counts, if the other one gave any.
fn compare(folder: &Path, image: &str, what: &str) -> Option<Counts> {
    let theirs = Command::new("qemu-img")
        .args(["check", "--output", "json", image])
        .current_dir(folder)
        .output()
        .unwrap();
    // Names are no matter of counts.
    let output = imgprep(folder, &["check", "--output", "json", "--allow", "safety/*", image]);
    let ours: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{what}: {}", printed(&output)));
    let Ok(json) = serde_json::from_slice::<Value>(&theirs.stdout) else {
        assert_eq!(output.status.code(), Some(2), "{what}: qemu-img gives up: {}", printed(&theirs));
        return None;
    };
    assert_eq!(counts(&ours), counts(&json), "{what}: {}\n{:#}", printed(&theirs), ours["judgements"]);
    for key in [
        "image-end-offset",
        "total-clusters",
        "allocated-clusters",
        "fragmented-clusters",
        "compressed-clusters",
    ] {
        let number = |json: &Value| json[key].as_u64().unwrap_or(0);
        // With check errors the end is what was looked at before.
        if counts(&json).2 == 0 {
            assert_eq!(number(&ours), number(&json), "{what}: {key}");
        }
    }
    let (corruptions, leaks, errors) = counts(&json);
    // Errors here, and none there: an image that is marked corrupt, data that is cut off in the last cluster,
    // a zero cluster in version 2.
    let judged = ours["judgements"].to_string();
    let is_marked = ["structure/marked-corrupt", "qcow2.l2.past-end", "qcow2.table.entry"]
        .iter()
        .any(|word| judged.contains(word));
    let want = if corruptions + errors > 0 || is_marked { 2 } else { u64::from(leaks > 0) * 3 };
    assert_eq!(
        output.status.code().and_then(|code| u64::try_from(code).ok()),
        Some(want),
        "{what}: {}",
        printed(&output)
    );
    Some((corruptions, leaks, errors))
}

fn create(folder: &Path, name: &str, options: &str, size: &str, commands: &[&str]) {
    tool(folder, "qemu-img", &["create", "-q", "-f", "qcow2", "-o", options, name, size]);
    let args: Vec<&str> = commands.iter().flat_map(|command| ["-c", command]).chain([name]).collect();
    tool(folder, "qemu-io", &args);
}

fn base(folder: &Path) {
    create(
        folder,
        "base.qcow2",
        "cluster_size=64k",
        "64M",
        &["write -P 1 0 256k", "write -P 2 1M 64k", "write -z 2M 64k", "write -P 3 3M 128k"],
    );
}

#[test]
fn undamaged_images_are_counted_like_qemu_img() {
    if !has_tool("qemu-img") || !has_tool("qemu-io") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let writes = ["write -P 1 0 1M", "write -P 2 3M 300k", "write -z 5M 128k", "write -P 4 7M 64k"];
    for options in [
        "cluster_size=512",
        "cluster_size=4k",
        "cluster_size=2M",
        "compat=0.10",
        "refcount_bits=1",
        "refcount_bits=2",
        "refcount_bits=4",
        "refcount_bits=8",
        "refcount_bits=32",
        "refcount_bits=64",
        "extended_l2=on",
        "lazy_refcounts=on",
        "preallocation=metadata",
        "preallocation=full",
        "data_file=x.data",
    ] {
        create(folder, "a.qcow2", options, "8M", &writes);
        assert_eq!(compare(folder, "a.qcow2", options), Some((0, 0, 0)), "{options}");
    }
    create(folder, "s.qcow2", "cluster_size=4k", "8M", &writes);
    tool(folder, "qemu-img", &["snapshot", "-c", "one", "s.qcow2"]);
    tool(folder, "qemu-io", &["-c", "write -P 9 0 512k", "s.qcow2"]);
    tool(folder, "qemu-img", &["snapshot", "-c", "two", "s.qcow2"]);
    assert_eq!(compare(folder, "s.qcow2", "snapshots"), Some((0, 0, 0)));
    tool(folder, "qemu-img", &["convert", "-c", "-O", "qcow2", "s.qcow2", "c.qcow2"]);
    assert_eq!(compare(folder, "c.qcow2", "compressed"), Some((0, 0, 0)));
    tool(folder, "qemu-img", &["bitmap", "--add", "s.qcow2", "b0"]);
    tool(folder, "qemu-img", &["bitmap", "--add", "-g", "64k", "s.qcow2", "b1"]);
    assert_eq!(compare(folder, "s.qcow2", "bitmaps"), Some((0, 0, 0)));
    tool(folder, "qemu-img", &["create", "-q", "-f", "qcow2", "-b", "s.qcow2", "-F", "qcow2", "o.qcow2"]);
    assert_eq!(compare(folder, "o.qcow2", "overlay"), Some((0, 0, 0)));
}

#[test]
fn damage_by_byte_edits_is_counted_like_qemu_img() {
    if !has_tool("qemu-img") || !has_tool("qemu-io") {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    base(folder);
    let bytes = std::fs::read(folder.join("base.qcow2")).unwrap();
    let cases: &[(&str, Edit)] = &[
        ("a count of a data cluster is 0", |i| i.put(i.count_at(i.data(i.entries()[0])), &[0, 0])),
        ("a count of a data cluster is 2", |i| i.put(i.count_at(i.data(i.entries()[0])), &[0, 2])),
        ("a count of a data cluster is 65535", |i| i.put(i.count_at(i.data(i.entries()[1])), &[255, 255])),
        ("the count of the header is 0", |i| i.put(i.count_at(0), &[0, 0])),
        ("the count of the L1 table is 3", |i| i.put(i.count_at(i.l1()), &[0, 3])),
        ("the count of the L2 table is 0", |i| i.put(i.count_at(i.l2()), &[0, 0])),
        ("the count of the refcount block is 0", |i| i.put(i.count_at(i.refcount_block()), &[0, 0])),
        ("a count after the file's end", |i| i.put(i.refcount_block() + 3000, &[0, 1])),
        ("all counts are zero", |i| i.put(i.refcount_block(), &vec![0; 65536])),
        ("an L2 entry is gone", |i| i.put64(i.entries()[2], 0)),
        ("all L2 entries are gone", |i| i.put(i.l2(), &vec![0; 65536])),
        ("the L1 entry is gone", |i| i.put64(i.l1(), 0)),
        ("two entries share a cluster", |i| i.put64(i.entries()[1], i.u64(i.entries()[0]))),
        ("an entry points into the L1 table", |i| i.put64(i.entries()[1], COPIED | i.l1())),
        ("an entry points into its own table", |i| i.put64(i.entries()[1], COPIED | i.l2())),
        ("an entry points into the refcount table", |i| i.put64(i.entries()[1], COPIED | i.refcount_table())),
        ("an entry points into a refcount block", |i| i.put64(i.entries()[1], COPIED | i.refcount_block())),
        ("an entry points at the file's end", |i| {
            i.put64(i.entries()[1], COPIED | i.len().next_multiple_of(65536));
        }),
        ("an entry points far after the end", |i| i.put64(i.entries()[1], COPIED | 1 << 40)),
        ("COPIED is clear in an L2 entry", |i| i.put64(i.entries()[0], i.u64(i.entries()[0]) & !COPIED)),
        ("COPIED is clear in the L1 entry", |i| i.put64(i.l1(), i.u64(i.l1()) & !COPIED)),
        ("COPIED is set with a count of 2", |i| {
            i.put(i.count_at(i.data(i.entries()[3])), &[0, 2]);
        }),
        ("reserved bits in an L2 entry", |i| i.put64(i.entries()[0], i.u64(i.entries()[0]) | 1 << 57 | 2)),
        ("reserved bits in the L1 entry", |i| i.put64(i.l1(), i.u64(i.l1()) | 1 << 57 | 1)),
        ("an L2 entry not on a cluster", |i| i.put64(i.entries()[0], i.u64(i.entries()[0]) + 512)),
        ("a zero entry not on a cluster", |i| i.put64(i.entries()[0], (i.u64(i.entries()[0]) + 512) | 1)),
        ("an L1 entry not on a cluster", |i| i.put64(i.l1(), i.u64(i.l1()) + 512)),
        ("an L1 entry after the end", |i| i.put64(i.l1(), COPIED | 1 << 40)),
        ("an L1 entry with nothing but COPIED", |i| i.put64(i.l1(), COPIED)),
        ("reserved bits in the refcount table", |i| i.put64(i.refcount_table(), i.refcount_block() | 1)),
        ("a refcount block not on a cluster", |i| i.put64(i.refcount_table(), i.refcount_block() + 512)),
        ("a refcount block after the end", |i| i.put64(i.refcount_table(), 1 << 40)),
        ("no refcount block", |i| i.put64(i.refcount_table(), 0)),
        ("two refcount blocks are one", |i| i.put64(i.refcount_table() + 8, i.refcount_block())),
        ("a refcount block is data", |i| i.put64(i.refcount_table() + 8, i.data(i.entries()[0]))),
        ("a refcount block is the header", |i| i.put64(i.refcount_table() + 8, i.cluster())),
        ("a compressed entry with COPIED", |i| {
            i.put64(i.entries()[0], COPIED | 1 << 62 | i.data(i.entries()[0]));
        }),
        ("a compressed entry over two clusters", |i| {
            i.put64(i.entries()[0], 1 << 62 | 255 << 54 | (i.data(i.entries()[0]) + 99));
        }),
        ("a compressed entry after the end", |i| i.put64(i.entries()[0], 1 << 62 | 1 << 45)),
        ("an entry is a zero cluster that keeps its place", |i| {
            i.put64(i.entries()[0], i.u64(i.entries()[0]) | 1);
        }),
        ("the dirty bit", |i| i.put64(72, 1)),
        ("the corrupt bit", |i| i.put64(72, 2)),
        ("the file is cut in the last cluster", |i| {
            let len = i.bytes.len() - 1000;
            i.bytes.truncate(len);
        }),
        ("the last clusters are cut off", |i| {
            let len = i.bytes.len() - 100_000;
            i.bytes.truncate(len);
        }),
        ("clusters of garbage after the end", |i| i.bytes.resize(i.bytes.len() + 300_000, 7)),
        ("the L1 table is longer than the disk needs", |i| i.put(36, &[0, 0, 0, 9])),
    ];
    let mut compared = 0;
    for (what, edit) in cases {
        let mut image = Image { bytes: bytes.clone() };
        edit(&mut image);
        std::fs::write(folder.join("damaged.qcow2"), &image.bytes).unwrap();
        compared += usize::from(compare(folder, "damaged.qcow2", what).is_some());
    }
    assert!(compared >= 40, "{compared} kinds of damage were counted by both");
}

/// Damage that needs another image to begin with: name, how it is made, what is edited.
#[test]
fn damage_of_other_variants_is_counted_like_qemu_img() {
    if !has_tool("qemu-img") || !has_tool("qemu-io") {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let writes = ["write -P 1 0 256k", "write -P 2 1M 64k", "write -z 2M 64k"];
    create(folder, "snap.qcow2", "cluster_size=64k", "8M", &writes);
    tool(folder, "qemu-img", &["snapshot", "-c", "one", "snap.qcow2"]);
    tool(folder, "qemu-io", &["-c", "write -P 9 0 128k", "snap.qcow2"]);
    create(
        folder,
        "sub.qcow2",
        "cluster_size=64k,extended_l2=on",
        "8M",
        &["write -P 1 0 4k", "write -P 1 128k 70k"],
    );
    create(folder, "marks.qcow2", "cluster_size=64k", "8M", &writes);
    tool(folder, "qemu-img", &["bitmap", "--add", "-g", "512", "marks.qcow2", "b0"]);
    tool(folder, "qemu-io", &["-c", "write -P 7 3M 64k", "marks.qcow2"]);
    tool(folder, "qemu-img", &["convert", "-c", "-O", "qcow2", "marks.qcow2", "compressed.qcow2"]);
    create(folder, "small.qcow2", "cluster_size=512", "1M", &["write -P 1 0 64k"]);
    create(folder, "bit.qcow2", "refcount_bits=1", "8M", &writes);
    create(folder, "byte.qcow2", "refcount_bits=8", "8M", &writes);
    create(folder, "wide.qcow2", "refcount_bits=64", "8M", &writes);
    create(folder, "old.qcow2", "compat=0.10", "8M", &writes);
    create(folder, "data.qcow2", "data_file=data.raw", "8M", &writes);
    let cases: &[(&str, &str, Edit)] = &[
        ("snap", "an entry of a shared cluster with COPIED", |i| {
            let shared =
                i.entries().into_iter().find(|at| i.u64(*at) & COPIED == 0 && i.data(*at) != 0).unwrap();
            i.put64(shared, i.u64(shared) | COPIED);
        }),
        ("snap", "the snapshot's L1 table is not cluster-aligned", |i| {
            i.put64(i.u64(64), i.u64(i.u64(64)) + 512);
        }),
        ("snap", "the snapshot's L1 table is too large", |i| i.put(i.u64(64) + 8, &[0xff; 4])),
        ("snap", "the snapshot's L1 table lies after the end", |i| i.put64(i.u64(64), 1 << 40)),
        ("snap", "the snapshot's L1 table is the active one", |i| i.put64(i.u64(64), i.l1())),
        ("snap", "the snapshot is forgotten", |i| i.put(60, &[0; 4])),
        ("snap", "a snapshot without its extra data", |i| i.put(i.u64(64) + 36, &[0, 0, 0, 8])),
        ("sub", "a subcluster is allocated and zero", |i| i.put64(i.entries()[0] + 8, 1 << 32 | 1)),
        ("sub", "subclusters of a cluster that is not allocated", |i| i.put64(i.entries()[0], 0)),
        ("sub", "a compressed entry with subclusters", |i| {
            i.put64(i.entries()[0], 1 << 62 | i.data(i.entries()[0]));
        }),
        ("sub", "data not on a cluster and no subcluster of data", |i| {
            i.put64(i.entries()[0], i.u64(i.entries()[0]) + 512);
            i.put64(i.entries()[0] + 8, 1 << 32);
        }),
        ("marks", "the bitmaps' feature bit is clear", |i| i.put64(88, 0)),
        ("marks", "an entry of a bitmap's table is reserved", |i| {
            let table = i.u64(i.u64(directory(i)));
            i.put64(table, 1 << 60);
        }),
        ("marks", "an entry of a bitmap's table leads to data", |i| {
            let table = i.u64(i.u64(directory(i)));
            i.put64(table, i.data(i.entries()[0]));
        }),
        ("compressed", "compressed data in the header", |i| i.put64(i.entries()[0], 1 << 62 | 0x100)),
        ("compressed", "compressed entries are one", |i| i.put64(i.entries()[1], i.u64(i.entries()[0]))),
        ("compressed", "a compressed entry is gone", |i| i.put64(i.entries()[0], 0)),
        ("compressed", "a count of compressed data is 0", |i| {
            let at = i.u64(i.entries()[0]) & ((1 << 54) - 1);
            i.put(i.count_at(at), &[0, 0]);
        }),
        ("small", "an entry is gone", |i| i.put64(i.entries()[3], 0)),
        ("small", "the second L1 entry is the first", |i| i.put64(i.l1() + 8, i.u64(i.l1()))),
        ("small", "every L1 entry is the first", |i| {
            (1..32).for_each(|n| i.put64(i.l1() + n * 8, i.u64(i.l1())));
        }),
        ("bit", "two entries share a cluster that can be counted once", |i| {
            i.put64(i.entries()[1], i.u64(i.entries()[0]));
        }),
        ("bit", "a count is 0", |i| i.put(i.refcount_block(), &[0xfe])),
        ("byte", "a count is 0 and one is 7", |i| i.put(i.refcount_block() + 4, &[0, 7])),
        ("wide", "a count is 2^63", |i| i.put(i.refcount_block() + 40, &[0x7f; 8])),
        ("wide", "a count is 0", |i| i.put(i.refcount_block() + 40, &[0; 8])),
        ("old", "an entry of version 2 is a zero cluster", |i| i.put64(i.entries()[0], 1)),
        ("old", "an entry of version 2 is gone", |i| i.put64(i.entries()[0], 0)),
        ("data", "COPIED is clear for data in another file", |i| {
            i.put64(i.entries()[1], i.u64(i.entries()[1]) & !COPIED);
        }),
        ("data", "a compressed entry with a data file", |i| i.put64(i.entries()[0], 1 << 62 | 0x50000)),
        ("data", "snapshots with a data file", |i| i.put(60, &[0, 0, 0, 0])),
    ];
    let mut compared = 0;
    for (name, what, edit) in cases {
        let bytes = std::fs::read(folder.join(format!("{name}.qcow2"))).unwrap();
        let mut image = Image { bytes };
        edit(&mut image);
        std::fs::write(folder.join("damaged.qcow2"), &image.bytes).unwrap();
        compared += usize::from(compare(folder, "damaged.qcow2", &format!("{name}: {what}")).is_some());
    }
    assert!(compared >= 25, "{compared} kinds of damage were counted by both");
}

/// The offset of the directory in the extension of the bitmaps.
fn directory(image: &Image) -> u64 {
    let mut at = u64::from(image.u32(100));
    while image.u32(at) != 0x2385_2875 {
        at += 8 + u64::from(image.u32(at + 4)).next_multiple_of(8);
    }
    at + 8 + 16
}

/// `qemu-io` as the one that damages: writes into the file as if it were a RAW.
#[test]
fn damage_by_qemu_io_is_counted_like_qemu_img() {
    if !has_tool("qemu-img") || !has_tool("qemu-io") {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let mut compared = 0;
    for (cluster, pattern) in (1..12).flat_map(|cluster| [(cluster, 0), (cluster, 0x80), (cluster, 0xff)]) {
        base(folder);
        let write = format!("write -P {pattern} {} 4k", cluster * 65536);
        tool(folder, "qemu-io", &["-f", "raw", "-c", &write, "base.qcow2"]);
        compared += usize::from(compare(folder, "base.qcow2", &write).is_some());
    }
    assert!(compared >= 25, "{compared} kinds of damage were counted by both");
}
