//! A format's answer to "where are the bytes of this disk?".

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use crate::{Error, Extent, FileId, FileUse, Finding, ReadAt, StructureCounts};

/// What a walk over a map calls for each extent; `Break` ends the walk.
pub type Visitor<'f> = &'f mut dyn FnMut(Extent) -> ControlFlow<()>;

/// The opened files of one image.
pub trait Files: Send + Sync {
    /// The file behind an id, if it was opened.
    fn get(&self, id: FileId) -> Option<&dyn ReadAt>;
}

/// Index 0 is [`FileId::SELF`], index n + 1 is entry n of [`Image::files`](crate::Image::files).
impl Files for Vec<Arc<dyn ReadAt>> {
    fn get(&self, id: FileId) -> Option<&dyn ReadAt> {
        let index = usize::try_from(id.0).ok()?;
        <[_]>::get(self, index).map(|file| &**file)
    }
}

/// An image that is one file.
impl Files for &dyn ReadAt {
    fn get(&self, id: FileId) -> Option<&dyn ReadAt> {
        (id == FileId::SELF).then_some(*self)
    }
}

/// Where the bytes of a disk are.
///
/// Maps are lazy: they hold offsets of tables, not tables, so a 64 TiB disk costs no
/// memory until it is visited. A map may read tables and record heads through
/// `files`, never payload.
pub trait DiskMap: Send + Sync {
    /// Length of the disk, in bytes.
    fn size(&self) -> u64;

    /// Bytes of the disk that one table page describes: a walk is best split at its
    /// multiples. Never 0.
    fn stride(&self) -> u64;

    /// Whether the compressed blocks of this map form one stream
    /// ([`Codec::ZlibContinued`](crate::Codec::ZlibContinued)): then nothing can be
    /// decompressed before all that stands before it.
    fn is_stream(&self) -> bool {
        false
    }

    /// Walks the extents of `range` (clipped to the disk) in ascending order.
    ///
    /// What is handed to `visitor` tiles the range: no gap, no overlap, neighbours
    /// that continue each other merged. On an error all extents before the bad place
    /// have been handed out, and [`Error::disk`] is the range of the disk that is
    /// lost, so that a salvaging caller can go on behind it.
    fn visit(&self, files: &dyn Files, range: Range<u64>, visitor: Visitor<'_>) -> Result<(), Error>;

    /// Tells every piece of the image's files that this disk uses, and who uses it.
    /// In any order. Entries that [`visit`](Self::visit) would refuse are left out.
    fn file_usage(
        &self,
        files: &dyn Files,
        visitor: &mut dyn FnMut(FileUse) -> ControlFlow<()>,
    ) -> Result<(), Error>;

    /// Checks what the image's tables tell beyond where the bytes of this disk are: counts
    /// against uses, copies against each other, snapshots, bitmaps.
    ///
    /// What [`visit`](Self::visit) refuses and what [`file_usage`](Self::file_usage) shows need not be
    /// reported again, but may be. Each thing that is wrong is one finding, or one for a run of
    /// neighbours; the exact numbers are in the answer. `Break` ends the check. Memory is
    /// bounded, payload is not touched, and cost follows what the file holds, not what it
    /// declares.
    fn check(
        &self,
        files: &dyn Files,
        found: &mut dyn FnMut(Finding) -> ControlFlow<()>,
    ) -> Result<StructureCounts, Error> {
        let _ = (files, found);
        Ok(StructureCounts::default())
    }

    /// Checks what a conversion reads against what else the image says of it, and returns what
    /// contradicts: one finding for each code, those that matter to a reader of the disk.
    ///
    /// For contradictions that leave the disk readable: what cannot be read is an error of
    /// [`visit`](Self::visit). A conversion calls it before its first output byte, so it reads
    /// nothing but tables, once where that is enough, and keeps little in memory.
    fn cross_check(&self, files: &dyn Files) -> Result<Vec<Finding>, Error> {
        let _ = files;
        Ok(Vec::new())
    }

    /// Checks payload that the tables leave out of the disk, where other readers may see something else in it.
    ///
    /// Unlike [`check`](Self::check) this reads payload, each byte at most once, and none that the disk uses.
    fn check_unused(
        &self,
        files: &dyn Files,
        found: &mut dyn FnMut(Finding) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let _ = (files, found);
        Ok(())
    }
}
