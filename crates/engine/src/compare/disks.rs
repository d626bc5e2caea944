//! Compares two disks chunk by chunk.

use std::ops::Range;

use imgprep_map::Error;

use super::differences::Differences;
use crate::load::{
    ChunkForm, Job, Loader, PIECE, Pair, Reads, Scratch, jobs, pairs, pieces_of, reading_memory,
};
use crate::pipeline::Share;
use crate::{Losses, OnLoss, Options, Stack, TableScan, pipeline};

/// How differences are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompareShape {
    /// Size of the blocks that are compared, in bytes: a divisor of the size of a chunk.
    pub granularity: u64,
    /// Most ranges that are listed.
    pub limit: usize,
}

/// A disk with the result of the scan of its tables.
#[derive(Clone, Copy)]
pub struct ScannedDisk<'a> {
    /// The disk.
    pub stack: &'a Stack,
    /// The scan of its tables.
    pub table_scan: &'a TableScan,
}

/// Compares two disks, whose scans have chunks of the same size. The shorter disk is continued by zeros.
///
/// Chunks that both maps report as zeros are not read, and what one map reports as zeros is read from the other disk only.
/// The first range that cannot be read ends the comparison, whatever the options request.
pub fn compare(
    disks: [ScannedDisk<'_>; 2],
    shape: CompareShape,
    options: &Options<'_>,
) -> Result<Differences, Error> {
    let options = &Options { on_loss: OnLoss::Stop, ..*options };
    let losses = Losses::default();
    let total = |disk: ScannedDisk<'_>| disk.table_scan.total();
    options.progress.begin(disks.map(total).iter().sum());
    let loaders = disks.map(|disk| Loader {
        stack: disk.stack,
        reads: Reads::Copied,
        on_loss: OnLoss::Stop,
        losses: &losses,
        progress: options.progress,
    });
    let [a, b] = disks.map(|disk| jobs(disk.stack, disk.table_scan.chunk, options, &losses, None));
    let mut differences = Differences::new(shape.limit);
    pipeline::run(
        share(disks, options)?,
        options.interrupt,
        pairs(a, b, |job| job.range.start, |job| job.range.start),
        || [Scratch::new(), Scratch::new()],
        |pair, scratches| work(&pair, &loaders, scratches, shape),
        |(found, read)| {
            differences.append(found);
            options.progress.did_disk(read);
            (options.observe)(options.progress);
            Ok(())
        },
    )?;
    // For the walks after the last chunk.
    disks.iter().try_for_each(|disk| disk.stack.verify_mapping())?;
    Ok(differences)
}

/// Every thread loads a chunk of both disks.
fn share(disks: [ScannedDisk<'_>; 2], options: &Options<'_>) -> Result<Share, Error> {
    let [a, b] = disks.map(|disk| reading_memory(disk.stack, disk.table_scan));
    let (per_thread, per_chunk) = (a.0 + b.0, a.1 + b.1);
    Ok(Share::plan(options.threads, options.memory, per_thread, per_chunk.max(1))?)
}

/// The bytes of a piece, as far as the disk has any.
fn piece_of<'s>(
    loader: &Loader<'_>,
    job: Option<&Job>,
    form: ChunkForm,
    piece: &Range<u64>,
    scratch: &'s mut Scratch,
) -> Result<&'s [u8], Error> {
    let Some(end) = job.map(|job| job.range.end).filter(|end| *end > piece.start) else { return Ok(&[]) };
    loader.piece(form, &(piece.start..piece.end.min(end)), scratch)
}

/// The differences of one chunk, and the bytes that were read of both disks.
fn work(
    (a, b): &Pair<Job, Job>,
    [of_a, of_b]: &[Loader<'_>; 2],
    [scratch_a, scratch_b]: &mut [Scratch; 2],
    shape: CompareShape,
) -> Result<(Differences, u64), Error> {
    let mut differences = Differences::new(shape.limit);
    let jobs = [a, b].into_iter().flatten();
    // Both begin at the same disk offset. The shorter disk ends earlier.
    let ranges = jobs.clone().map(|job| &job.range);
    let range = ranges.reduce(|a, b| if a.end < b.end { b } else { a }).cloned().unwrap_or_default();
    let (form_a, form_b) = (of_a.open_chunk(a.as_ref(), scratch_a)?, of_b.open_chunk(b.as_ref(), scratch_b)?);
    for piece in pieces_of(&range, shape.granularity.max(PIECE)) {
        let bytes_a = piece_of(of_a, a.as_ref(), form_a, &piece, scratch_a)?;
        let bytes_b = piece_of(of_b, b.as_ref(), form_b, &piece, scratch_b)?;
        differences.compare((bytes_a, bytes_b), piece.start, shape.granularity);
    }
    of_a.stack.verify_mapping()?;
    of_b.stack.verify_mapping()?;
    Ok((differences, jobs.map(|job| job.range.end - job.range.start).sum()))
}
