//! Bytes into the output, from whatever thread.

use std::ops::Range;

use imgprep_map::{Error, Sink, WriteError};

use crate::{Meter, Stack};

/// Writes, counts, and tells a source that failed from an output that did.
#[derive(Clone, Copy)]
pub(crate) struct Writer<'a> {
    pub(crate) sink: &'a dyn Sink,
    /// What is written may be mapped from it.
    pub(crate) stack: &'a Stack,
    pub(crate) meter: &'a Meter,
}

impl Writer<'_> {
    /// Writes all parts, one after the other.
    pub(crate) fn write(&self, at: u64, parts: &[&[u8]]) -> Result<(), Error> {
        match self.sink.write_at(at, parts) {
            Ok(()) => {
                self.meter.did_write(parts.iter().map(|part| part.len() as u64).sum());
                Ok(())
            }
            Err(error) => {
                if matches!(error, WriteError::SourceFault { .. }) {
                    parts.iter().for_each(|part| touch(part));
                }
                self.stack.sound()?;
                Err(Error::new(error).while_doing("writing"))
            }
        }
    }

    /// Writes these parts of a unit that stands at `place`.
    pub(crate) fn write_runs(&self, place: u64, unit: &[u8], runs: &[Range<usize>]) -> Result<(), Error> {
        runs.iter().try_for_each(|run| self.write(place + run.start as u64, &[&unit[run.clone()]]))
    }
}

/// Looks at every page: the system could not read one of them for a write, and only a look
/// of our own tells which.
fn touch(bytes: &[u8]) {
    const PAGE: usize = 4096;
    let seen = bytes.iter().step_by(PAGE).chain(bytes.last()).fold(0, |seen, byte| seen ^ byte);
    std::hint::black_box(seen);
}
