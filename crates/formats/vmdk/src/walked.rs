//! The grains of a stream whose directory is lost.

use alloc::vec::Vec;
use core::ops::Range;

/// One grain that the walk found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Record {
    /// First byte of the grain in the extent.
    pub(crate) start: u64,
    /// File offset of its payload.
    pub(crate) at: u64,
    /// Bytes of its payload.
    pub(crate) len: u32,
}

/// The grains of a stream whose directory is lost.
#[derive(Clone, Debug)]
pub(crate) struct Walked {
    /// The grains in ascending order, without duplicates.
    pub(crate) records: Vec<Record>,
    pub(crate) grain: u64,
    /// Range after the last grain found, of which it is unknown whether it was stored.
    pub(crate) unknown: Range<u64>,
    /// Length of the truncated file.
    pub(crate) file_len: u64,
}
