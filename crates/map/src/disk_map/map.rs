//! The map of an image: where the bytes of its disk are.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use crate::{Error, Extent, FileId, FileUse, Finding, ReadAt, StructureCounts};

/// Called for each extent of a walk over a map; `Break` ends the walk.
pub type Visitor<'f> = &'f mut dyn FnMut(Extent) -> ControlFlow<()>;

/// The opened files of one image.
pub trait Files: Send + Sync {
    /// The file of an id, if it was opened.
    fn get(&self, id: FileId) -> Option<&dyn ReadAt>;
}

/// Index 0 is [`FileId::SELF`], index n + 1 is entry n of [`Image::files`](crate::Image::files).
impl Files for Vec<Arc<dyn ReadAt>> {
    fn get(&self, id: FileId) -> Option<&dyn ReadAt> {
        let index = usize::try_from(id.0).ok()?;
        <[_]>::get(self, index).map(|file| &**file)
    }
}

/// An image in one file.
impl Files for &dyn ReadAt {
    fn get(&self, id: FileId) -> Option<&dyn ReadAt> {
        (id == FileId::SELF).then_some(*self)
    }
}

/// Where the bytes of a disk are.
///
/// Maps store offsets of tables, not tables, so a disk of 64 TiB requires no
/// memory until it is visited. A map may read tables and record headers through
/// `files`, never payload.
pub trait DiskMap: Send + Sync {
    /// Length of the disk, in bytes.
    fn size(&self) -> u64;

    /// Bytes of the disk that one table page describes: a walk is best split at its
    /// multiples. Never 0.
    fn stride(&self) -> u64;

    /// Whether the compressed blocks of this map form one stream
    /// ([`Codec::ZlibContinued`](crate::Codec::ZlibContinued)): then nothing can be
    /// decompressed before everything that precedes it.
    fn is_stream(&self) -> bool {
        false
    }

    /// Walks the extents of `range` (clipped to the disk) in ascending order.
    ///
    /// The extents passed to `visitor` cover the range without gaps or overlaps; adjacent
    /// extents that continue each other are merged. On an error all extents before the
    /// invalid one have been passed, and [`Error::disk`] is the range of the disk that is
    /// lost, so that a salvaging caller can continue after it.
    fn visit(&self, files: &dyn Files, range: Range<u64>, visitor: Visitor<'_>) -> Result<(), Error>;

    /// Reports every range of the image's files that this disk uses, with its purpose,
    /// in any order. Entries that [`visit`](Self::visit) rejects are omitted.
    fn file_usage(
        &self,
        files: &dyn Files,
        visitor: &mut dyn FnMut(FileUse) -> ControlFlow<()>,
    ) -> Result<(), Error>;

    /// Checks the tables beyond the location of the disk's bytes: counts against
    /// references, copies against each other, snapshots, bitmaps.
    ///
    /// Problems that [`visit`](Self::visit) rejects or [`file_usage`](Self::file_usage) shows may be
    /// reported again. Each problem is one finding, or one for a run of adjacent
    /// ones; the result has the exact counts. `Break` ends the check. Memory is
    /// bounded, payload is not read, and the cost depends on the contents of the file, not on
    /// declared sizes.
    fn check(
        &self,
        files: &dyn Files,
        found: &mut dyn FnMut(Finding) -> ControlFlow<()>,
    ) -> Result<StructureCounts, Error> {
        let _ = (files, found);
        Ok(StructureCounts::default())
    }

    /// Compares the tables that a conversion reads with the rest of the image, and returns the
    /// contradictions that matter to a reader of the disk: one finding per code.
    ///
    /// Only for contradictions that leave the disk readable: unreadable ranges are errors of
    /// [`visit`](Self::visit). A conversion calls it before its first output byte, so it reads
    /// only tables, once if possible, and uses little memory.
    fn cross_check(&self, files: &dyn Files) -> Result<Vec<Finding>, Error> {
        let _ = files;
        Ok(Vec::new())
    }

    /// Checks payload that the tables exclude from the disk but other readers may include.
    ///
    /// Unlike [`check`](Self::check) this reads payload: each unused byte at most once.
    fn check_unused(
        &self,
        files: &dyn Files,
        found: &mut dyn FnMut(Finding) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let _ = (files, found);
        Ok(())
    }
}
