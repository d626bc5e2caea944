//! The seam for writers: a format decides where its blocks are stored and what its tables say.

use alloc::vec::Vec;

use crate::{Error, SinkKind};

/// A format's writer.
///
/// Pure: it moves no payload, it determines where payload is stored. The engine calls it on one thread, with the
/// blocks that hold data in ascending order; blocks that are all zeros are never placed. What the writer says itself,
/// headers and tables, it hands to an [`Emit`] as soon as it is final, so that its memory does not grow with the disk.
pub trait ImageWriter: Send {
    /// The format's allocation unit, in bytes of the disk: a power of two from 512 on. The last block of a disk may
    /// be shorter; it is stored whole, filled up with zeros, unless the writer is [linear](Self::linear_at).
    fn block(&self) -> u64;

    /// How the bytes of a block are stored.
    fn encoding(&self) -> Encoding;

    /// The least that the output must be able to do.
    fn needs(&self) -> SinkKind;

    /// File offset of the disk's first byte if the file stores the disk as it is, one block after the other. Such
    /// blocks may be written in any order, zeros inside them need not be written, and [`place`](Self::place) is not
    /// called.
    fn linear_at(&self) -> Option<u64> {
        None
    }

    /// Writes what is written before the first block.
    fn begin(&mut self, out: &mut dyn Emit) -> Result<(), Error>;

    /// Where a block goes. What the writer emits here is written before the block.
    fn place(&mut self, block: u64, stored: Stored, out: &mut dyn Emit) -> Result<Placement, Error>;

    /// Writes what is written after the last block. Returns the length of the file.
    fn finish(&mut self, out: &mut dyn Emit) -> Result<u64, Error>;

    /// The greatest length of a file with `blocks` blocks of data, each stored in at most `stored` bytes.
    fn max_len(&self, blocks: u64, stored: u64) -> u64;
}

/// Takes the headers and tables of a file that is being written.
pub trait Emit {
    /// Writes bytes at a file offset.
    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Error>;
}

/// How the bytes of a block are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As they are.
    Plain,
    /// Each block compressed on its own.
    PerBlock {
        /// How.
        compression: Compression,
        /// Whether a block that compression does not make smaller is stored as it is.
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
    /// A raw deflate stream whose distances reach back at most `1 << window_bits` bytes.
    Deflate {
        /// zlib's level, 1 to 9.
        level: u32,
        /// 9 to 15.
        window_bits: u8,
    },
}

/// The bytes of a block as they are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// How many there are.
    pub len: u64,
    /// Whether they are compressed.
    pub is_compressed: bool,
}

/// Where one block goes: `head`, the stored bytes and `tail`, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// File offset of `head`.
    pub at: u64,
    /// What stands before the stored bytes.
    pub head: Vec<u8>,
    /// What stands after them.
    pub tail: Vec<u8>,
}

impl Placement {
    /// Only the stored bytes.
    pub fn bare(at: u64) -> Self {
        Self { at, head: Vec::new(), tail: Vec::new() }
    }
}
