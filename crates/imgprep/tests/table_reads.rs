//! How often a conversion reads the tables of its source.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use imgprep::{Disk, MemoryOutput, OnLoss, ReadAt, ReadError, Target};

/// The size of the disk that one L2 table describes, and of a chunk of the engine: with clusters of 4 KiB both are 2 MiB.
const CHUNK: usize = 2 << 20;
const CHUNKS: usize = 6;
const CLUSTER: u64 = 4096;

/// An image in memory that counts the bytes that are read of its tables.
struct Counted {
    bytes: Vec<u8>,
    tables: Vec<Range<u64>>,
    read: Arc<AtomicU64>,
}

impl Counted {
    fn count(&self, range: &Range<u64>) {
        let inside =
            |table: &Range<u64>| table.end.min(range.end).saturating_sub(table.start.max(range.start));
        self.read.fetch_add(self.tables.iter().map(inside).sum(), Ordering::Relaxed);
    }
}

impl ReadAt for Counted {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
        self.count(&(at..at + buf.len() as u64));
        self.bytes.read_exact_at(buf, at)
    }
}

/// A QCOW2 with an L2 table for each chunk: data at the beginning of a chunk, zeros after it.
fn image() -> Vec<u8> {
    let mut disk = vec![0; CHUNK * CHUNKS];
    for chunk in 0..CHUNKS {
        disk[chunk * CHUNK..][..200_000].fill(u8::try_from(chunk + 1).unwrap());
    }
    let output = MemoryOutput::new();
    let target = Target::parse("qcow2", ["cluster_size=4k"]).unwrap();
    imgprep::open_reader(disk).unwrap().convert(target).write_to(&output).unwrap();
    output.to_vec()
}

/// The L2 tables of an image.
fn tables(image: &[u8]) -> Vec<Range<u64>> {
    let number = |at: usize| u64::from_be_bytes(image[at..at + 8].try_into().unwrap());
    let l1 = usize::try_from(number(40)).unwrap();
    let entries = (0..CHUNKS).map(|index| number(l1 + 8 * index) & 0x00ff_ffff_ffff_fe00);
    entries.map(|at| at..at + CLUSTER).collect()
}

/// The disk, and the bytes that were read of its tables so far.
fn opened() -> (Disk, Arc<AtomicU64>) {
    let (bytes, read) = (image(), Arc::default());
    let tables = tables(&bytes);
    assert!(tables.iter().all(|table| table.start > 0), "{tables:?}");
    let disk = imgprep::open_reader(Counted { bytes, tables, read: Arc::clone(&read) }).unwrap();
    (disk, read)
}

/// How often all tables were read since the last question, in hundredths.
fn passes(read: &AtomicU64) -> u64 {
    read.swap(0, Ordering::Relaxed) * 100 / (CHUNKS as u64 * CLUSTER)
}

/// The table scan reads all tables twice: for the comparison of the file usage, and for the extents.
const SCAN: u64 = 200;
/// The walk that loads the data reads them twice at most: the feeder searches for chunks with data, and the worker of a
/// chunk needs its extents.
const LOAD: u64 = 200;

#[test]
fn a_planned_conversion_scans_the_tables_once() {
    for threads in [1, 2] {
        let (disk, read) = opened();
        passes(&read);
        let convert = || disk.convert(Target::Raw).threads(threads);
        let plan = convert().plan().unwrap();
        assert_eq!(passes(&read), SCAN);
        let output = MemoryOutput::new();
        let done = convert().with_plan(plan.clone()).write_to(&output).unwrap();
        let load = passes(&read);
        assert!((1..=LOAD).contains(&load), "{load}");
        assert_eq!(done.table_scan, plan.table_scan);
        // Without a plan the conversion makes the scan itself.
        let other = MemoryOutput::new();
        convert().write_to(&other).unwrap();
        assert_eq!(passes(&read), SCAN + load);
        assert!(output.to_vec() == other.to_vec());
    }
}

#[test]
fn a_verified_conversion_reads_the_tables_of_its_source_no_more_often() {
    let (disk, read) = opened();
    passes(&read);
    disk.convert(Target::Raw).threads(1).write_to(MemoryOutput::new()).unwrap();
    let plain = passes(&read);
    disk.convert(Target::Raw).threads(1).verify(true).write_to(MemoryOutput::new()).unwrap();
    assert_eq!(passes(&read), plain);
}

#[test]
fn a_plan_that_does_not_fit_is_ignored() {
    let (disk, read) = opened();
    let (other, _) = opened();
    let of_other_disk = other.convert(Target::Raw).plan().unwrap();
    let of_other_losses = disk.convert(Target::Raw).on_loss(OnLoss::Zero).plan().unwrap();
    let blocks = Target::parse("qcow2", ["cluster_size=4k"]).unwrap();
    let of_other_target = disk.convert(blocks).plan().unwrap();
    let read_with = |plan| {
        passes(&read);
        disk.convert(Target::Raw).with_plan(plan).write_to(MemoryOutput::new()).unwrap();
        passes(&read)
    };
    let with_scan = read_with(of_other_disk);
    assert!(with_scan > SCAN, "{with_scan}");
    assert_eq!(read_with(of_other_losses), with_scan);
    // Both targets have chunks of 2 MiB: the scan is valid for both.
    assert_eq!(read_with(of_other_target), with_scan - SCAN);
}
