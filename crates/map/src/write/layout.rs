//! A writer's plan: the offsets of the parts of an output file.

use alloc::vec::Vec;

use crate::{Error, SinkKind};

/// How a format lays out the file that it writes.
///
/// Pure: it moves no payload, it determines where payload is stored. One reducer calls it, with
/// the units in ascending order; units that are all zeros are not placed at all.
pub trait Layout: Send {
    /// Bytes of the disk that are placed together; a multiple of 4096.
    fn unit(&self) -> u64;

    /// How a unit's bytes are stored. A compressed unit is always whole: past the disk's
    /// end it is filled up with zeros before it is compressed.
    fn compression(&self) -> Compression;

    /// The least that the output must be able to do.
    fn needs(&self) -> SinkKind;

    /// What is written before the first unit.
    fn begin(&mut self) -> Vec<WriteAt>;

    /// Where unit number `unit` goes. `len` is the length of what is stored: of the
    /// compressed payload, or of the unit itself.
    fn place(&mut self, unit: u64, len: u64) -> Result<Placement, Error>;

    /// Where unit number `unit` goes if that depends on nothing but its number: such
    /// units may be written in any order, zeros inside them need not be written, and
    /// [`place`](Self::place) is not called. All units then stand one after the other,
    /// as they do on the disk.
    fn fixed_place(&self, unit: u64) -> Option<u64> {
        let _ = unit;
        None
    }

    /// What is written after the last unit, and the length of the file.
    fn finish(&mut self) -> Result<Finish, Error>;

    /// Length of the file if `units` units are stored, each in at most `stored` bytes.
    fn bound(&self, units: u64, stored: u64) -> u64;
}

/// How the bytes of a unit are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// As they are.
    Plain,
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
}

/// Bytes at a place of the output file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteAt {
    /// File offset.
    pub at: u64,
    /// What stands there.
    pub bytes: Vec<u8>,
}

/// Where one unit goes: `head`, the stored bytes and `tail`, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// File offset of `head`.
    pub at: u64,
    /// What stands before the stored bytes.
    pub head: Vec<u8>,
    /// What stands after them.
    pub tail: Vec<u8>,
}

/// The end of an output file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finish {
    /// The last parts, in the order in which they are written.
    pub writes: Vec<WriteAt>,
    /// Length of the finished file.
    pub len: u64,
}
