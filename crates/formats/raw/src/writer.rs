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

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    /// Offset and bytes of each write.
    struct Emitted(Vec<(u64, Vec<u8>)>);

    impl Emit for Emitted {
        fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Error> {
            self.0.push((at, bytes.into()));
            Ok(())
        }
    }

    #[test]
    fn a_raw_file_is_the_disk_and_nothing_else() {
        let mut writer = RawWriter::new(5 << 20);
        let mut out = Emitted(vec![]);
        writer.begin(&mut out).unwrap();
        assert_eq!(writer.finish(&mut out).unwrap(), 5 << 20);
        assert_eq!(out.0, [], "no header and no table");
        assert_eq!(writer.linear_at(), Some(0));
        assert_eq!(writer.max_len(3, 2 << 20), 5 << 20, "the estimate is the length");
        assert_eq!(RawWriter::new(0).finish(&mut out).unwrap(), 0);
    }

    #[test]
    fn a_raw_file_can_be_written_to_a_pipe() {
        let writer = RawWriter::new(1);
        assert_eq!((writer.needs(), writer.encoding()), (SinkKind::Append, Encoding::Plain));
    }

    #[test]
    fn every_block_is_at_its_own_offset() {
        let mut writer = RawWriter::new(1 << 40);
        assert_eq!(writer.block(), 2 << 20);
        for (block, at) in [(0, 0), (1, 2 << 20), (3, 6 << 20), ((1 << 19) - 1, (1 << 40) - (2 << 20))] {
            let stored = Stored { len: 2 << 20, is_compressed: false };
            let placed = writer.place(block, stored, &mut Emitted(vec![])).unwrap();
            assert_eq!(placed, Placement::bare(at), "block {block}");
        }
    }
}
