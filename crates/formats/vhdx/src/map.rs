//! Where the bytes are: a walk over the block allocation table, a page at a time.

use alloc::borrow::Cow;
use core::ops::{ControlFlow, Range};

use byteorder::{ByteOrder, LittleEndian};
use imgprep_map::{Error, ExtentBuilder, FileId, ReadAt, Source, usize_of};

use crate::bat::{Bat, Block, bitmap, block, has_no_place, invalid};
use crate::error::BAT_CODES;
use crate::header::Header;
use crate::region::Regions;

/// Bytes of the table that are read at once.
const PAGE: u64 = 64 << 10;

pub(crate) struct Map {
    pub(crate) bat: Bat,
    pub(crate) header: Header,
    pub(crate) regions: Regions,
    /// Bytes of the file as it is stored: a log may make it longer.
    pub(crate) stored_len: u64,
}

/// What comes next in the table.
pub(crate) enum Run<'f> {
    /// Nothing is present up to this block.
    Absent { until: u64 },
    /// Entries of consecutive blocks.
    Entries { at: u64, bytes: Cow<'f, [u8]> },
}

/// An entry of the table and the block that it speaks of.
struct Entry {
    at: u64,
    found: u64,
    block: u64,
}

impl Map {
    pub(crate) fn new(bat: Bat, header: Header, regions: Regions, stored_len: u64) -> Self {
        Self { bat, header, regions, stored_len }
    }

    fn absent(&self) -> Source {
        if self.bat.has_parent { Source::Parent } else { Source::Zero { explicit: false } }
    }

    /// The entries from `first` on, at most to `end`; never none. Holes of the file and pages
    /// of zeros are reported together: a zero entry says "not present".
    pub(crate) fn run<'f>(&self, file: &'f dyn ReadAt, first: u64, end: u64) -> Result<Run<'f>, Error> {
        let at = self.bat.entry_at(first);
        let data = file.next_data(at);
        let until = self.bat.block_at(data).min(end);
        if data >= at + 8 && until > first {
            return Ok(Run::Absent { until });
        }
        let chunk_end = (first / self.bat.ratio + 1) * self.bat.ratio;
        let page_end = (at + 1).next_multiple_of(PAGE);
        let count = (page_end - at).div_ceil(8).min(chunk_end.min(end) - first);
        // OK: at most a page.
        let bytes = file.slice(at, usize_of(count * 8))?;
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(Run::Absent { until: first + count });
        }
        Ok(Run::Entries { at, bytes })
    }

    pub(crate) fn walk(
        &self,
        file: &dyn ReadAt,
        range: &Range<u64>,
        builder: &mut ExtentBuilder<'_>,
    ) -> Result<(), Error> {
        let mut next = range.start / self.bat.block_size;
        let end = range.end.div_ceil(self.bat.block_size);
        while next < end {
            match self.run(file, next, end)? {
                Run::Absent { until } => {
                    if builder.push((until - next) * self.bat.block_size, self.absent()).is_break() {
                        return Ok(());
                    }
                    next = until;
                }
                Run::Entries { at, bytes } => {
                    let mut at = at;
                    // QEMU writes "zeros" into all entries of a new table: they are reported together.
                    for alike in bytes.as_chunks::<8>().0.chunk_by(|a, b| a == b && has_no_place(*a)) {
                        let entry = Entry { at, found: u64::from_le_bytes(alike[0]), block: next };
                        let count = alike.len() as u64;
                        let flow = self.walk_entry(file, &entry, count, range, builder);
                        if flow.map_err(|error| error.hitting(self.bat.disk(next)))?.is_break() {
                            return Ok(());
                        }
                        next += count;
                        at += count * 8;
                    }
                }
            }
        }
        Ok(())
    }

    /// Pushes `count` blocks from the entry's on, whose entries are the same as it.
    fn walk_entry(
        &self,
        file: &dyn ReadAt,
        entry: &Entry,
        count: u64,
        range: &Range<u64>,
        builder: &mut ExtentBuilder<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        let (at, disk) = (entry.at, self.bat.disk(entry.block));
        let source = match block(entry.found, at, self.bat.has_parent)? {
            Block::NotPresent => self.absent(),
            Block::Undefined | Block::Unmapped => Source::Zero { explicit: false },
            Block::Zero => Source::Zero { explicit: true },
            Block::Present { at: place } => {
                BAT_CODES.check_table(file, at, "the block", place, disk.end - disk.start)?;
                Source::Data { file: FileId::SELF, at: place }
            }
            Block::Partial { at: place } => {
                BAT_CODES.check_table(file, at, "the block", place, disk.end - disk.start)?;
                let seen = disk.start.max(range.start)..disk.end.min(range.end);
                return self.walk_sectors(file, entry.block, place, &seen, builder);
            }
        };
        Ok(builder.push(count * self.bat.block_size, source))
    }

    /// A block of which some sectors are here and some are the parent's (2.4, 2.5.1.1).
    fn walk_sectors(
        &self,
        file: &dyn ReadAt,
        index: u64,
        place: u64,
        seen: &Range<u64>,
        builder: &mut ExtentBuilder<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        let bitmap_at = self.bitmap_of(file, index / self.bat.ratio)?;
        let per_block = self.bat.block_size / self.bat.sector;
        let start = self.bat.disk(index).start;
        // Whole bytes of the bitmap; what of them is not in the range the builder drops.
        let first = (seen.start - start) / self.bat.sector / 8 * 8;
        let end = (seen.end - start).div_ceil(self.bat.sector).next_multiple_of(8);
        // OK: a block has a multiple of 8 sectors, at most 2^19.
        let len = usize_of((end - first) / 8);
        let bits = file.slice(bitmap_at + (index % self.bat.ratio * per_block + first) / 8, len)?;
        if first > 0 && builder.push(first * self.bat.sector, Source::Parent).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let mut at = 0;
        while at < end - first {
            let (is_here, until) = bit_run(&bits, at, end - first);
            let here = Source::Data { file: FileId::SELF, at: place + (first + at) * self.bat.sector };
            let source = if is_here { here } else { Source::Parent };
            if builder.push((until - at) * self.bat.sector, source).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            at = until;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Where the sector bitmap is that a partially present block needs.
    fn bitmap_of(&self, file: &dyn ReadAt, chunk: u64) -> Result<u64, Error> {
        let at = self.bat.bitmap_entry_at(chunk);
        let found = LittleEndian::read_u64(&file.array::<8>(at)?);
        let none = || invalid(at, found, "no sector bitmap, but a block is partially present");
        Ok(bitmap(file, found, at)?.ok_or_else(none)?)
    }
}

/// The bit at `at` (the lowest of a byte first) and where the run of its like ends.
fn bit_run(bits: &[u8], at: u64, end: u64) -> (bool, u64) {
    // OK: the caller read as many bytes as `end` has bits.
    let byte = |at: u64| usize::try_from(at / 8).ok().and_then(|index| bits.get(index)).copied().unwrap_or(0);
    let bit = |at: u64| byte(at) >> (at % 8) & 1 == 1;
    let is_set = bit(at);
    let whole = if is_set { 0xff } else { 0 };
    let mut until = at + 1;
    while until < end && bit(until) == is_set {
        until += if until.is_multiple_of(8) && byte(until) == whole { 8 } else { 1 };
    }
    (is_set, until.min(end))
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn runs_of_bits_the_lowest_first() {
        let runs = |bits: &[u8], end: u64| {
            let (mut at, mut runs) = (0, Vec::new());
            while at < end {
                let (is_set, until) = bit_run(bits, at, end);
                runs.push((is_set, until - at));
                at = until;
            }
            runs
        };
        assert_eq!(runs(&[0b0000_0001], 8), [(true, 1), (false, 7)]);
        assert_eq!(runs(&[0xff, 0xff, 0x0f, 0, 0], 40), [(true, 20), (false, 20)]);
        assert_eq!(runs(&[0x80, 0xff, 0xff, 0x01], 32), [(false, 7), (true, 18), (false, 7)]);
        assert_eq!(runs(&[0, 0], 9), [(false, 9)]);
    }
}
