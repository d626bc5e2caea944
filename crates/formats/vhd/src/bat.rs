//! Entries of the block allocation table.
//!
//! Source: "Block Allocation Table and Data Blocks".

use core::ops::Range;

use crate::Corrupt;
use crate::layout::{SECTOR, UNUSED};

/// A decoded table entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// Never written.
    Unused,
    /// Stored at this file offset: first the sector bitmap, then the data.
    At(u64),
}

/// Constraints on the blocks of an image.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// Length of a sector bitmap in bytes, padded to whole sectors.
    pub(crate) bitmap_len: u64,
    /// Length of the file in bytes.
    pub(crate) file_len: u64,
    /// Ranges that no block may overlap, with the name of the structure there.
    pub(crate) taken: [(Range<u64>, &'static str); 3],
}

impl Rules {
    /// Length of the bitmap of a block in bytes: one bit per sector, in whole sectors.
    pub(crate) fn bitmap_len(block_size: u64) -> u64 {
        (block_size / SECTOR).div_ceil(8).next_multiple_of(SECTOR)
    }

    /// The block of the entry `found` at file offset `at`.
    ///
    /// `stored` is the number of its bytes that are inside the disk. Fails if the block overlaps a structure or exceeds
    /// the file.
    pub(crate) fn block(&self, found: u32, at: u64, stored: u64) -> Result<Block, Corrupt> {
        if found == UNUSED {
            return Ok(Block::Unused);
        }
        // OK: the offset is less than 2^41, and blocks and bitmaps are small.
        let start = u64::from(found) * SECTOR;
        let end = start + self.bitmap_len + stored;
        if let Some((_, part)) = self.taken.iter().find(|(taken, _)| start < taken.end && taken.start < end) {
            return Err(Corrupt::BlockInHeader { at, found, start, end, part });
        }
        if end > self.file_len {
            return Err(Corrupt::BlockPastEnd { at, found, start, end, file_len: self.file_len });
        }
        Ok(Block::At(start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        let taken = [(0..512, "the footer's copy"), (512..1536, "the header"), (8192..8704, "the table")];
        Rules { bitmap_len: 512, file_len: 65536, taken }
    }

    #[test]
    fn an_unused_entry_is_no_block() {
        assert_eq!(rules().block(0xffff_ffff, 8192, 4096), Ok(Block::Unused));
    }

    #[test]
    fn an_entry_is_the_sector_of_the_bitmap() {
        assert_eq!(rules().block(3, 8192, 4096), Ok(Block::At(1536)));
        assert_eq!(rules().block(119, 8192, 4096), Ok(Block::At(60928)), "up to the file's end");
    }

    #[test]
    fn a_block_past_the_end_is_refused() {
        let want = Corrupt::BlockPastEnd { at: 8192, found: 120, start: 61440, end: 66048, file_len: 65536 };
        assert_eq!(rules().block(120, 8192, 4096), Err(want));
        assert!(rules().block(0xffff_fffe, 8192, 4096).is_err());
    }

    #[test]
    fn a_block_in_a_header_is_refused() {
        for (found, part) in
            [(0, "the footer's copy"), (2, "the header"), (10, "the table"), (16, "the table")]
        {
            let start = u64::from(found) * 512;
            let want = Corrupt::BlockInHeader { at: 8196, found, start, end: start + 4608, part };
            assert_eq!(rules().block(found, 8196, 4096), Err(want));
        }
    }

    #[test]
    fn bitmaps_are_padded_to_a_sector() {
        for (block, bitmap) in
            [(4 << 10, 512), (512 << 10, 512), (2 << 20, 512), (4 << 20, 1024), (256 << 20, 65536)]
        {
            assert_eq!(Rules::bitmap_len(block), bitmap, "{block}");
        }
    }
}
