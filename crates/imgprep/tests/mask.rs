//! Disks with free ranges: zeros that are not read.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use imgprep::{Disk, FileId, MemoryFiles, MemoryOutput, OpenOptions, ReadAt, ReadError, Source, Target};
use testdata_gen::{GoodImage, good};

type Reads = Arc<Mutex<Vec<(PathBuf, Range<u64>)>>>;

/// A file that records what is read of it.
struct Recorded {
    path: PathBuf,
    bytes: Vec<u8>,
    reads: Reads,
}

impl ReadAt for Recorded {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
        self.reads.lock().unwrap().push((self.path.clone(), at..at + buf.len() as u64));
        self.bytes.read_exact_at(buf, at)
    }
}

fn opened(image: &GoodImage) -> (Disk, Reads) {
    let (mut files, reads) = (MemoryFiles::new(), Reads::default());
    for file in &image.files {
        let path = PathBuf::from(format!("folder/{}", file.name));
        let reads = Arc::clone(&reads);
        files.add(path.clone(), Recorded { path, bytes: file.bytes.clone(), reads });
    }
    let options = OpenOptions { namespace: Some(Arc::new(files)), ..OpenOptions::default() };
    let disk = imgprep::open_with(format!("folder/{}", image.files[0].name), &options);
    (disk.unwrap_or_else(|error| panic!("{}: {error}", image.name)), reads)
}

/// Ranges in no order that overlap, cut clusters and chunks in parts, and extend past the end.
fn free_ranges(size: u64) -> Vec<Range<u64>> {
    let middle = size / 3;
    vec![
        size.saturating_sub(3000)..size + 100_000,
        middle + 1000..middle + size / 5,
        size / 7..size / 7 + 5000,
        middle..middle + 2000,
        middle..middle,
    ]
}

/// The parts of files that contain only free bytes of the disk, uncompressed.
fn payload(disk: &Disk, free: &[Range<u64>]) -> Vec<(PathBuf, Range<u64>)> {
    let mut found = Vec::new();
    for extent in disk.extents() {
        let extent = extent.unwrap();
        let Source::Data { file: FileId::SELF, at } = extent.source else { continue };
        let path = disk.layers()[extent.layer].path().unwrap().to_path_buf();
        for range in free.iter().filter(|range| !range.is_empty()) {
            let (start, end) = (range.start.max(extent.disk.start), range.end.min(extent.disk.end));
            if start < end {
                let moved = |disk: u64| at + (disk - extent.disk.start);
                found.push((path.clone(), moved(start)..moved(end)));
            }
        }
    }
    found
}

fn overlap(a: &Range<u64>, b: &Range<u64>) -> bool {
    a.start < b.end && b.start < a.end
}

#[test]
fn masked_ranges_of_every_format_are_zeros_and_are_not_read() {
    let (mut formats, mut chains, mut payloads) = (BTreeSet::new(), 0, 0);
    for image in good().into_iter().filter(|image| image.snapshot.is_none()) {
        let (disk, reads) = opened(&image);
        let size = disk.size();
        // The disk of a ZVHD2 is a whole number of GiB, which would have to fit into memory as RAW.
        if size > 64 << 20 {
            continue;
        }
        let free = free_ranges(size);
        let payload = payload(&disk, &free);
        let disk = disk.with_mask(free.clone());
        reads.lock().unwrap().clear();
        let raw = MemoryOutput::new();
        disk.convert(Target::Raw).threads(1).write_to(&raw).unwrap();
        let mut want = image.disk.clone();
        want.resize(usize::try_from(size).unwrap(), 0);
        for range in free.iter().filter(|range| !range.is_empty()) {
            let inside = |at: u64| usize::try_from(at.min(size)).unwrap();
            want[inside(range.start)..inside(range.end)].fill(0);
        }
        assert!(raw.to_vec() == want, "{}", image.name);
        for (path, range) in reads.lock().unwrap().iter() {
            let read = payload.iter().find(|(file, free)| file == path && overlap(free, range));
            assert_eq!(read, None, "{}: read {range:?} of {}", image.name, path.display());
        }
        formats.insert(image.format);
        chains += usize::from(disk.layers().len() > 1);
        payloads += payload.len();
    }
    assert!(formats.len() >= 8 && chains >= 5 && payloads >= 50, "{formats:?}, {chains}, {payloads}");
}

fn qcow2(disk: &[u8], options: &[&str]) -> Vec<u8> {
    let output = MemoryOutput::new();
    let target = Target::parse("qcow2", options.iter().copied()).unwrap();
    imgprep::open_reader(disk.to_vec()).unwrap().convert(target).write_to(&output).unwrap();
    output.to_vec()
}

/// A mebibyte of bytes that can be compressed to about the half.
fn compressible() -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if state & 0x8000 == 0 { 1 } else { (state >> 24) as u8 }
    };
    (0..1 << 20).map(|_| next()).collect()
}

#[test]
fn a_compressed_cluster_is_read_only_for_its_other_part() {
    const CLUSTER: u64 = 64 << 10;
    let bytes = compressible();
    let image = qcow2(&bytes, &["compress=on"]);
    let extents = imgprep::open_reader(image.clone()).unwrap();
    let payloads: BTreeSet<u64> = extents
        .extents()
        .filter_map(|extent| match extent.unwrap().source {
            Source::Compressed { at, .. } => Some(at),
            _ => None,
        })
        .collect();
    assert_eq!(payloads.len(), 16);
    let reads_with = |free: Range<u64>| {
        let reads = Reads::default();
        let recorded = Recorded { path: PathBuf::new(), bytes: image.clone(), reads: Arc::clone(&reads) };
        let disk = imgprep::open_reader(recorded).unwrap().with_mask([free.clone()]);
        reads.lock().unwrap().clear();
        let raw = MemoryOutput::new();
        let done = disk.convert(Target::Raw).threads(1).write_to(&raw).unwrap();
        let mut want = bytes.clone();
        want[usize::try_from(free.start).unwrap()..usize::try_from(free.end).unwrap()].fill(0);
        assert!(raw.to_vec() == want, "{free:?}");
        assert_eq!(done.table_scan.compressed, (1 << 20) - (free.end - free.start));
        let reads = reads.lock().unwrap();
        reads.iter().filter(|(_, range)| payloads.contains(&range.start)).count()
    };
    assert_eq!(reads_with(0..0), 16);
    // A cluster of which a part is in use is still read.
    assert_eq!(reads_with(CLUSTER + 1..2 * CLUSTER), 16);
    assert_eq!(reads_with(CLUSTER..2 * CLUSTER - 1), 16);
    assert_eq!(reads_with(CLUSTER..2 * CLUSTER), 15);
    assert_eq!(reads_with(CLUSTER..5 * CLUSTER), 12);
    assert_eq!(reads_with(CLUSTER - 1..5 * CLUSTER + 1), 12);
}

#[test]
fn the_tables_of_free_ranges_are_read_for_the_comparison_only() {
    // Two L2 tables, each of 512 clusters of 4 KiB.
    let disk = vec![7; 4 << 20];
    let image = qcow2(&disk, &["cluster_size=4k"]);
    let number = |at: usize| u64::from_be_bytes(image[at..at + 8].try_into().unwrap());
    let l1 = usize::try_from(number(40)).unwrap();
    let table = number(l1 + 8) & 0x00ff_ffff_ffff_fe00;
    let reads_of_table = |free: Range<u64>| {
        let reads = Reads::default();
        let recorded = Recorded { path: PathBuf::new(), bytes: image.clone(), reads: Arc::clone(&reads) };
        let disk = imgprep::open_reader(recorded).unwrap().with_mask([free]);
        reads.lock().unwrap().clear();
        disk.convert(Target::Raw).threads(1).write_to(MemoryOutput::new()).unwrap();
        let reads = reads.lock().unwrap();
        reads.iter().filter(|(_, range)| overlap(range, &(table..table + 4096))).count()
    };
    assert!(reads_of_table(0..0) > 1);
    assert_eq!(reads_of_table(2 << 20..4 << 20), 1);
}

#[test]
fn a_plan_without_the_mask_is_not_used_with_it() {
    let disk = imgprep::open_reader(vec![7; 4 << 20]).unwrap();
    let plan = disk.convert(Target::Raw).plan().unwrap();
    assert_eq!((plan.table_scan.data, plan.table_scan.zeros), (4 << 20, 0));
    let disk = disk.with_mask(std::iter::once(1 << 20..2 << 20)).with_mask(std::iter::once(0..100));
    let done = disk.convert(Target::Raw).with_plan(plan).write_to(MemoryOutput::new()).unwrap();
    let zeros = (1 << 20) + 100;
    assert_eq!((done.table_scan.data, done.table_scan.zeros), ((4 << 20) - zeros, zeros));
}
