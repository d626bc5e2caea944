//! Bytes into the output, from whatever thread.

use std::ops::Range;

use imgprep_map::{Error, Sink, WriteError};

use crate::{Progress, Stack};

/// Writes, counts, and distinguishes a failed source from a failed output.
#[derive(Clone, Copy)]
pub(crate) struct Writer<'a> {
    pub(crate) sink: &'a dyn Sink,
    /// What is written may be mapped from it.
    pub(crate) stack: &'a Stack,
    pub(crate) progress: &'a Progress,
}

impl Writer<'_> {
    /// Writes all parts, one after the other.
    pub(crate) fn write(&self, at: u64, parts: &[&[u8]]) -> Result<(), Error> {
        match self.sink.write_at(at, parts) {
            Ok(()) => {
                self.progress.did_write(parts.iter().map(|part| part.len() as u64).sum());
                Ok(())
            }
            Err(error) => {
                if matches!(error, WriteError::SourceFault { .. }) {
                    parts.iter().for_each(|part| touch(part));
                }
                self.stack.verify_mapping()?;
                Err(Error::new(error).while_doing("writing"))
            }
        }
    }

    /// Writes what has to be written of a chunk that goes to `place`.
    pub(crate) fn write_runs(&self, place: u64, chunk: &[u8], runs: &Runs<'_>) -> Result<(), Error> {
        runs.ranges.iter().try_for_each(|run| self.write(place + run.start as u64, &runs.parts(chunk, run)))
    }
}

/// What of a chunk is written.
#[derive(Default)]
pub(crate) struct Runs<'a> {
    /// Its ranges, where zeros can be left out.
    pub(crate) ranges: Vec<Range<usize>>,
    /// What of a chunk that was put together stands in mappings as well, in order: written from there, it is something
    /// that an output can share with its source.
    pub(crate) borrowed: Vec<(usize, &'a [u8])>,
}

impl Runs<'_> {
    /// A range of the chunk, from where each part of it is best written.
    pub(crate) fn parts<'b>(&'b self, chunk: &'b [u8], run: &Range<usize>) -> Vec<&'b [u8]> {
        let mut parts = Vec::with_capacity(1);
        let mut at = run.start;
        for (start, bytes) in &self.borrowed {
            let (from, to) = (at.max(*start), run.end.min(start + bytes.len()));
            if from < to {
                parts.extend((at < from).then(|| &chunk[at..from]));
                parts.push(&bytes[from - start..to - start]);
                at = to;
            }
        }
        parts.extend((at < run.end).then(|| &chunk[at..run.end]));
        parts
    }
}

/// Reads every page: the system could not read one of them for a write, and only reading
/// them again shows which.
fn touch(bytes: &[u8]) {
    const PAGE: usize = 4096;
    let seen = bytes.iter().step_by(PAGE).chain(bytes.last()).fold(0, |seen, byte| seen ^ byte);
    std::hint::black_box(seen);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_written_from_the_mapping_where_it_stands_there() {
        let chunk: Vec<u8> = (0..40).collect();
        let runs =
            Runs { ranges: Vec::new(), borrowed: vec![(4, &[4, 5, 6, 7]), (8, &[8, 9]), (20, &[20; 20])] };
        for start in 0..=40 {
            for end in start..=40 {
                let parts = runs.parts(&chunk, &(start..end));
                let lens: usize = parts.iter().map(|part| part.len()).sum();
                assert_eq!(lens, end - start);
                assert!(parts.iter().all(|part| !part.is_empty()), "{start}..{end}: {parts:?}");
            }
        }
        let whole: [&[u8]; 5] = [&[0, 1, 2, 3], &[4, 5, 6, 7], &[8, 9], &chunk[10..20], &[20; 20]];
        assert_eq!(runs.parts(&chunk, &(0..40)), whole);
        assert_eq!(runs.parts(&chunk, &(6..9)), [&[6, 7][..], &[8]]);
        assert_eq!(runs.parts(&chunk, &(39..40)), [[20]]);
        assert_eq!(runs.parts(&chunk, &(10..20)), [&chunk[10..20]]);
    }
}
