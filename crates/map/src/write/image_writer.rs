//! The writer interface: a format determines where blocks are stored and what its tables contain.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use crate::{Error, SinkKind};

/// A format's writer.
///
/// Pure: it determines where payload is stored and moves none. The engine calls it on one thread, for the blocks
/// that contain data, in ascending order; blocks of zeros are never placed. The writer passes headers and tables to an
/// [`Emit`] as soon as they are final, so its memory does not grow with the disk.
pub trait ImageWriter: Send {
    /// The format's allocation unit in bytes of the disk: a power of two, at least 512.
    ///
    /// The last block of a disk may be shorter. It is padded with zeros, unless the writer is
    /// [linear](Self::linear_at).
    ///
    /// An uncompressed block of more than 2 MiB is placed once and written in parts, without those that are zeros: such a
    /// writer [needs](Self::needs) an output that is writable at any offset.
    fn block(&self) -> u64;

    /// How the bytes of a block are stored.
    fn encoding(&self) -> Encoding;

    /// The least capable kind of output that is sufficient.
    fn needs(&self) -> SinkKind;

    /// File offset of the disk's first byte, if the file stores the disk contiguously and unchanged.
    ///
    /// Blocks are then written in any order, zeros inside them may be omitted, and [`place`](Self::place) is not called.
    fn linear_at(&self) -> Option<u64> {
        None
    }

    /// The files of an image that consists of several, in the order of their ranges. Empty for an image in one file.
    ///
    /// All offsets of the writer are addresses in these ranges. An image of several files is only written to files, which
    /// read as zeros where nothing is written.
    fn files(&self) -> Vec<FilePart> {
        Vec::new()
    }

    /// Emits what precedes the first block.
    fn begin(&mut self, out: &mut dyn Emit) -> Result<(), Error>;

    /// The place of a block. Tables that are emitted here are written before the block.
    fn place(&mut self, block: u64, stored: Stored, out: &mut dyn Emit) -> Result<Placement, Error>;

    /// Whether the format can mark a block as zeros although the backing file has data there. Otherwise such a block is
    /// stored like any other. Only relevant for an image with a backing file.
    fn marks_zeros(&self) -> bool {
        false
    }

    /// Marks a block as zeros. Called in the order of [`place`](Self::place), and only if the format
    /// [can](Self::marks_zeros).
    fn mark_zeros(&mut self, block: u64, out: &mut dyn Emit) -> Result<(), Error> {
        let _ = (block, out);
        Ok(())
    }

    /// Emits what follows the last block, and returns the length of the file, or of all files of the image.
    fn finish(&mut self, out: &mut dyn Emit) -> Result<u64, Error>;

    /// The maximum length of an image with `blocks` blocks of data of at most `stored` bytes each.
    fn max_len(&self, blocks: u64, stored: u64) -> u64;
}

/// One file of an image that consists of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePart {
    /// Its name, next to the output; `None` for the output itself, which names the others.
    pub name: Option<String>,
    /// Its addresses. It may be shorter.
    pub range: Range<u64>,
    /// Its minimum length: it is as long as the last byte that is written, but not shorter than this.
    pub min_len: u64,
}

/// Receives the headers and tables of a file that is being written.
pub trait Emit {
    /// Writes bytes at a file offset.
    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Error>;
}

/// How the bytes of a block are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Uncompressed.
    Plain,
    /// Each block is compressed separately.
    PerBlock {
        /// The compression.
        compression: Compression,
        /// Whether a block stays uncompressed unless compression makes it smaller.
        keep_if_smaller: bool,
    },
}

/// How the bytes of a compressed block are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// One zstd frame.
    Zstd {
        /// zstd's level, 1 to 22.
        level: i32,
        /// Whether the frame ends with the checksum of its contents (RFC 8878 3.1.1), which decoders verify.
        has_checksum: bool,
    },
    /// A zlib stream, sync-flushed and not finished.
    ZlibOpen {
        /// zlib's level, 1 to 9.
        level: u32,
    },
    /// A raw deflate stream, sync-flushed and not finished: such streams form one stream if they follow each other.
    DeflateOpen {
        /// zlib's level, 1 to 9.
        level: u32,
    },
    /// A finished zlib stream (RFC 1950).
    Zlib {
        /// zlib's level, 1 to 9.
        level: u32,
    },
    /// A raw deflate stream with a window of `1 << window_bits` bytes.
    Deflate {
        /// zlib's level, 1 to 9.
        level: u32,
        /// 9 to 15.
        window_bits: u8,
    },
}

/// The stored form of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its length in bytes.
    pub len: u64,
    /// Whether it is compressed.
    pub is_compressed: bool,
}

/// The place of one block: `head`, the stored bytes and `tail`, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// File offset of `head`.
    pub at: u64,
    /// Bytes before the stored bytes.
    pub head: Vec<u8>,
    /// Bytes after the stored bytes.
    pub tail: Vec<u8>,
}

impl Placement {
    /// A place without head and tail.
    pub fn bare(at: u64) -> Self {
        Self { at, head: Vec::new(), tail: Vec::new() }
    }
}
