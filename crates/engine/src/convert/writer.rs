//! Writes to the output, from any thread.

use std::ops::Range;

use imgprep_map::{Error, Sink, WriteError};

use crate::{Progress, Stack};

/// Writes to a sink, counts the bytes, and distinguishes read errors of the source from write errors.
#[derive(Clone, Copy)]
pub(crate) struct Writer<'a> {
    pub(crate) sink: &'a dyn Sink,
    /// The source: bytes may be written from its mappings.
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

    /// Writes the runs of a chunk whose offset in the output is `place`.
    pub(crate) fn write_runs(&self, place: u64, chunk: &[u8], runs: &Runs<'_>) -> Result<(), Error> {
        runs.ranges.iter().try_for_each(|run| self.write(place + run.start as u64, &runs.parts(chunk, run)))
    }
}

/// The parts of a chunk that are written.
#[derive(Default)]
pub(crate) struct Runs<'a> {
    /// Its ranges without zeros, if zeros need not be written.
    pub(crate) ranges: Vec<Range<usize>>,
    /// The parts of an assembled chunk that are mapped, too, in order: written from the mapping, their blocks can be
    /// shared between source and output.
    pub(crate) borrowed: Vec<(usize, &'a [u8])>,
}

impl Runs<'_> {
    /// The slices that a range of the chunk is written from: mappings where possible.
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

/// Reads every page, so that the fault handler sees which of them could not be read for a write.
fn touch(bytes: &[u8]) {
    const PAGE: usize = 4096;
    let seen = bytes.iter().step_by(PAGE).chain(bytes.last()).fold(0, |seen, byte| seen ^ byte);
    std::hint::black_box(seen);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_parts_of_a_run_are_written_from_the_mapping() {
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
