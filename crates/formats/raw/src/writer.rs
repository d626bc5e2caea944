//! Writes RAW: every block is at its own offset.

use imgprep_map::{Emit, Encoding, Error, ImageWriter, Placement, SinkKind, Stored};

/// Bytes per block: a block of the import bitmap.
const BLOCK: u64 = 2 << 20;

/// Writes a RAW file.
pub struct RawWriter {
    size: u64,
}

impl RawWriter {
    /// Creates a writer for a disk of `size` bytes.
    pub fn new(size: u64) -> Self {
        Self { size }
    }
}

impl ImageWriter for RawWriter {
    fn block(&self) -> u64 {
        BLOCK
    }

    fn encoding(&self) -> Encoding {
        Encoding::Plain
    }

    fn needs(&self) -> SinkKind {
        SinkKind::Append
    }

    fn linear_at(&self) -> Option<u64> {
        Some(0)
    }

    fn begin(&mut self, _: &mut dyn Emit) -> Result<(), Error> {
        Ok(())
    }

    fn place(&mut self, block: u64, _: Stored, _: &mut dyn Emit) -> Result<Placement, Error> {
        Ok(Placement::bare(block * BLOCK))
    }

    fn finish(&mut self, _: &mut dyn Emit) -> Result<u64, Error> {
        Ok(self.size)
    }

    fn max_len(&self, _: u64, _: u64) -> u64 {
        self.size
    }
}
