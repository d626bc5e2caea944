//! The chunks of a run, and its threads and memory.

use std::ops::Range;

use imgprep_map::Error;

use super::stream::{StreamBlock, Streams};
use crate::pipeline::Share;
use crate::scan::WorkUnits;
use crate::{Losses, Options, Stack, TableScan};

/// One chunk.
pub(crate) struct Job {
    pub(crate) chunk: u64,
    pub(crate) range: Range<u64>,
    pub(crate) stream: Vec<StreamBlock>,
    /// Its offset in the output, if the output is linear and written by all threads.
    pub(crate) place: Option<u64>,
}

/// Returns the chunks that may contain data, one for each call.
pub(crate) fn jobs<'a>(
    stack: &'a Stack,
    chunk: u64,
    options: &Options<'a>,
    losses: &'a Losses,
    linear_at: Option<u64>,
) -> impl FnMut() -> Result<Option<Job>, Error> + 'a {
    let mut work_units = WorkUnits::new(stack, chunk, options, losses);
    let mut streams = Streams::new(stack, options.on_loss, losses);
    move || {
        let Some(number) = work_units.next()? else { return Ok(None) };
        let range = work_units.range(number);
        let stream = streams.advance(&range)?;
        let place = linear_at.map(|first| first + range.start);
        Ok(Some(Job { chunk: number, range, stream, place }))
    }
}

/// A chunk of a disk: with a job if it may contain data, otherwise all zeros.
pub(crate) struct Chunk {
    pub(crate) range: Range<u64>,
    pub(crate) job: Option<Job>,
}

impl Chunk {
    /// Bytes of the disk that have to be read.
    pub(crate) fn read_len(&self) -> u64 {
        self.job.as_ref().map_or(0, |job| job.range.end - job.range.start)
    }
}

/// Returns the chunks that may contain data.
pub(crate) fn without_zeros(
    mut jobs: impl FnMut() -> Result<Option<Job>, Error>,
) -> impl FnMut() -> Result<Option<Chunk>, Error> {
    move || Ok(jobs()?.map(|job| Chunk { range: job.range.clone(), job: Some(job) }))
}

/// Returns all chunks of a disk of `size` bytes: those of `jobs`, and those of zeros between them.
pub(crate) fn with_zeros(
    mut jobs: impl FnMut() -> Result<Option<Job>, Error>,
    chunk: u64,
    size: u64,
) -> impl FnMut() -> Result<Option<Chunk>, Error> {
    let mut at = 0;
    let mut next: Option<Job> = None;
    let mut has_more = true;
    move || {
        if at >= size {
            return Ok(None);
        }
        if next.is_none() && has_more {
            next = jobs()?;
            has_more = next.is_some();
        }
        let range = at..at.saturating_add(chunk).min(size);
        at = range.end;
        let job = next.take_if(|job| job.range.start == range.start);
        Ok(Some(Chunk { range, job }))
    }
}

/// The share of a run that only reads.
pub(crate) fn reading_share(
    stack: &Stack,
    table_scan: &TableScan,
    options: &Options<'_>,
) -> Result<Share, Error> {
    let (per_thread, per_chunk) = reading_memory(stack, table_scan);
    Ok(Share::plan(options.threads, options.memory, per_thread, per_chunk.max(1))?)
}

/// Bytes that a thread and a chunk in flight need to read a disk.
pub(crate) fn reading_memory(stack: &Stack, table_scan: &TableScan) -> (u64, u64) {
    let is_streamed = stack.layers().iter().any(|layer| layer.map.is_stream());
    let streamed = if is_streamed { table_scan.largest_compressed } else { 0 };
    (table_scan.chunk + table_scan.largest_compressed, streamed)
}
