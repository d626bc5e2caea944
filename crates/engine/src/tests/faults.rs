//! A mapped page that cannot be read, at each access of each run, is an error and never leads to a wrong disk.
//!
//! A run checks for faults in several places, and each check hides the others. Here the fault occurs at every access in
//! turn, including the walks over the tables, so that for each check there is a fault that only this check can detect.

use std::num::NonZeroUsize;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use imgprep_map::{
    DiskMap, Error, Extent, FileId, FileUse, Files, ReadAt, ReadError, Sink, SinkKind, Source, Visitor,
    WriteError,
};
use imgprep_raw::RawWriter;

use crate::{
    BitmapShape, ChecksumRange, Interrupt, Layer, Losses, OnLoss, Options, Output, Progress, Stack,
    TrailingData, checksum, convert, scan, scan_tables,
};

pub(super) const CHUNK: u64 = 2 << 20;

/// A mapped file with a page that fails at an access: from then on it contains zeros, as after the SIGBUS handler.
pub(super) struct Failing {
    pub(super) bytes: Vec<u8>,
    zeros: Vec<u8>,
    /// Accesses so far, and the one that fails.
    accesses: AtomicU64,
    fails_at: u64,
}

impl ReadAt for Failing {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
        self.bytes.read_exact_at(buf, at)
    }

    fn mapped(&self, range: Range<u64>) -> Option<&[u8]> {
        let access = self.accesses.fetch_add(1, Ordering::Relaxed);
        let bytes = if access >= self.fails_at { &self.zeros } else { &self.bytes };
        bytes.get(range.start as usize..range.end as usize)
    }

    fn verify_mapping(&self) -> Result<(), ReadError> {
        if self.accesses.load(Ordering::Relaxed) > self.fails_at {
            return Err(ReadError::Failed { at: 0, reason: "a page".into() });
        }
        Ok(())
    }
}

/// Five chunks, each with an entry in a table at the beginning of the file: 1 is data that is stored contiguously, 2 is
/// data in two extents, 3 is data of zeros, 0 is a hole.
struct Table;

const ENTRIES: [u8; 5] = [1, 2, 3, 1, 0];
pub(super) const TABLE: u64 = 4096;

impl DiskMap for Table {
    fn size(&self) -> u64 {
        CHUNK * ENTRIES.len() as u64
    }

    fn stride(&self) -> u64 {
        CHUNK
    }

    fn visit(&self, files: &dyn Files, range: Range<u64>, visitor: Visitor<'_>) -> Result<(), Error> {
        let file = files.get(FileId::SELF).expect("the file is open");
        for chunk in range.start / CHUNK..range.end.min(self.size()).div_ceil(CHUNK) {
            let entry = file.mapped(chunk..chunk + 1).expect("the table is mapped")[0];
            let (disk, at) = (chunk * CHUNK..(chunk + 1) * CHUNK, TABLE + chunk * CHUNK);
            let data =
                |part: Range<u64>, at| Extent { disk: part, source: Source::Data { file: FileId::SELF, at } };
            let half = disk.start + CHUNK / 2;
            let extents = match entry {
                0 => vec![Extent { disk, source: Source::Zero { explicit: true } }],
                // The halves change places.
                2 => vec![data(disk.start..half, at + CHUNK / 2), data(half..disk.end, at)],
                _ => vec![data(disk, at)],
            };
            for extent in extents {
                let (start, end) = (extent.disk.start.max(range.start), extent.disk.end.min(range.end));
                if start < end && visitor(extent.part(start, end)).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn file_usage(&self, _: &dyn Files, _: &mut dyn FnMut(FileUse) -> ControlFlow<()>) -> Result<(), Error> {
        Ok(())
    }
}

pub(super) fn stack(fails_at: u64) -> (Stack, Arc<Failing>) {
    let mut bytes = vec![0; (TABLE + CHUNK * ENTRIES.len() as u64) as usize];
    bytes[..ENTRIES.len()].copy_from_slice(&ENTRIES);
    for (chunk, entry) in ENTRIES.iter().enumerate().filter(|(_, entry)| (1..3).contains(*entry)) {
        let at = TABLE as usize + chunk * CHUNK as usize;
        bytes[at..at + CHUNK as usize].fill(*entry);
    }
    let file =
        Arc::new(Failing { zeros: vec![0; bytes.len()], bytes, accesses: AtomicU64::new(0), fails_at });
    let layer = Layer { map: Box::new(Table), files: vec![file.clone()], names: vec!["a".into()] };
    (Stack::new(layer, Vec::new()), file)
}

/// Accepts and discards all writes.
struct Discard;

impl Sink for Discard {
    fn kind(&self) -> SinkKind {
        SinkKind::Random
    }

    fn reads_as_zeros(&self) -> bool {
        true
    }

    fn write_at(&self, _: u64, _: &[&[u8]]) -> Result<(), WriteError> {
        Ok(())
    }

    fn zero(&self, _: Range<u64>) -> Result<(), WriteError> {
        Ok(())
    }

    fn set_len(&self, _: u64) -> Result<(), WriteError> {
        Ok(())
    }
}

/// One run over a stack.
type Run = fn(&Stack, &Options<'_>) -> Result<(), Error>;

fn only_table_scan(stack: &Stack, options: &Options<'_>) -> Result<(), Error> {
    scan_tables(stack, CHUNK, CHUNK, options).map(|_| ())
}

fn convert_all(stack: &Stack, options: &Options<'_>) -> Result<(), Error> {
    let table_scan = scan_tables(stack, CHUNK, CHUNK, options)?;
    let losses = Losses::from(table_scan.losses.clone());
    let mut format = RawWriter::new(table_scan.size);
    assert_eq!(crate::chunk_size(&format), CHUNK);
    let output = Output {
        format: &mut format,
        sink: &Discard,
        with_checksums: true,
        with_blake3: true,
        bitmap: None,
        backing: None,
    };
    convert(stack, &table_scan, output, options, &losses).map(|_| ())
}

fn scan_all(stack: &Stack, options: &Options<'_>) -> Result<(), Error> {
    let table_scan = scan_tables(stack, CHUNK, CHUNK, options)?;
    let losses = Losses::from(table_scan.losses.clone());
    scan(stack, &table_scan, BitmapShape::default(), options, &losses).map(|_| ())
}

fn checksum_all(stack: &Stack, options: &Options<'_>) -> Result<(), Error> {
    let table_scan = scan_tables(stack, CHUNK, CHUNK, options)?;
    let range = ChecksumRange { size: table_scan.size, trailing: TrailingData::Zeros, blake3_len: None };
    checksum(stack, &table_scan, range, options).map(|_| ())
}

#[test]
fn a_page_that_fails_at_any_access_of_any_run_is_an_error() {
    let runs: [(&str, Run); 4] = [
        ("table scan", only_table_scan),
        ("convert", convert_all),
        ("scan", scan_all),
        ("checksum", checksum_all),
    ];
    for (name, run) in runs {
        for threads in [1, 2] {
            let options = Options {
                threads: NonZeroUsize::new(threads).unwrap(),
                memory: 256 << 20,
                on_loss: OnLoss::Stop,
                interrupt: &Interrupt::default(),
                progress: &Progress::default(),
                observe: &|_| {},
            };
            let (whole, file) = stack(u64::MAX);
            run(&whole, &options).unwrap();
            let accesses = file.accesses.load(Ordering::Relaxed);
            assert!(accesses >= ENTRIES.len() as u64, "{name}: {accesses} accesses");
            for fails_at in 0..accesses {
                let (failing, _) = stack(fails_at);
                let error = run(&failing, &options).expect_err(name);
                assert_eq!(
                    error.code().id,
                    "io.read.failed",
                    "{name}, {threads} threads, access {fails_at}: {error}"
                );
            }
        }
    }
}
