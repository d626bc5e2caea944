//! The block allocation table: location and meaning of its entries (2.5).

use core::ops::Range;

use imgprep_format_kit::Invalid;
use imgprep_map::{Error, ReadAt};

use crate::codes;
use crate::error::BAT_CODES;
use crate::layout::MIB;
use crate::metadata::Metadata;
use crate::region::Region;

/// Sectors that a sector bitmap block describes: one chunk of the disk (2.4).
const CHUNK_SECTORS: u64 = 1 << 23;

/// Dimensions of the table.
#[derive(Clone, Debug)]
pub(crate) struct Bat {
    /// File offset of the first entry.
    pub(crate) at: u64,
    pub(crate) size: u64,
    pub(crate) block_size: u64,
    pub(crate) sector: u64,
    /// Blocks per chunk: 16 to 32768, a power of two.
    ///
    /// The entries of a chunk's blocks are followed by the entry of its sector bitmap.
    pub(crate) ratio: u64,
    pub(crate) has_parent: bool,
}

impl Bat {
    pub(crate) fn new(region: &Region, metadata: &Metadata) -> Result<Self, Error> {
        let bat = Self {
            has_parent: metadata.has_parent,
            ..Self::without_parent(
                region.bytes.start,
                metadata.size,
                metadata.block_size,
                metadata.logical_sector.into(),
            )
        };
        let (expected, found) = (bat.entries(), (region.bytes.end - region.bytes.start) / 8);
        if found < expected {
            return Err(Invalid::TableTooShort {
                code: codes::BAT_TOO_SHORT,
                at: region.entry_at + 24,
                table: "the block allocation table",
                expected,
                found,
                size: bat.size,
            }
            .into());
        }
        Ok(bat)
    }

    /// The table at file offset `at` of an image without a parent.
    ///
    /// `sector` is the size of a logical sector in bytes.
    pub(crate) fn without_parent(at: u64, size: u64, block_size: u64, sector: u64) -> Self {
        Self { at, size, block_size, sector, ratio: CHUNK_SECTORS * sector / block_size, has_parent: false }
    }

    /// Number of blocks of the disk: at most 2^26.
    pub(crate) fn blocks(&self) -> u64 {
        self.size.div_ceil(self.block_size)
    }

    /// Bytes of the disk per chunk.
    pub(crate) fn chunk_size(&self) -> u64 {
        self.ratio * self.block_size
    }

    /// Number of entries that a disk of this size needs.
    ///
    /// In a differencing image, each chunk has an entry for its sector bitmap. In other images, the last chunk
    /// has none.
    pub(crate) fn entries(&self) -> u64 {
        let chunks = self.blocks().div_ceil(self.ratio);
        if self.has_parent { chunks * (self.ratio + 1) } else { self.blocks() + chunks.saturating_sub(1) }
    }

    /// Index of a block's entry.
    pub(crate) fn index_of(&self, block: u64) -> u64 {
        block + block / self.ratio
    }

    /// File offset of a block's entry.
    pub(crate) fn entry_at(&self, block: u64) -> u64 {
        self.at + self.index_of(block) * 8
    }

    /// File offset of the entry of a chunk's sector bitmap.
    pub(crate) fn bitmap_entry_at(&self, chunk: u64) -> u64 {
        self.at + (chunk * (self.ratio + 1) + self.ratio) * 8
    }

    /// The first block whose entry ends after file offset `at`.
    ///
    /// `at` lies in the table or after it.
    pub(crate) fn block_at(&self, at: u64) -> u64 {
        let entry = at.saturating_sub(self.at) / 8;
        let (chunk, index) = (entry / (self.ratio + 1), entry % (self.ratio + 1));
        chunk * self.ratio + index.min(self.ratio)
    }

    /// Range of the disk that a block covers, in bytes.
    pub(crate) fn disk(&self, block: u64) -> Range<u64> {
        let start = block * self.block_size;
        start..(start + self.block_size).min(self.size)
    }
}

pub(crate) const STATE: u64 = 0b111;
/// `PAYLOAD_BLOCK_FULLY_PRESENT`.
pub(crate) const FULLY_PRESENT: u64 = 6;
pub(crate) const RESERVED: u64 = 0xf_fff8;

/// State of a block according to its entry (2.5.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// Not allocated: reads from the parent, or as zeros without a parent.
    NotPresent,
    /// Undefined contents. Reads as zeros, never from the parent.
    Undefined,
    Zero,
    /// Trimmed; reads as zeros.
    ///
    /// The specification allows the old contents or zeros, but not the parent's contents.
    Unmapped,
    Present {
        at: u64,
    },
    /// Sectors are in this image or in the parent, as the sector bitmap selects.
    Partial {
        at: u64,
    },
}

/// Whether the state in the first byte of an entry has no data.
pub(crate) fn has_no_place(entry: [u8; 8]) -> bool {
    u64::from_le_bytes(entry) & STATE < 4
}

pub(crate) fn block(found: u64, at: u64, has_parent: bool) -> Result<Block, Invalid> {
    let bad = |reason| Err(invalid(at, found, reason));
    if found & RESERVED != 0 {
        return bad("reserved bits are set");
    }
    match found & STATE {
        0 => Ok(Block::NotPresent),
        1 => Ok(Block::Undefined),
        2 => Ok(Block::Zero),
        3 => Ok(Block::Unmapped),
        FULLY_PRESENT => Ok(Block::Present { at: offset(found, at)? }),
        7 if has_parent => Ok(Block::Partial { at: offset(found, at)? }),
        7 => bad("partially present without a parent"),
        _ => bad("a reserved state"),
    }
}

/// Location of the sector bitmap of a chunk; `None` if it is not present (2.5.1.2).
pub(crate) fn bitmap(file: &dyn ReadAt, found: u64, at: u64) -> Result<Option<u64>, Invalid> {
    match found & STATE {
        0 => Ok(None),
        6 => {
            let start = offset(found, at)?;
            BAT_CODES.check_table(file, at, "the sector bitmap", start, MIB)?;
            Ok(Some(start))
        }
        _ => Err(invalid(at, found, "a reserved state of a sector bitmap")),
    }
}

/// The file offset in an entry.
///
/// Bits 20 to 63 contain it in MiB, so clearing the other bits yields bytes.
fn offset(found: u64, at: u64) -> Result<u64, Invalid> {
    let place = found & !(MIB - 1);
    if place == 0 {
        return Err(invalid(at, found, "points into the headers"));
    }
    Ok(place)
}

/// The error of the entry `found` at file offset `at`.
pub(crate) fn invalid(at: u64, found: u64, reason: &'static str) -> Invalid {
    Invalid::Entry { code: BAT_CODES.field, at, table: "block allocation", found, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bat(block_size: u64, sector: u64, size: u64, has_parent: bool) -> Bat {
        let ratio = CHUNK_SECTORS * sector / block_size;
        Bat { at: 3 << 20, size, block_size, sector, ratio, has_parent }
    }

    #[test]
    fn every_state_of_a_payload_entry() {
        for (bits, want) in [
            (0, Block::NotPresent),
            (1, Block::Undefined),
            (2, Block::Zero),
            (3, Block::Unmapped),
            (5 << 20 | 3, Block::Unmapped),
            (5 << 20 | 6, Block::Present { at: 5 << 20 }),
            (5 << 20 | 7, Block::Partial { at: 5 << 20 }),
        ] {
            assert_eq!(block(bits, 9, true), Ok(want), "{bits:#x}");
        }
        let refused = |found, has_parent, reason| {
            assert_eq!(block(found, 9, has_parent), Err(invalid(9, found, reason)));
        };
        refused(5 << 20 | 4, true, "a reserved state");
        refused(5 << 20 | 5, true, "a reserved state");
        refused(5 << 20 | 7, false, "partially present without a parent");
        refused(6, true, "points into the headers");
        for bit in 3..20 {
            refused(5 << 20 | 1 << bit | 6, true, "reserved bits are set");
        }
    }

    #[test]
    fn every_state_of_a_bitmap_entry() {
        let file = alloc::vec![0u8; 3 << 20];
        assert_eq!(bitmap(&file, 0, 9), Ok(None));
        assert_eq!(bitmap(&file, 2 << 20 | 6, 9), Ok(Some(2 << 20)));
        let (code, table, file_len) = (codes::BAT_PAST_END, "the sector bitmap", 3 << 20);
        let past = Invalid::TablePastEnd { code, at: 9, table, start: 3 << 20, end: 4 << 20, file_len };
        assert_eq!(bitmap(&file, 3 << 20 | 6, 9), Err(past));
        for state in [1, 2, 3, 4, 5, 7] {
            let found = 2 << 20 | state;
            let reason = "a reserved state of a sector bitmap";
            assert_eq!(bitmap(&file, found, 9), Err(invalid(9, found, reason)));
        }
    }

    #[test]
    fn bitmap_entries_stand_between_those_of_blocks() {
        // Blocks of 256 MiB with 512-byte sectors: 16 per chunk.
        let bat = bat(256 << 20, 512, 40 * (256 << 20), false);
        assert_eq!(bat.ratio, 16);
        assert_eq!([0, 15, 16, 32].map(|block| bat.entry_at(block) - bat.at), [0, 15 * 8, 17 * 8, 34 * 8]);
        assert_eq!(bat.bitmap_entry_at(0) - bat.at, 16 * 8);
        assert_eq!(bat.bitmap_entry_at(1) - bat.at, 33 * 8);
        for block in 0..40 {
            assert_eq!(bat.block_at(bat.entry_at(block)), block);
            assert_eq!(bat.block_at(bat.entry_at(block) + 7), block);
        }
        assert_eq!(bat.block_at(bat.bitmap_entry_at(0)), 16);
    }

    #[test]
    fn how_many_entries_a_disk_needs() {
        let block = 256 << 20;
        for (blocks, dynamic, differencing) in
            [(0, 0, 0), (1, 1, 17), (16, 16, 17), (17, 18, 34), (32, 33, 34)]
        {
            assert_eq!(bat(block, 512, blocks * block, false).entries(), dynamic);
            assert_eq!(bat(block, 512, blocks * block, true).entries(), differencing);
        }
        assert_eq!(bat(1 << 20, 4096, 1, false).ratio, 32768);
    }
}
