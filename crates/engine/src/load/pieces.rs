//! Reads a chunk in pieces that stay in the cache of a core.
//!
//! A positioned read into a small buffer that is used again costs less than the page tables of a mapping, and the bytes are
//! then compared or hashed without another access to memory (`docs/performance.md`).

use std::ops::Range;

use imgprep_map::{Error, Source};

use super::jobs::Job;
use super::loader::{Loaded, Loader};
use super::prefetch::prefetch;
use super::scratch::Scratch;
use crate::ResolvedExtent;

/// Length of a piece in bytes: a power of two. Two pieces fit into the second-level cache of all common processors.
pub(crate) const PIECE: u64 = 128 << 10;

/// How the pieces of a chunk are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkForm {
    /// All zeros, according to the maps.
    Zero,
    /// From [`Scratch::buffer`], which contains the chunk from this disk offset: a part of it is compressed.
    Buffered { start: u64 },
    /// From the files, by [`Scratch::extents`].
    Stored,
}

impl Loader<'_> {
    /// Prepares a chunk for [`piece`](Self::piece) with the same scratch.
    pub(crate) fn open_chunk(&self, job: Option<&Job>, scratch: &mut Scratch) -> Result<ChunkForm, Error> {
        let Some(Job { range, stream, .. }) = job else { return Ok(ChunkForm::Zero) };
        let mut extents = std::mem::take(&mut scratch.extents);
        extents.clear();
        let form = self.collect(range, &mut extents).and_then(|()| {
            if extents.iter().all(ResolvedExtent::is_zero) {
                return Ok(ChunkForm::Zero);
            }
            if extents.iter().all(|extent| !matches!(extent.source, Source::Compressed { .. })) {
                prefetch(self.stack, &extents);
                // Another chunk may need all of it. If there is no memory, a large allocation fails: after a small one, not
                // even the end of the process would have any.
                // OK: a chunk is a few MiB.
                scratch.buffer.reserve((range.end - range.start) as usize);
                return Ok(ChunkForm::Stored);
            }
            match self.load_extents(range, &extents, stream, scratch)? {
                Loaded::Zero => return Ok(ChunkForm::Zero),
                Loaded::Mapped(bytes) => scratch.buffer.copy_from(bytes),
                Loaded::Buffered => {}
            }
            Ok(ChunkForm::Buffered { start: range.start })
        });
        scratch.extents = extents;
        form
    }

    /// Reads a part of a chunk; no bytes if all of it is zeros.
    pub(crate) fn piece<'s>(
        &self,
        form: ChunkForm,
        range: &Range<u64>,
        scratch: &'s mut Scratch,
    ) -> Result<&'s [u8], Error> {
        match form {
            ChunkForm::Zero => Ok(&[]),
            // OK: the range lies in the chunk, which is a few MiB.
            ChunkForm::Buffered { start } => {
                Ok(&scratch.buffer[(range.start - start) as usize..(range.end - start) as usize])
            }
            ChunkForm::Stored => self.stored_piece(range, scratch),
        }
    }

    fn stored_piece<'s>(&self, range: &Range<u64>, scratch: &'s mut Scratch) -> Result<&'s [u8], Error> {
        let extents = std::mem::take(&mut scratch.extents);
        let mut buffer = std::mem::take(&mut scratch.buffer);
        let first = extents.partition_point(|extent| extent.disk.end <= range.start);
        let parts = || {
            let inside = extents[first..].iter().take_while(|extent| extent.disk.start < range.end);
            inside.map(|extent| clipped(extent, range))
        };
        let is_zero = parts().all(|part| part.is_zero());
        if !is_zero {
            // OK: a piece is a part of a chunk, which is a few MiB.
            buffer.resize((range.end - range.start) as usize);
        }
        let filled = parts().filter(|_| !is_zero).try_for_each(|part| {
            // OK: the parts tile the range, which is as long as the buffer.
            let target = (part.disk.start - range.start) as usize..(part.disk.end - range.start) as usize;
            self.fill(&part, &mut buffer[target], &[], scratch)
        });
        scratch.extents = extents;
        scratch.buffer = buffer;
        filled.map(|()| if is_zero { &[][..] } else { &scratch.buffer })
    }
}

/// The part of an extent that is not compressed within `range`.
fn clipped(extent: &ResolvedExtent, range: &Range<u64>) -> ResolvedExtent {
    let disk = extent.disk.start.max(range.start)..extent.disk.end.min(range.end);
    let mut source = extent.source.clone();
    if let Source::Data { at, .. } = &mut source {
        *at += disk.start - extent.disk.start;
    }
    ResolvedExtent { disk, layer: extent.layer, source }
}

/// The pieces of a range that begins at the start of a chunk, each of `len` bytes, the last one maybe shorter.
pub(crate) fn pieces_of(range: &Range<u64>, len: u64) -> impl Iterator<Item = Range<u64>> {
    let Range { start, end } = *range;
    (0..(end - start).div_ceil(len)).map(move |index| {
        let at = start + index * len;
        at..at.saturating_add(len).min(end)
    })
}

#[cfg(test)]
mod tests {
    use imgprep_map::FileId;

    use super::*;

    #[test]
    fn pieces_tile_the_range() {
        assert!(pieces_of(&(64..97), 16).eq([64..80, 80..96, 96..97]));
        assert!(pieces_of(&(64..96), 16).eq([64..80, 80..96]));
        assert_eq!(pieces_of(&(64..64), 16).count(), 0);
        let end = u64::MAX;
        assert_eq!(pieces_of(&(end - 10..end), 8).last(), Some(end - 2..end));
    }

    #[test]
    fn the_part_of_an_extent_has_its_own_place_in_the_file() {
        let data = |disk: Range<u64>, at| {
            let source = Source::Data { file: FileId::SELF, at };
            ResolvedExtent { disk, layer: 2, source }
        };
        assert_eq!(clipped(&data(100..200, 1000), &(150..160)), data(150..160, 1050));
        assert_eq!(clipped(&data(100..200, 1000), &(0..300)), data(100..200, 1000));
    }
}
