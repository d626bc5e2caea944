//! Location of the data: a walk over the block allocation table, page by page.

use alloc::borrow::Cow;
use core::ops::{ControlFlow, Range};

use byteorder::{ByteOrder, LittleEndian};
use imgprep_format_kit::{Flow, first_nonzero};
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
    /// Bytes of the stored file; replaying a log may extend it.
    pub(crate) stored_len: u64,
}

/// End block of a page, and its entries; `None` if all of them are zero.
type Page<'f> = (u64, Option<Cow<'f, [u8]>>);

/// Adjacent blocks with equal entries; a run of several blocks has no data.
pub(crate) struct Run {
    /// File offset of the first entry.
    pub(crate) at: u64,
    /// Value of the entry. Zero means "not present".
    pub(crate) found: u64,
    pub(crate) blocks: Range<u64>,
}

impl Map {
    pub(crate) fn new(bat: Bat, header: Header, regions: Regions, stored_len: u64) -> Self {
        Self { bat, header, regions, stored_len }
    }

    fn absent(&self) -> Source {
        if self.bat.has_parent { Source::Parent } else { Source::Zero { explicit: false } }
    }

    /// Visits the entries of `blocks`.
    ///
    /// Entries in holes of the file and in pages of zeros form one run.
    pub(crate) fn walk_bat(
        &self,
        file: &dyn ReadAt,
        blocks: Range<u64>,
        mut visit: impl FnMut(&Run) -> Flow,
    ) -> Flow {
        let (mut next, end) = (blocks.start, blocks.end);
        while next < end {
            let at = self.bat.entry_at(next);
            let (until, bytes) = self.page(file, next, end)?;
            let flow = match bytes {
                None => visit(&Run { at, found: 0, blocks: next..until })?,
                Some(bytes) => walk_alike(bytes.as_chunks::<8>().0, at, next, &mut visit)?,
            };
            if flow.is_break() {
                return Ok(flow);
            }
            next = until;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The entries from block `first` on.
    fn page<'f>(&self, file: &'f dyn ReadAt, first: u64, end: u64) -> Result<Page<'f>, Error> {
        let at = self.bat.entry_at(first);
        let data = file.next_data(at);
        let until = self.bat.block_at(data).min(end);
        if data >= at + 8 && until > first {
            return Ok((until, None));
        }
        let chunk_end = (first / self.bat.ratio + 1) * self.bat.ratio;
        let page_end = (at + 1).next_multiple_of(PAGE);
        let count = (page_end - at).div_ceil(8).min(chunk_end.min(end) - first);
        // OK: at most a page.
        let bytes = file.slice(at, usize_of(count * 8))?;
        let is_zero = first_nonzero(&bytes).is_none();
        Ok((first + count, (!is_zero).then_some(bytes)))
    }

    pub(crate) fn walk(
        &self,
        file: &dyn ReadAt,
        range: &Range<u64>,
        builder: &mut ExtentBuilder<'_>,
    ) -> Result<(), Error> {
        let blocks = range.start / self.bat.block_size..range.end.div_ceil(self.bat.block_size);
        let _ = self.walk_bat(file, blocks, |run| {
            let flow = self.push(file, run, range, builder);
            flow.map_err(|error| error.hitting(self.bat.disk(run.blocks.start)))
        })?;
        Ok(())
    }

    /// Pushes the blocks of a run.
    fn push(
        &self,
        file: &dyn ReadAt,
        run: &Run,
        range: &Range<u64>,
        builder: &mut ExtentBuilder<'_>,
    ) -> Flow {
        let (at, disk) = (run.at, self.bat.disk(run.blocks.start));
        let source = match block(run.found, at, self.bat.has_parent)? {
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
                return self.walk_sectors(file, run.blocks.start, place, &seen, builder);
            }
        };
        let count = run.blocks.end - run.blocks.start;
        Ok(builder.push(count * self.bat.block_size, source))
    }

    /// Pushes a block whose sectors are partly in this image and partly in the parent
    /// (2.4, 2.5.1.1).
    fn walk_sectors(
        &self,
        file: &dyn ReadAt,
        index: u64,
        place: u64,
        seen: &Range<u64>,
        builder: &mut ExtentBuilder<'_>,
    ) -> Flow {
        let bitmap_at = self.bitmap_of(file, index / self.bat.ratio)?;
        let per_block = self.bat.block_size / self.bat.sector;
        let start = self.bat.disk(index).start;
        // Whole bytes of the bitmap; the builder drops sectors outside of the range.
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

    /// Location of the sector bitmap that a partially present block requires.
    fn bitmap_of(&self, file: &dyn ReadAt, chunk: u64) -> Result<u64, Error> {
        let at = self.bat.bitmap_entry_at(chunk);
        let found = LittleEndian::read_u64(&file.array::<8>(at)?);
        let none = || invalid(at, found, "no sector bitmap, but a block is partially present");
        Ok(bitmap(file, found, at)?.ok_or_else(none)?)
    }
}

/// Visits entries at file offset `at`, of which the first is that of block `first`.
///
/// Adjacent equal entries without data form one run: QEMU writes "zeros" into all entries of a new table.
fn walk_alike(
    entries: &[[u8; 8]],
    mut at: u64,
    mut first: u64,
    visit: &mut impl FnMut(&Run) -> Flow,
) -> Flow {
    for alike in entries.chunk_by(|a, b| a == b && has_no_place(*a)) {
        let next = first + alike.len() as u64;
        let found = alike.first().map_or(0, |entry| u64::from_le_bytes(*entry));
        if visit(&Run { at, found, blocks: first..next })?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        (at, first) = (at + alike.len() as u64 * 8, next);
    }
    Ok(ControlFlow::Continue(()))
}

/// The bit at `at` (least significant first), and the end of the run of equal bits.
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
