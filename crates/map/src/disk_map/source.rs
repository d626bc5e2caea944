//! The source of a range of a disk.

use core::ops::Range;

/// One of the files that an image consists of, as its map names them.
///
/// Ids are local to one image: another layer of the chain has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

impl FileId {
    /// The opened file, which contains the header.
    pub const SELF: Self = Self(0);

    /// The file at `index` of [`Image::files`](crate::Image::files).
    ///
    /// Saturates: no image has more than 2^32 - 2 open files.
    pub fn associated(index: usize) -> Self {
        // OK: saturates, see above.
        Self(u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1))
    }
}

/// How the bytes of an extent are obtained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Reads as zeros. `explicit`: the image stores zeros explicitly; otherwise nothing was
    /// allocated and there is no parent.
    Zero {
        /// Whether the zeros were written, rather than never allocated.
        explicit: bool,
    },
    /// Stored as is, from byte `at` of `file` on.
    Data {
        /// The file with the bytes.
        file: FileId,
        /// File offset of the extent's first byte.
        at: u64,
    },
    /// Stored compressed. The payload decompresses to the disk range `block`, of which the
    /// extent is a part.
    Compressed {
        /// The file with the payload.
        file: FileId,
        /// File offset of the payload.
        at: u64,
        /// Length of the payload, in bytes.
        len: CompressedLen,
        /// The codec.
        codec: Codec,
        /// The decompressed range of the disk. It may extend past the end of the disk.
        block: Range<u64>,
    },
    /// The same offset of the layer below; zeros past the end of that layer.
    Parent,
}

/// The length of a compressed payload, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompressedLen {
    /// The exact length is stored.
    Exact(u32),
    /// Only a bound is stored (QCOW, QCOW2). It may run past the end of the file.
    AtMost(u32),
}

impl CompressedLen {
    /// The number of bytes to offer to the decoder.
    pub fn bound(self) -> u32 {
        match self {
            Self::Exact(len) | Self::AtMost(len) => len,
        }
    }
}

/// The codec of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// RFC 1951 without a wrapper (QCOW, QCOW2).
    Deflate,
    /// RFC 1950, finished and checksummed (VMDK).
    Zlib,
    /// RFC 1950, flushed to a byte boundary; finished or not (ZVHD2).
    ZlibOpen,
    /// One RFC 1950 stream over all blocks of the image in disk order (ZVHD).
    /// A block can only be decompressed after all blocks before it.
    ZlibContinued,
    /// zstd frames, until the block is full; padding may follow.
    Zstd,
}

/// A range of a disk and the location of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Bytes of the disk.
    pub disk: Range<u64>,
    /// Their source.
    pub source: Source,
}

impl Extent {
    /// The part of the extent from disk offset `start` to `end`, both of which
    /// must lie inside it.
    #[must_use]
    pub fn part(&self, start: u64, end: u64) -> Self {
        debug_assert!(self.disk.start <= start && start <= end && end <= self.disk.end);
        let source = match self.source.clone() {
            Source::Data { file, at } => Source::Data { file, at: at + (start - self.disk.start) },
            other => other,
        };
        Self { disk: start..end, source }
    }
}
