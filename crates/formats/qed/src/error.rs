//! What can be wrong in a QED, and what is not read.

use alloc::string::String;

use imgprep_map::{Class, Detail};

/// A file that contradicts itself or the specification. Offsets are file offsets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// The file ends before its header does.
    #[error("the header needs {expected} bytes, but the file has {file_len}")]
    HeaderCut {
        /// Bytes that are needed.
        expected: u64,
        /// Bytes that are there.
        file_len: u64,
    },
    /// The first bytes are not QED's.
    #[error("the file begins with {found:02x?}, expected the QED magic")]
    Magic {
        /// What stands there.
        found: [u8; 4],
    },
    /// A field has a value that cannot be.
    #[error("{field} is {found}, expected {expected}")]
    Field {
        /// Offset of the field.
        at: u64,
        /// The specification's name.
        field: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: u64,
    },
    /// A table does not lie inside the file.
    #[error("{table} is at bytes {start}..{end}, but the file has {file_len}")]
    TablePastEnd {
        /// Offset of the field or entry that names it.
        at: u64,
        /// Which table.
        table: &'static str,
        /// Its first byte.
        start: u64,
        /// Its end, saturated.
        end: u64,
        /// Length of the file.
        file_len: u64,
    },
    /// An L1 or L2 entry that can be none.
    #[error("invalid {table} entry {found:#018x}: {reason}")]
    Entry {
        /// Offset of the entry.
        at: u64,
        /// Which table.
        table: &'static str,
        /// The entry.
        found: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An L1 table that names L2 tables again and again: each of them can describe one part of the disk.
    #[error("the L2 table at {found}, or one before it, is referenced repeatedly, expected once")]
    TablesRepeated {
        /// Offset of the L1 entry with which it was too often.
        at: u64,
        /// The table that it names.
        found: u64,
    },
    /// Data that does not lie inside the file.
    #[error("the entry points to bytes {start}..{end}, but the file has {file_len}")]
    DataPastEnd {
        /// Offset of the entry.
        at: u64,
        /// First byte of the data.
        start: u64,
        /// Its end, saturated.
        end: u64,
        /// Length of the file.
        file_len: u64,
    },
}

impl Detail for Corrupt {
    fn code(&self) -> &'static str {
        match self {
            Self::HeaderCut { .. } => "qed.header.cut",
            Self::Magic { .. } => "qed.header.magic",
            Self::Field { .. } => "qed.header.field",
            Self::TablePastEnd { .. } => "qed.table.past-end",
            Self::Entry { .. } => "qed.table.entry",
            Self::TablesRepeated { .. } => "qed.table.repeated",
            Self::DataPastEnd { .. } => "qed.l2.past-end",
        }
    }

    fn class(&self) -> Class {
        Class::Corrupt
    }

    fn at(&self) -> Option<u64> {
        Some(match self {
            Self::HeaderCut { file_len, .. } => *file_len,
            Self::Magic { .. } => 0,
            Self::Field { at, .. }
            | Self::TablePastEnd { at, .. }
            | Self::Entry { at, .. }
            | Self::TablesRepeated { at, .. }
            | Self::DataPastEnd { at, .. } => *at,
        })
    }
}

/// An image that may be fine, but that this crate cannot serve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// Features of a later time.
    #[error("unknown features: {names}")]
    Features {
        /// Their bits.
        names: String,
    },
    /// A name longer than what is kept.
    #[error("backing file name of {found} bytes exceeds the limit of {limit}")]
    TextTooLong {
        /// How long.
        found: u64,
        /// The bound.
        limit: u64,
    },
}

impl Detail for Unsupported {
    fn code(&self) -> &'static str {
        match self {
            Self::Features { .. } => "qed.header.unknown-feature",
            Self::TextTooLong { .. } => "qed.limit.text",
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::Features { .. } => Class::Unsupported,
            Self::TextTooLong { .. } => Class::Limit,
        }
    }

    fn at(&self) -> Option<u64> {
        Some(match self {
            Self::Features { .. } => 16,
            Self::TextTooLong { .. } => 60,
        })
    }
}
