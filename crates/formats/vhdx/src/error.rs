//! Errors of VHDX images; errors of headers and tables in general are those of the kit.

use alloc::string::String;

use imgprep_format_kit::HeaderCodes;
use imgprep_map::{Class, Detail};

use crate::part::Part;

/// Codes of header fields and of the log.
pub(crate) const HEADER_CODES: HeaderCodes =
    HeaderCodes { field: "vhdx.header.field", past_end: "vhdx.log.past-end" };
/// Codes of the region table.
pub(crate) const REGION_CODES: HeaderCodes =
    HeaderCodes { field: "vhdx.region.field", past_end: "vhdx.region.past-end" };
/// Codes of metadata items.
pub(crate) const METADATA_CODES: HeaderCodes =
    HeaderCodes { field: "vhdx.metadata.field", past_end: "vhdx.metadata.past-end" };
/// Codes of the block allocation table and of the blocks that it references.
pub(crate) const BAT_CODES: HeaderCodes =
    HeaderCodes { field: "vhdx.bat.entry", past_end: "vhdx.bat.past-end" };

/// A file that contradicts itself or the specification. Offsets are file offsets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// The file ends before a structure that stands at a fixed place does.
    #[error("{what} ends at {expected}, but the file has {file_len} bytes")]
    Cut {
        /// Which structure.
        what: &'static str,
        /// Where it ends.
        expected: u64,
        /// Length of the file.
        file_len: u64,
    },
    /// A structure does not begin with its signature.
    #[error("the {what} begins with {found:02x?}, expected {expected:?}")]
    Signature {
        /// Offset of the structure.
        at: u64,
        /// Which structure.
        what: Part,
        /// Its signature.
        expected: &'static str,
        /// What stands there.
        found: [u8; 8],
    },
    /// Neither copy of a structure can be used.
    #[error("no copy of the {what} is valid: the first {first}, the second {second}")]
    NoCopy {
        /// Offset of the first copy.
        at: u64,
        /// Which structure.
        what: Part,
        /// What is wrong with the first.
        first: String,
        /// What is wrong with the second.
        second: String,
    },
    /// Two valid headers of the same age that differ.
    #[error("both headers have sequence number {sequence}, but differ: cannot decide which is current")]
    Ambiguous {
        /// Offset of the second one's number.
        at: u64,
        /// The number.
        sequence: u64,
    },
    /// Two valid region tables that name different things.
    #[error("the two region tables are both valid but differ: cannot decide which to use")]
    TablesDiffer {
        /// Offset of the second one.
        at: u64,
    },
    /// A metadata item extends past its region.
    #[error("the metadata item is at bytes {start}..{end}, but must end by {room}")]
    ItemPastEnd {
        /// Offset of the item's offset.
        at: u64,
        /// Its first byte.
        start: u64,
        /// Its end.
        end: u64,
        /// The end of the region.
        room: u64,
    },
    /// Two entries of a table name the same thing.
    #[error("duplicate entry for {what} {guid}")]
    Twice {
        /// `vhdx.region.twice` or `vhdx.metadata.twice`.
        code: &'static str,
        /// Offset of the second entry.
        at: u64,
        /// A region or an item.
        what: &'static str,
        /// Which one.
        guid: String,
    },
    /// Two regions or items share bytes.
    #[error("{what} at bytes {start}..{end} overlaps {other}")]
    Overlap {
        /// `vhdx.region.overlap` or `vhdx.metadata.overlap`.
        code: &'static str,
        /// Offset of the entry.
        at: u64,
        /// A region or an item.
        what: &'static str,
        /// Its first byte.
        start: u64,
        /// Its end.
        end: u64,
        /// What lies there too.
        other: String,
    },
    /// Something that every image has is not there.
    #[error("{what} is missing")]
    Missing {
        /// `vhdx.region.missing` or `vhdx.metadata.missing`.
        code: &'static str,
        /// Offset of the table that should name it.
        at: u64,
        /// What is missing.
        what: &'static str,
    },
    /// An item is longer or shorter than the specification says.
    #[error("item {item} has {found} bytes, expected {expected}")]
    ItemLength {
        /// Offset of the length.
        at: u64,
        /// Which item.
        item: &'static str,
        /// How long it is.
        expected: u64,
        /// How long the entry says it is.
        found: u64,
    },
    /// The header refers to a log that does not exist.
    #[error("no valid sequence of entries for log {guid}, which the header declares")]
    NoSequence {
        /// Offset of the log.
        at: u64,
        /// The log's name.
        guid: String,
    },
    /// The file is shorter than it was when the log was written.
    #[error("file truncated: the log was written at {expected} bytes, the file has {file_len}")]
    Truncated {
        /// Offset of the length in the log.
        at: u64,
        /// Length that was flushed.
        expected: u64,
        /// Length of the file.
        file_len: u64,
    },
    /// A descriptor in a valid log entry that cannot be followed.
    #[error("invalid log descriptor for file bytes {start}..{end}: {reason}")]
    Descriptor {
        /// Offset of the descriptor.
        at: u64,
        /// First byte of what it changes.
        start: u64,
        /// Its end, saturated.
        end: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The parent locator cannot be understood.
    #[error("invalid parent locator: {reason}")]
    Locator {
        /// Offset of what is wrong.
        at: u64,
        /// What is wrong.
        reason: &'static str,
    },
}

impl Detail for Corrupt {
    fn code(&self) -> &'static str {
        match self {
            Self::Cut { .. } => "vhdx.header.cut",
            Self::Signature { what: Part::MetadataTable, .. } => "vhdx.metadata.signature",
            Self::Signature { .. } => "vhdx.file.signature",
            Self::NoCopy { what: Part::RegionTable, .. } => "vhdx.region.no-table",
            Self::NoCopy { .. } => "vhdx.header.none",
            Self::Ambiguous { .. } => "vhdx.header.ambiguous",
            Self::TablesDiffer { .. } => "vhdx.region.tables-differ",
            Self::Twice { code, .. } | Self::Overlap { code, .. } | Self::Missing { code, .. } => code,
            Self::ItemPastEnd { .. } => METADATA_CODES.past_end,
            Self::ItemLength { .. } => "vhdx.metadata.length",
            Self::NoSequence { .. } => "vhdx.log.no-sequence",
            Self::Truncated { .. } => "vhdx.log.truncated",
            Self::Descriptor { .. } => "vhdx.log.descriptor",
            Self::Locator { .. } => "vhdx.parent.locator",
        }
    }

    fn class(&self) -> Class {
        Class::Corrupt
    }

    fn at(&self) -> Option<u64> {
        Some(match self {
            Self::Cut { file_len, .. } => *file_len,
            Self::Signature { at, .. }
            | Self::NoCopy { at, .. }
            | Self::Ambiguous { at, .. }
            | Self::TablesDiffer { at }
            | Self::ItemPastEnd { at, .. }
            | Self::Twice { at, .. }
            | Self::Overlap { at, .. }
            | Self::Missing { at, .. }
            | Self::ItemLength { at, .. }
            | Self::NoSequence { at, .. }
            | Self::Truncated { at, .. }
            | Self::Descriptor { at, .. }
            | Self::Locator { at, .. } => *at,
        })
    }
}

/// An image that may be fine, and that this crate cannot serve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// A version that does not exist yet.
    #[error("unsupported {what} version {found}: supported is {known}")]
    Version {
        /// Offset of the version.
        at: u64,
        /// The file's or the log's.
        what: Part,
        /// What the header says.
        found: u16,
        /// The one that is read.
        known: u16,
    },
    /// A required region of a later time.
    #[error("unknown required region {guid}")]
    Region {
        /// Offset of its entry.
        at: u64,
        /// Which one.
        guid: String,
    },
    /// A required metadata item of a later time.
    #[error("unknown required metadata item {guid}")]
    Item {
        /// Offset of its entry.
        at: u64,
        /// Which one.
        guid: String,
    },
    /// The parent is named in a way of a later time.
    #[error("unknown parent locator type {guid}")]
    LocatorType {
        /// Offset of the type.
        at: u64,
        /// Which one.
        guid: String,
    },
    /// A disk that an image cannot describe.
    #[error("a disk of {size} bytes is too large for a VHDX, the limit is {most}")]
    WriteDiskTooLarge {
        /// Length of the disk.
        size: u64,
        /// The limit.
        most: u64,
    },
    /// The log changes more than what is kept in memory.
    #[error("the log changes more than {limit} bytes, the limit for a replay in memory")]
    LogTooLarge {
        /// Offset of the descriptor that was too much.
        at: u64,
        /// The bound.
        limit: u64,
    },
}

impl Detail for Unsupported {
    fn code(&self) -> &'static str {
        match self {
            Self::Version { what: Part::Log, .. } => "vhdx.log.version",
            Self::Version { .. } => "vhdx.header.version",
            Self::Region { .. } => "vhdx.region.unknown",
            Self::Item { .. } => "vhdx.metadata.unknown",
            Self::LocatorType { .. } => "vhdx.parent.type",
            Self::LogTooLarge { .. } => "vhdx.limit.log",
            Self::WriteDiskTooLarge { .. } => "vhdx.write.disk-too-large",
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::LogTooLarge { .. } => Class::Limit,
            _ => Class::Unsupported,
        }
    }

    fn at(&self) -> Option<u64> {
        match self {
            Self::Version { at, .. }
            | Self::Region { at, .. }
            | Self::Item { at, .. }
            | Self::LocatorType { at, .. }
            | Self::LogTooLarge { at, .. } => Some(*at),
            Self::WriteDiskTooLarge { .. } => None,
        }
    }
}
