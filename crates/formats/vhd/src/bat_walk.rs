//! Walk over the used entries of the block allocation table.

use core::ops::{ControlFlow, Range};

use imgprep_format_kit::Flow;
use imgprep_map::{ReadAt, usize_of};

use crate::bat::{Block, Rules};
use crate::layout::UNUSED;
use crate::map::{PAGE, Sparse};

/// An entry that is not 0xffffffff.
pub(crate) struct Entry {
    pub(crate) index: u64,
    /// File offset of the entry.
    pub(crate) at: u64,
    pub(crate) value: u32,
}

impl Sparse {
    /// Number of blocks of the disk.
    pub(crate) fn blocks(&self) -> u64 {
        self.size.div_ceil(self.block_size)
    }

    /// Visits the entries of `range` that are not 0xffffffff.
    ///
    /// Entries in a hole of the file are 0, which [`DiskMap::visit`](imgprep_map::DiskMap::visit)
    /// rejects: they are skipped.
    pub(crate) fn entries(
        &self,
        file: &dyn ReadAt,
        range: Range<u64>,
        mut visit: impl FnMut(Entry) -> Flow,
    ) -> Flow {
        let mut index = range.start;
        while index < range.end {
            let at = self.bat.start + index * 4;
            let hole = (file.next_data(at).saturating_sub(at) / 4).min(range.end - index);
            if hole > 0 {
                index += hole;
                continue;
            }
            let count = (range.end - index).min(PAGE);
            // OK: at most a page, and the table is inside the file.
            let bytes = file.slice(at, usize_of(count * 4))?;
            for (at, entry) in (at..).step_by(4).zip(bytes.as_chunks::<4>().0) {
                let value = u32::from_be_bytes(*entry);
                if value != UNUSED && visit(Entry { index, at, value })?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                index += 1;
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// File offset of the block of an entry; `None` if the entry is invalid.
    pub(crate) fn block(&self, rules: &Rules, entry: &Entry) -> Option<u64> {
        match rules.block(entry.value, entry.at, self.stored(entry.index * self.block_size)) {
            Ok(Block::At(block)) => Some(block),
            _ => None,
        }
    }
}
