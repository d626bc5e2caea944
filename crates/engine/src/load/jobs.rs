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
    /// The same chunk of the backing file, if the output has one and the chunk may contain data there.
    pub(crate) backing: Option<Job>,
}

impl Chunk {
    /// Bytes of the disk that have to be read.
    pub(crate) fn read_len(&self) -> u64 {
        let jobs = self.job.iter().chain(&self.backing);
        jobs.map(|job| job.range.end - job.range.start).sum()
    }
}

/// Returns the chunks that may contain data.
pub(crate) fn without_zeros(
    mut jobs: impl FnMut() -> Result<Option<Job>, Error>,
) -> impl FnMut() -> Result<Option<Chunk>, Error> {
    move || Ok(jobs()?.map(|job| Chunk { range: job.range.clone(), job: Some(job), backing: None }))
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
        Ok(Some(Chunk { range, job, backing: None }))
    }
}

/// What begins at one disk offset in two sequences: in one of them, or in both.
pub(crate) type Pair<A, B> = (Option<A>, Option<B>);

/// Combines two sequences in disk order: what begins at the same disk offset is returned together.
pub(crate) fn pairs<A, B>(
    mut next_a: impl FnMut() -> Result<Option<A>, Error>,
    mut next_b: impl FnMut() -> Result<Option<B>, Error>,
    start_of_a: impl Fn(&A) -> u64,
    start_of_b: impl Fn(&B) -> u64,
) -> impl FnMut() -> Result<Option<Pair<A, B>>, Error> {
    let (mut a, mut b): (Option<A>, Option<B>) = (None, None);
    let mut has_more = [true; 2];
    move || {
        if a.is_none() && has_more[0] {
            a = next_a()?;
            has_more[0] = a.is_some();
        }
        if b.is_none() && has_more[1] {
            b = next_b()?;
            has_more[1] = b.is_some();
        }
        let starts = [a.as_ref().map(&start_of_a), b.as_ref().map(&start_of_b)];
        let first = starts.into_iter().flatten().min();
        let is_first = |start: u64| Some(start) == first;
        Ok(first.map(|_| (a.take_if(|a| is_first(start_of_a(a))), b.take_if(|b| is_first(start_of_b(b))))))
    }
}

/// Adds the chunks of the backing file to those of a disk of `size` bytes.
pub(crate) fn with_backing(
    chunks: impl FnMut() -> Result<Option<Chunk>, Error>,
    mut backing: impl FnMut() -> Result<Option<Job>, Error>,
    size: u64,
) -> impl FnMut() -> Result<Option<Chunk>, Error> {
    // The output has whole sectors: the rest of the last one is compared, too.
    let output_size = size.next_multiple_of(512);
    // The backing file may be longer than the disk.
    let backing = move || Ok(backing()?.filter(|job| job.range.start < size));
    let mut both = pairs(chunks, backing, |chunk| chunk.range.start, |job| job.range.start);
    move || {
        let Some((chunk, mut backing)) = both()? else { return Ok(None) };
        if let Some(job) = &mut backing {
            job.range.end = job.range.end.min(output_size);
        }
        let below = || backing.as_ref().map_or(0..0, |job| job.range.clone());
        let Chunk { range, job, .. } =
            chunk.unwrap_or_else(|| Chunk { range: below(), job: None, backing: None });
        Ok(Some(Chunk { range, job, backing }))
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    fn jobs_of(chunks: &[u64]) -> impl FnMut() -> Result<Option<Job>, Error> {
        let mut chunks: VecDeque<_> = chunks.iter().copied().collect();
        move || {
            let job =
                |chunk| Job { chunk, range: chunk * 10..chunk * 10 + 10, stream: Vec::new(), place: None };
            Ok(chunks.pop_front().map(job))
        }
    }

    #[test]
    fn chunks_of_both_disks_are_paired_in_order() {
        let start = |job: &Job| job.range.start;
        let mut next = pairs(jobs_of(&[0, 2, 3, 9]), jobs_of(&[1, 3, 4]), start, start);
        let mut got = Vec::new();
        while let Some((a, b)) = next().unwrap() {
            got.push([a, b].map(|job| job.map(|job| job.chunk)));
        }
        let want = [
            [Some(0), None],
            [None, Some(1)],
            [Some(2), None],
            [Some(3), Some(3)],
            [None, Some(4)],
            [Some(9), None],
        ];
        assert_eq!(got, want);
    }
}
