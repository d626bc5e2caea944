//! Bitmap and index of a ZVHD2: the mapping from blocks to records.

use alloc::vec::Vec;

use imgprep_map::{Error, ReadAt, usize_of};

use crate::Corrupt;
use crate::layout::{BITMAP_SEGMENT, ENTRY_BYTES, PAGE, PER_SEGMENT, RawEntry};
use crate::record::Record;

/// Offsets of the tables, and the number of bits set before each bitmap segment.
///
/// Uses 4 bytes of memory per 64 GiB of disk.
pub(crate) struct Index {
    pub(crate) entries_at: u64,
    pub(crate) bitmap_at: u64,
    pub(crate) blocks: u64,
    /// File range of the records.
    pub(crate) records: core::ops::Range<u64>,
    /// Entry n: number of bits set in the segments before segment n.
    ranks: Vec<u32>,
}

/// One bitmap segment.
pub(crate) type Segment = [u8; BITMAP_SEGMENT as usize];

impl Index {
    /// Counts the bits of the bitmap.
    ///
    /// Fails if their number is not `data_blocks`, or if a bit past the last block is set. The caller has checked that
    /// the tables are inside the file.
    pub(crate) fn read(
        file: &dyn ReadAt,
        (entries_at, bitmap_at): (u64, u64),
        blocks: u64,
        data_blocks: u32,
        records: core::ops::Range<u64>,
    ) -> Result<Self, Error> {
        let mut index = Self { entries_at, bitmap_at, blocks, records, ranks: Vec::new() };
        let mut rank: u64 = 0;
        for segment in 0..blocks.div_ceil(PER_SEGMENT) {
            // OK: there are at most 2^32 blocks, and bits past the last one are rejected.
            index.ranks.push(u32::try_from(rank).unwrap_or(u32::MAX));
            let bits = index.segment(file, segment)?;
            rank += bits.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>();
            index.check_end(segment, &bits)?;
        }
        if rank != u64::from(data_blocks) {
            let expected = u64::from(data_blocks);
            return Err(Corrupt::BitmapCount { at: bitmap_at, expected, found: rank }.into());
        }
        Ok(index)
    }

    /// Rejects bits that are set past the last block of the disk.
    fn check_end(&self, segment: u64, bits: &Segment) -> Result<(), Corrupt> {
        let first = segment * PER_SEGMENT;
        for (byte, value) in (0..).zip(bits) {
            let block = first + byte * 8 + u64::from(7 - value.leading_zeros().min(7));
            if *value != 0 && block >= self.blocks {
                let at = self.bitmap_at + segment * u64::from(BITMAP_SEGMENT) + byte;
                return Err(Corrupt::BitmapPastEnd { at, block, blocks: self.blocks });
            }
        }
        Ok(())
    }

    pub(crate) fn segment(&self, file: &dyn ReadAt, segment: u64) -> Result<Segment, Error> {
        Ok(file.array(self.bitmap_at + segment * u64::from(BITMAP_SEGMENT))?)
    }

    /// Number of stored blocks before block `within` of segment `segment`.
    ///
    /// `bits` is the bitmap of that segment.
    pub(crate) fn rank(&self, segment: u64, within: u64, bits: &Segment) -> u64 {
        // OK: `segment` < `ranks.len()` and `within` < PER_SEGMENT: both are derived from a block of the disk.
        let before = usize::try_from(segment).ok().and_then(|segment| self.ranks.get(segment)).copied();
        let whole = usize_of(within / 8).min(bits.len() - 1);
        // OK: `whole` is limited to the last index.
        let in_bytes: u32 = bits[..whole].iter().map(|byte| byte.count_ones()).sum();
        // OK: as above.
        let in_last = (u32::from(bits[whole]) & ((1 << (within % 8)) - 1)).count_ones();
        u64::from(before.unwrap_or(0)) + u64::from(in_bytes) + u64::from(in_last)
    }

    /// The record of the stored block `block`, which has index entry `rank`.
    ///
    /// Fails if the entry points outside of the records, or if block number or length differ between the bitmap,
    /// the entry and the head of the record.
    pub(crate) fn record(&self, file: &dyn ReadAt, block: u64, rank: u64) -> Result<Record, Error> {
        let at = self.entries_at + rank * ENTRY_BYTES;
        let entry = RawEntry::decode(&file.array(at)?);
        if u64::from(entry.block) != block {
            return Err(Corrupt::EntryBlock { at, expected: block, found: u64::from(entry.block) }.into());
        }
        let (start, end) = (entry.offset, entry.offset.saturating_add(u64::from(entry.len)));
        let is_inside = self.records.start <= start && end <= self.records.end;
        if !is_inside || !start.is_multiple_of(PAGE) {
            let (first, last) = (self.records.start, self.records.end);
            return Err(Corrupt::EntryRange { at, start, end, first, last }.into());
        }
        let record = Record::read(file, start, end)?;
        if u64::from(record.block) != block {
            let found = u64::from(record.block);
            return Err(Corrupt::RecordBlock { at: start + 16, expected: block, found }.into());
        }
        if record.len != u64::from(entry.len) {
            let (expected, found) = (u64::from(entry.len), record.len);
            return Err(Corrupt::RecordLength { at: start + 12, expected, found }.into());
        }
        Ok(record)
    }
}
