//! Location of the blocks: a walk over the block map, one page at a time.

use core::ops::{ControlFlow, Range};

use imgprep_format_kit::{Flow, Invalid};
use imgprep_map::{Error, FileId, ReadAt, Source, usize_of};

use crate::Corrupt;
use crate::codes;
use crate::header::Header;
use crate::tables::{Block, block};

/// Entries per read: 4 KiB, or 1 GiB of the disk with the usual block size.
pub(crate) const PAGE: u64 = 1024;
/// Largest map whose stored blocks are counted, in bytes.
///
/// With the usual block size, it describes 16 TiB.
pub(crate) const COUNTED_BYTES: u64 = 64 << 20;

/// An item of a walk over the map.
pub(crate) enum Entry {
    /// Entries in a hole of the file.
    Hole(Range<u64>),
    /// An entry: its index, its file offset and its value.
    One { index: u64, at: u64, value: u32 },
}

pub(crate) struct Map {
    pub(crate) header: Header,
    unwritten: Source,
    /// Number of allocated blocks: greater or equal block numbers are not allocated.
    allocated: u32,
}

impl Map {
    /// Creates the map of an image.
    ///
    /// With `is_salvage`, the number of allocated blocks in the header is ignored, and all blocks inside the file count
    /// as stored.
    pub(crate) fn new(header: &Header, has_parent: bool, is_salvage: bool) -> Self {
        Self {
            unwritten: if has_parent { Source::Parent } else { Source::Zero { explicit: false } },
            allocated: if is_salvage { u32::MAX } else { header.raw.allocated },
            header: header.clone(),
        }
    }

    /// Number of stored blocks in the whole map.
    ///
    /// `None` if the map is longer than [`COUNTED_BYTES`].
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

    /// File offset of entry `index`.
    pub(crate) fn entry_at(&self, index: u64) -> u64 {
        // OK: the offset is less than 2^35, and inside the file.
        self.header.map_at + index * 4
    }

    /// Index of the entry after the hole of the file that contains all `entries`.
    ///
    /// `None` if there is no such hole, or if `entries` is a single entry. Zero is a valid
    /// block number: two zero entries are two references to block 0. A hole in the map is
    /// therefore corrupt, and its entries need not be visited one by one.
    fn hole(&self, file: &dyn ReadAt, entries: Range<u64>) -> Option<u64> {
        let (start, end) = (self.entry_at(entries.start), self.entry_at(entries.end));
        let data = file.next_data(start);
        (data >= end && entries.end - entries.start > 1).then(|| (data - self.header.map_at) / 4)
    }

    /// Visits the entries that describe a part of `range`, in bytes of the disk.
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

    /// Visits `entries`, out of the first `count` entries of the map.
    ///
    /// Pages of entries that were never written are visited as holes.
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
            // OK: the length is at most a page.
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

    /// Range of the disk that entry `index` describes, limited to the disk size.
    pub(crate) fn disk_of(&self, index: u64) -> Range<u64> {
        // OK: `index` is less than `used_blocks`, so the start is less than the size.
        let start = index * self.header.block_size;
        start..start.saturating_add(self.header.block_size).min(self.header.size())
    }

    /// File range of the first `len` bytes of a stored block. Saturates.
    pub(crate) fn place(&self, number: u32, len: u64) -> Range<u64> {
        let start = self.header.block_at(number);
        start..start.saturating_add(len)
    }

    /// Whether a block is allocated and inside the file.
    ///
    /// `place` excludes the part of the last block past the end of the disk, which the file may omit.
    pub(crate) fn is_stored(&self, number: u32, place: &Range<u64>, file_len: u64) -> bool {
        number < self.allocated && place.end <= file_len
    }

    /// The error for an entry whose block is not stored.
    fn not_stored(&self, number: u32, at: u64, place: Range<u64>, file_len: u64) -> Error {
        if number >= self.allocated {
            let allocated = self.header.raw.allocated;
            return Corrupt::PastAllocated { at, found: number, allocated }.into();
        }
        let (code, Range { start, end }) = (codes::BLOCK_PAST_END, place);
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
