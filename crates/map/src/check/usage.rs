//! File usage: which structure uses which bytes of a file.

use core::ops::Range;

use crate::FileId;

/// One use of a range of a file.
///
/// Workers that walk different parts of a disk cannot detect two entries that share a block, or
/// an entry that points into a header. So uses are collected and
/// compared before the first output byte is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileUse {
    /// The file.
    pub file: FileId,
    /// Bytes of that file.
    pub range: Range<u64>,
    /// Their purpose.
    pub kind: UseKind,
    /// The disk offset that the bytes belong to, for data; the first one that a
    /// table describes, for tables that describe a part of the disk.
    pub disk: Option<u64>,
}

/// The purpose of a range of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UseKind {
    /// Headers, tables, bitmaps; the name is the specification's.
    Metadata(&'static str),
    /// Bytes of the disk, as they are.
    Data,
    /// A compressed payload that must not overlap anything.
    Compressed,
    /// A compressed payload of which only a bound is known: it may overlap other
    /// payloads of this kind (QCOW, QCOW2), and nothing else.
    CompressedAtMost,
}

impl UseKind {
    /// Whether two uses of these kinds may name the same bytes.
    pub fn may_share(self, other: Self) -> bool {
        self == Self::CompressedAtMost && other == Self::CompressedAtMost
    }
}
