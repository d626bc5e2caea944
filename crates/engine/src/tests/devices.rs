//! Outputs that do not read as zeros: every byte of a device is written or zeroed.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Mutex;

use imgprep_map::{Emit, Encoding, Error, ImageWriter, Placement, Sink, SinkKind, Stored, WriteError};
use imgprep_raw::RawWriter;

use super::faults::{CHUNK, TABLE, stack};
use crate::convert::{BlockWrites, Runs, Writer};
use crate::{Interrupt, Losses, OnLoss, Options, Output, Progress, convert, scan_tables};

/// A device that is filled with `0xee`, and a record of its writes.
struct Device {
    bytes: Mutex<Vec<u8>>,
    writes: Mutex<Vec<(u64, usize)>>,
}

impl Device {
    fn new(len: usize) -> Self {
        Self { bytes: Mutex::new(vec![0xee; len]), writes: Mutex::default() }
    }
}

impl Sink for Device {
    fn kind(&self) -> SinkKind {
        SinkKind::Random
    }

    fn reads_as_zeros(&self) -> bool {
        false
    }

    fn write_at(&self, at: u64, parts: &[&[u8]]) -> Result<(), WriteError> {
        let whole = parts.concat();
        self.writes.lock().unwrap().push((at, whole.len()));
        self.bytes.lock().unwrap()[at as usize..at as usize + whole.len()].copy_from_slice(&whole);
        Ok(())
    }

    fn zero(&self, range: Range<u64>) -> Result<(), WriteError> {
        self.bytes.lock().unwrap()[range.start as usize..range.end as usize].fill(0);
        Ok(())
    }

    fn set_len(&self, _: u64) -> Result<(), WriteError> {
        Ok(())
    }
}

#[test]
fn adjacent_blocks_are_one_write_and_gaps_are_zeroed() {
    let device = Device::new(64);
    let ((stack, _), progress) = (stack(u64::MAX), Progress::default());
    let writer = Writer { sink: &device, stack: &stack, progress: &progress };
    let (chunk, runs, mut written_to) = ((1..=20).collect::<Vec<u8>>(), Runs::default(), 0);
    let mut out = BlockWrites::new(writer, &chunk, &runs, &mut written_to);
    out.store(Placement::bare(8), 0..4).unwrap();
    out.store(Placement::bare(12), 4..8).unwrap();
    // Adjacent in the file, but not in the chunk; then adjacent in the chunk, but not in the file.
    out.store(Placement::bare(16), 12..16).unwrap();
    out.store(Placement::bare(24), 16..20).unwrap();
    out.write(28, &[0xaa]).unwrap();
    out.store(Placement { at: 29, head: vec![0xbb], tail: vec![0xcc, 0xdd] }, 8..9).unwrap();
    out.store(Placement::bare(40), 9..10).unwrap();
    out.flush().unwrap();
    out.write(0, &[0xff]).unwrap();
    out.zero_to(44).unwrap();
    let mut want = vec![0; 64];
    want[44..].fill(0xee);
    want[0] = 0xff;
    want[8..16].copy_from_slice(&chunk[..8]);
    want[16..20].copy_from_slice(&chunk[12..16]);
    want[24..33].copy_from_slice(&[17, 18, 19, 20, 0xaa, 0xbb, 9, 0xcc, 0xdd]);
    want[40] = 10;
    assert_eq!(*device.bytes.lock().unwrap(), want);
    let writes = [(8, 8), (16, 4), (24, 4), (28, 1), (29, 4), (40, 1), (0, 1)];
    assert_eq!(*device.writes.lock().unwrap(), writes);
}

/// Converts the disk of the tests onto a device that is one byte too long. Returns the device's bytes and the disk.
fn written(format: impl FnOnce(u64) -> Box<dyn ImageWriter>, extra: usize) -> (Vec<u8>, Vec<u8>) {
    let (stack, file) = stack(u64::MAX);
    let options = Options {
        threads: NonZeroUsize::MIN,
        memory: 256 << 20,
        on_loss: OnLoss::Stop,
        interrupt: &Interrupt::default(),
        progress: &Progress::default(),
        observe: &|_| {},
    };
    let table_scan = scan_tables(&stack, CHUNK, CHUNK, &options).unwrap();
    let losses = Losses::default();
    let device = Device::new(table_scan.size as usize + extra + 1);
    let mut format = format(table_scan.size);
    let output = Output {
        format: &mut *format,
        sink: &device,
        with_checksums: false,
        with_blake3: false,
        backing: None,
        bitmap: None,
    };
    convert(&stack, &table_scan, output, &options, &losses).unwrap();
    let chunk = |number: u64| {
        let at = (TABLE + number * CHUNK) as usize;
        file.bytes[at..at + CHUNK as usize].to_vec()
    };
    let mut swapped = chunk(1);
    swapped.rotate_left(CHUNK as usize / 2);
    let disk = [chunk(0), swapped, chunk(2), chunk(3), vec![0; CHUNK as usize]].concat();
    (device.bytes.into_inner().unwrap(), disk)
}

#[test]
fn a_raw_on_a_device_is_the_disk_and_zeros() {
    let (device, disk) = written(|size| Box::new(RawWriter::new(size)), 0);
    assert!(device == [disk, vec![0xee]].concat());
}

/// A linear format with a header, a gap, the disk, padding, and a footer.
struct Framed(u64);

impl ImageWriter for Framed {
    fn block(&self) -> u64 {
        CHUNK
    }

    fn encoding(&self) -> Encoding {
        Encoding::Plain
    }

    fn needs(&self) -> SinkKind {
        SinkKind::Append
    }

    fn linear_at(&self) -> Option<u64> {
        Some(100)
    }

    fn begin(&mut self, out: &mut dyn Emit) -> Result<(), Error> {
        out.write(0, b"head")
    }

    fn place(&mut self, _: u64, _: Stored, _: &mut dyn Emit) -> Result<Placement, Error> {
        unreachable!("the format is linear")
    }

    fn finish(&mut self, out: &mut dyn Emit) -> Result<u64, Error> {
        out.write(100 + self.0 + 10, b"foot")?;
        Ok(100 + self.0 + 20)
    }

    fn max_len(&self, _: u64, _: u64) -> u64 {
        self.0 + 120
    }
}

#[test]
fn gaps_around_the_disk_of_a_linear_output_are_zeroed() {
    let (device, disk) = written(|size| Box::new(Framed(size)), 120);
    let want =
        [b"head".to_vec(), vec![0; 96], disk, vec![0; 10], b"foot".to_vec(), vec![0; 6], vec![0xee]].concat();
    assert!(device == want);
}

/// A format with blocks of two chunks between a head and a tail, at ascending places with gaps.
struct Large {
    next: u64,
}

const LARGE: u64 = 2 * CHUNK;
const FRAMED: u64 = LARGE + 5;

impl ImageWriter for Large {
    fn block(&self) -> u64 {
        LARGE
    }

    fn encoding(&self) -> Encoding {
        Encoding::Plain
    }

    fn needs(&self) -> SinkKind {
        SinkKind::Random
    }

    fn begin(&mut self, _: &mut dyn Emit) -> Result<(), Error> {
        Ok(())
    }

    fn place(&mut self, block: u64, stored: Stored, out: &mut dyn Emit) -> Result<Placement, Error> {
        assert_eq!(stored, Stored { len: LARGE, is_compressed: false });
        out.write(block, &[7])?;
        self.next += FRAMED;
        Ok(Placement { at: self.next - FRAMED, head: vec![1, 2], tail: vec![3] })
    }

    fn finish(&mut self, _: &mut dyn Emit) -> Result<u64, Error> {
        Ok(self.next)
    }

    fn max_len(&self, blocks: u64, _: u64) -> u64 {
        4 + blocks * FRAMED
    }
}

/// The second block begins with a chunk of zeros, which is not written; the third one has no data and is not placed.
#[test]
fn a_block_larger_than_a_chunk_is_placed_once_and_its_gaps_are_zeroed() {
    assert_eq!(crate::chunk_size(&Large { next: 4 }), CHUNK);
    let (device, disk) = written(|_| Box::new(Large { next: 4 }), 20);
    let framed = |block: usize| {
        let len = LARGE as usize;
        [&[1, 2], &disk[block * len..(block + 1) * len], &[3, 0, 0]].concat()
    };
    let end = 4 + 2 * FRAMED as usize;
    let want = [vec![7, 7, 0, 0], framed(0), framed(1)].concat();
    assert!(device[..end] == want);
    assert!(device[end..].iter().all(|byte| *byte == 0xee));
}
