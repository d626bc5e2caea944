//! Where the bytes are: a walk over the map of blocks, one page at a time.

use core::ops::{ControlFlow, Range};

use imgprep_format_kit::{Flow, Invalid};
use imgprep_map::{Error, FileId, ReadAt, Source, usize_of};

use crate::Corrupt;
use crate::header::Header;
use crate::tables::{Block, block};

/// Entries that are read at once: 4 KiB, a GiB of the disk with the usual blocks.
pub(crate) const PAGE: u64 = 1024;
/// Bytes of the largest map whose stored blocks are counted: 16 TiB in the usual blocks.
pub(crate) const COUNTED_BYTES: u64 = 64 << 20;

/// What a walk over the map visits.
pub(crate) enum Entry {
    /// Entries of which nothing was ever written.
    Hole(Range<u64>),
    /// An entry: its number, its file offset and itself.
    One { index: u64, at: u64, value: u32 },
}

pub(crate) struct Map {
    pub(crate) header: Header,
    unwritten: Source,
    /// Blocks of this number and above are not allocated.
    allocated: u32,
}

impl Map {
    /// With `is_salvage` what lies in the file counts, not what the header says is allocated.
    pub(crate) fn new(header: &Header, has_parent: bool, is_salvage: bool) -> Self {
        Self {
            unwritten: if has_parent { Source::Parent } else { Source::Zero { explicit: false } },
            allocated: if is_salvage { u32::MAX } else { header.raw.allocated },
            header: header.clone(),
        }
    }

    /// Blocks that the whole map says are stored; `None` if it is too long to look.
    pub(crate) fn count_stored(&self, file: &dyn ReadAt) -> Result<Option<u64>, Error> {
        if self.header.blocks() * 4 > COUNTED_BYTES {
            return Ok(None);
        }
        let (mut stored, blocks) = (0, self.header.blocks());
        let _ = self.walk_entries(file, 0..blocks, blocks, |entry| {
            stored += match entry {
                Entry::Hole(hole) => hole.end - hole.start,
                Entry::One { value, .. } => u64::from(matches!(block(value), Block::Stored(_))),
            };
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(Some(stored))
    }

    /// File offset of an entry.
    pub(crate) fn entry_at(&self, index: u64) -> u64 {
        // OK: less than 2^35, and inside the file.
        self.header.map_at + index * 4
    }

    /// Where the hole ends in which these entries lie, if they all do; as an index.
    ///
    /// Zero is a block's number: two entries of zeros are two uses on block 0. So a
    /// hole in the map is corrupt, and need not be looked at entry by entry.
    fn hole(&self, file: &dyn ReadAt, entries: Range<u64>) -> Option<u64> {
        let (start, end) = (self.entry_at(entries.start), self.entry_at(entries.end));
        let data = file.next_data(start);
        (data >= end && entries.end - entries.start > 1).then(|| (data - self.header.map_at) / 4)
    }

    /// Visits the entries that describe a part of `range`.
    pub(crate) fn walk(
        &self,
        file: &dyn ReadAt,
        range: &Range<u64>,
        visit: impl FnMut(Entry) -> Flow,
    ) -> Result<(), Error> {
        let used = self.header.used_blocks();
        let first = range.start / self.header.block_size;
        let end = range.end.div_ceil(self.header.block_size).min(used);
        let _ = self.walk_entries(file, first..end, used, visit)?;
        Ok(())
    }

    /// Visits `entries`, of the first `count` in the map. Pages of them that were never written are holes.
    pub(crate) fn walk_entries(
        &self,
        file: &dyn ReadAt,
        entries: Range<u64>,
        count: u64,
        mut visit: impl FnMut(Entry) -> Flow,
    ) -> Flow {
        let mut index = entries.start;
        while index < entries.end {
            let page = index / PAGE * PAGE;
            let page_end = (page + PAGE).min(count);
            if let Some(hole_end) = self.hole(file, page..page_end) {
                let hole_end = hole_end.clamp(page_end, count);
                if visit(Entry::Hole(index..hole_end))?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                index = hole_end;
                continue;
            }
            let stop = page_end.min(entries.end);
            let at = self.entry_at(index);
            // OK: at most a page.
            let bytes = file.slice(at, usize_of((stop - index) * 4))?;
            for ((at, index), entry) in (at..).step_by(4).zip(index..).zip(bytes.as_chunks::<4>().0) {
                let value = u32::from_le_bytes(*entry);
                if visit(Entry::One { index, at, value })?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            index = stop;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Bytes of the disk that the block describes: the last one may be cut by the disk's end.
    pub(crate) fn disk_of(&self, index: u64) -> Range<u64> {
        // OK: `index` is below `used_blocks`, so the start is below the size.
        let start = index * self.header.block_size;
        start..start.saturating_add(self.header.block_size).min(self.header.size())
    }

    /// Where the bytes of a stored block are, `len` of which the disk needs. It saturates.
    pub(crate) fn place(&self, number: u32, len: u64) -> Range<u64> {
        let start = self.header.block_at(number);
        start..start.saturating_add(len)
    }

    /// Whether a block is allocated and inside the file. A file may end where the disk does.
    pub(crate) fn is_stored(&self, number: u32, place: &Range<u64>, file_len: u64) -> bool {
        number < self.allocated && place.end <= file_len
    }

    /// The error of an entry whose block is not stored.
    fn not_stored(&self, number: u32, at: u64, place: Range<u64>, file_len: u64) -> Error {
        if number >= self.allocated {
            let allocated = self.header.raw.allocated;
            return Corrupt::PastAllocated { at, found: number, allocated }.into();
        }
        let (code, Range { start, end }) = ("vdi.block.past-end", place);
        Invalid::DataPastEnd { code, at, start, end, file_len }.into()
    }

    pub(crate) fn source(&self, entry: u32, at: u64, len: u64, file_len: u64) -> Result<Source, Error> {
        Ok(match block(entry) {
            Block::Unwritten => self.unwritten.clone(),
            Block::Zero => Source::Zero { explicit: true },
            Block::Stored(number) => {
                let place = self.place(number, len);
                if !self.is_stored(number, &place, file_len) {
                    return Err(self.not_stored(number, at, place, file_len));
                }
                Source::Data { file: FileId::SELF, at: place.start }
            }
        })
    }
}
