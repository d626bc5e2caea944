//! RAW written: every unit at its own offset.

use alloc::vec::Vec;

use imgprep_map::{Compression, Error, Finish, Layout, Placement, SinkKind, WriteAt};

/// Bytes that are looked at together: a block of the import bitmap.
const UNIT: u64 = 2 << 20;

/// The plan of a RAW file.
pub struct RawLayout {
    size: u64,
}

impl RawLayout {
    /// For a disk of `size` bytes.
    pub fn new(size: u64) -> Self {
        Self { size }
    }
}

impl Layout for RawLayout {
    fn unit(&self) -> u64 {
        UNIT
    }

    fn compression(&self) -> Compression {
        Compression::Plain
    }

    fn needs(&self) -> SinkKind {
        SinkKind::Append
    }

    fn begin(&mut self) -> Vec<WriteAt> {
        Vec::new()
    }

    fn place(&mut self, unit: u64, _: u64) -> Result<Placement, Error> {
        Ok(Placement { at: unit * UNIT, head: Vec::new(), tail: Vec::new() })
    }

    fn fixed_place(&self, unit: u64) -> Option<u64> {
        Some(unit * UNIT)
    }

    fn finish(&mut self) -> Result<Finish, Error> {
        Ok(Finish { writes: Vec::new(), len: self.size })
    }

    fn bound(&self, _: u64, _: u64) -> u64 {
        self.size
    }
}
