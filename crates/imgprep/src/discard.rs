//! An output for conversions of which only the length counts.

use std::ops::Range;

use imgprep_map::{Emit, Error, Sink, SinkKind, WriteError};

use crate::Output;

/// An output that stores nothing: what is written to it only has a length.
pub(crate) struct Discard;

impl Output for Discard {
    fn sink(&self) -> &dyn Sink {
        self
    }

    fn label(&self) -> String {
        "measurement".into()
    }

    fn takes_files(&self) -> bool {
        true
    }
}

impl Emit for Discard {
    fn write(&mut self, _: u64, _: &[u8]) -> Result<(), Error> {
        Ok(())
    }
}

impl Sink for Discard {
    fn kind(&self) -> SinkKind {
        SinkKind::Random
    }

    fn reads_as_zeros(&self) -> bool {
        true
    }

    fn serializes_writes(&self) -> bool {
        false
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
