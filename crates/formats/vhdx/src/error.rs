//! Errors of VHDX images. The kit defines the general errors of headers and tables.

use alloc::string::String;

use imgprep_format_kit::HeaderCodes;
use imgprep_map::{Class, Code, Detail};

use crate::codes;
use crate::part::Part;

/// Codes of header fields and of the log.
pub(crate) const HEADER_CODES: HeaderCodes =
    HeaderCodes { field: codes::HEADER_FIELD, past_end: codes::LOG_PAST_END };
/// Codes of the region table.
pub(crate) const REGION_CODES: HeaderCodes =
    HeaderCodes { field: codes::REGION_FIELD, past_end: codes::REGION_PAST_END };
/// Codes of metadata items.
pub(crate) const METADATA_CODES: HeaderCodes =
    HeaderCodes { field: codes::METADATA_FIELD, past_end: codes::METADATA_PAST_END };
/// Codes of the block allocation table and of the blocks that it references.
pub(crate) const BAT_CODES: HeaderCodes =
    HeaderCodes { field: codes::BAT_ENTRY, past_end: codes::BAT_PAST_END };

/// A file that contradicts itself or the specification. Offsets are file offsets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// A file that ends before the end of a structure at a fixed offset.
    #[error("{what} ends at {expected}, but the file has {file_len} bytes")]
    Cut {
        /// Name of the structure.
        what: &'static str,
        /// End of the structure.
        expected: u64,
        /// Length of the file in bytes.
        file_len: u64,
    },
    /// A structure without its signature.
    #[error("the {what} begins with {found:02x?}, expected {expected:?}")]
    Signature {
        /// Offset of the structure.
        at: u64,
        /// Kind of the structure.
        what: Part,
        /// Expected signature.
        expected: &'static str,
        /// Bytes found.
        found: [u8; 8],
    },
    /// A structure of which neither copy is valid.
    #[error("no copy of the {what} is valid: the first {first}, the second {second}")]
    NoCopy {
        /// Offset of the first copy.
        at: u64,
        /// Kind of the structure.
        what: Part,
        /// Reason why the first copy is invalid.
        first: String,
        /// Reason why the second copy is invalid.
        second: String,
    },
    /// Two valid headers with the same sequence number and different contents.
    #[error("both headers have sequence number {sequence}, but differ: cannot decide which is current")]
    Ambiguous {
        /// Offset of the second header's sequence number.
        at: u64,
        /// Sequence number of both headers.
        sequence: u64,
    },
    /// Two valid region tables with different contents.
    #[error("the two region tables are both valid but differ: cannot decide which to use")]
    TablesDiffer {
        /// Offset of the second table.
        at: u64,
    },
    /// A metadata item extends past its region.
    #[error("the metadata item is at bytes {start}..{end}, but must end by {room}")]
    ItemPastEnd {
        /// Offset of the field with the item's offset.
        at: u64,
        /// First byte of the item.
        start: u64,
        /// End of the item.
        end: u64,
        /// The end of the region.
        room: u64,
    },
    /// Two entries of a table with the same GUID.
    #[error("duplicate entry for {what} {guid}")]
    Twice {
        /// `vhdx.region.twice` or `vhdx.metadata.twice`.
        code: &'static Code,
        /// Offset of the second entry.
        at: u64,
        /// Region or item.
        what: &'static str,
        /// GUID of both entries.
        guid: String,
    },
    /// Two regions or items share bytes.
    #[error("{what} at bytes {start}..{end} overlaps {other}")]
    Overlap {
        /// `vhdx.region.overlap` or `vhdx.metadata.overlap`.
        code: &'static Code,
        /// Offset of the entry.
        at: u64,
        /// Region or item.
        what: &'static str,
        /// First byte of the region or item.
        start: u64,
        /// End of the region or item.
        end: u64,
        /// Name of the structure that it overlaps.
        other: String,
    },
    /// A missing region or item that every image must have.
    #[error("{what} is missing")]
    Missing {
        /// `vhdx.region.missing` or `vhdx.metadata.missing`.
        code: &'static Code,
        /// Offset of the table in which it is missing.
        at: u64,
        /// Name of the region or item.
        what: &'static str,
    },
    /// An item whose length differs from the specification.
    #[error("item {item} has {found} bytes, expected {expected}")]
    ItemLength {
        /// Offset of the length.
        at: u64,
        /// Name of the item.
        item: &'static str,
        /// Length in the specification, in bytes.
        expected: u64,
        /// Length in the entry, in bytes.
        found: u64,
    },
    /// A header that refers to a log without a valid sequence of entries.
    #[error("no valid sequence of entries for log {guid}, which the header declares")]
    NoSequence {
        /// Offset of the log.
        at: u64,
        /// GUID of the log.
        guid: String,
    },
    /// A file that is shorter than it was when the log was written.
    #[error("file truncated: the log was written at {expected} bytes, the file has {file_len}")]
    Truncated {
        /// Offset of the file length in the log.
        at: u64,
        /// Flushed length of the file according to the log, in bytes.
        expected: u64,
        /// Length of the file.
        file_len: u64,
    },
    /// An invalid descriptor in a valid log entry.
    #[error("invalid log descriptor for file bytes {start}..{end}: {reason}")]
    Descriptor {
        /// Offset of the descriptor.
        at: u64,
        /// First file byte that it changes.
        start: u64,
        /// End of the bytes that it changes, saturated.
        end: u64,
        /// Reason why it is invalid.
        reason: &'static str,
    },
    /// An invalid parent locator.
    #[error("invalid parent locator: {reason}")]
    Locator {
        /// Offset of the invalid field.
        at: u64,
        /// Reason why it is invalid.
        reason: &'static str,
    },
}

impl Detail for Corrupt {
    fn code(&self) -> &'static Code {
        match self {
            Self::Cut { .. } => codes::HEADER_CUT,
            Self::Signature { what: Part::MetadataTable, .. } => codes::METADATA_SIGNATURE,
            Self::Signature { .. } => codes::FILE_SIGNATURE,
            Self::NoCopy { what: Part::RegionTable, .. } => codes::REGION_NO_TABLE,
            Self::NoCopy { .. } => codes::HEADER_NONE,
            Self::Ambiguous { .. } => codes::HEADER_AMBIGUOUS,
            Self::TablesDiffer { .. } => codes::REGION_TABLES_DIFFER,
            Self::Twice { code, .. } | Self::Overlap { code, .. } | Self::Missing { code, .. } => code,
            Self::ItemPastEnd { .. } => METADATA_CODES.past_end,
            Self::ItemLength { .. } => codes::METADATA_LENGTH,
            Self::NoSequence { .. } => codes::LOG_NO_SEQUENCE,
            Self::Truncated { .. } => codes::LOG_TRUNCATED,
            Self::Descriptor { .. } => codes::LOG_DESCRIPTOR,
            Self::Locator { .. } => codes::PARENT_LOCATOR,
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

/// An image that may be valid, but is not supported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// An unknown version.
    #[error("unsupported {what} version {found}: supported is {known}")]
    Version {
        /// Offset of the version.
        at: u64,
        /// The part with the version: the file or the log.
        what: Part,
        /// Version found.
        found: u16,
        /// Supported version.
        known: u16,
    },
    /// An unknown required region, defined after this version of the format.
    #[error("unknown required region {guid}")]
    Region {
        /// Offset of its entry.
        at: u64,
        /// GUID of the region.
        guid: String,
    },
    /// An unknown required metadata item, defined after this version of the format.
    #[error("unknown required metadata item {guid}")]
    Item {
        /// Offset of its entry.
        at: u64,
        /// GUID of the item.
        guid: String,
    },
    /// An unknown type of parent locator, defined after this version of the format.
    #[error("unknown parent locator type {guid}")]
    LocatorType {
        /// Offset of the type.
        at: u64,
        /// GUID of the type.
        guid: String,
    },
    /// A disk that is too large for the format.
    #[error("a disk of {size} bytes is too large for a VHDX, the limit is {most}")]
    WriteDiskTooLarge {
        /// Size of the disk in bytes.
        size: u64,
        /// Limit in bytes.
        most: u64,
    },
    /// A log that changes more than the memory limit allows.
    #[error("the log changes more than {limit} bytes, the limit for a replay in memory")]
    LogTooLarge {
        /// Offset of the first descriptor over the limit.
        at: u64,
        /// Limit in bytes.
        limit: u64,
    },
}

impl Detail for Unsupported {
    fn code(&self) -> &'static Code {
        match self {
            Self::Version { what: Part::Log, .. } => codes::LOG_VERSION,
            Self::Version { .. } => codes::HEADER_VERSION,
            Self::Region { .. } => codes::REGION_UNKNOWN,
            Self::Item { .. } => codes::METADATA_UNKNOWN,
            Self::LocatorType { .. } => codes::PARENT_TYPE,
            Self::LogTooLarge { .. } => codes::LIMIT_LOG,
            Self::WriteDiskTooLarge { .. } => codes::WRITE_DISK_TOO_LARGE,
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
