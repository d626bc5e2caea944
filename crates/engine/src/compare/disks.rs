//! Compares two disks chunk by chunk.

use imgprep_map::Error;

use super::differences::Differences;
use crate::load::{Job, Loader, Pair, Scratch, jobs, load_chunk, pairs, reading_memory};
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

/// The differences of one chunk, and the bytes that were read of both disks.
fn work(
    (a, b): &Pair<Job, Job>,
    [of_a, of_b]: &[Loader<'_>; 2],
    [scratch_a, scratch_b]: &mut [Scratch; 2],
    shape: CompareShape,
) -> Result<(Differences, u64), Error> {
    let mut differences = Differences::new(shape.limit);
    let jobs = [a, b].into_iter().flatten();
    let start = jobs.clone().map(|job| job.range.start).min();
    let bytes = (load_chunk(of_a, a.as_ref(), scratch_a)?, load_chunk(of_b, b.as_ref(), scratch_b)?);
    differences.compare(bytes, start.unwrap_or_default(), shape.granularity);
    of_a.stack.verify_mapping()?;
    of_b.stack.verify_mapping()?;
    Ok((differences, jobs.map(|job| job.range.end - job.range.start).sum()))
}
