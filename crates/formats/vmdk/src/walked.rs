//! The grains of a stream whose directory is lost.

use alloc::vec::Vec;
use core::ops::Range;

/// One grain that the walk came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Record {
    /// Its first byte in the extent.
    pub(crate) start: u64,
    /// Where its payload stands.
    pub(crate) at: u64,
    /// Bytes of its payload.
    pub(crate) len: u32,
}

/// The grains of a stream whose directory is lost.
#[derive(Clone, Debug)]
pub(crate) struct Walked {
    /// Ascending, each grain once.
    pub(crate) records: Vec<Record>,
    pub(crate) grain: u64,
    /// Unknown ranges: whether they were ever stored cannot be determined.
    pub(crate) unknown: Range<u64>,
    /// Length of the file, where it was cut.
    pub(crate) file_len: u64,
}
