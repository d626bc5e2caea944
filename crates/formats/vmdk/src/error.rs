//! Errors of VMDK images. The kit defines the general errors of headers and tables.

use alloc::string::String;

use imgprep_format_kit::HeaderCodes;
use imgprep_map::{Class, Code, Detail, Hint};

use crate::codes;

/// Codes of header fields and of the tables that they reference.
pub(crate) const HEADER_CODES: HeaderCodes =
    HeaderCodes { field: codes::HEADER_FIELD, past_end: codes::TABLE_PAST_END };

/// A file that contradicts itself or the specification.
///
/// Offsets refer to the file with the error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// Wrong magic at the start of a file.
    #[error("the file begins with {found:02x?}, expected {expected}")]
    Magic {
        /// Expected bytes.
        expected: &'static str,
        /// Bytes found.
        found: [u8; 8],
    },
    /// Modified newline check bytes, the result of a transfer in text mode.
    #[error(
        "the newline check bytes are {found:02x?}, not [0a, 20, 0d, 0a]: the file was transferred in text mode, which changes bytes throughout; transfer it again in binary mode"
    )]
    Newlines {
        /// Bytes found.
        found: [u8; 4],
    },
    /// A grain directory that does not cover the disk.
    #[error("the grain directory has {found} entries, but the extent needs {expected}")]
    DirectoryShort {
        /// Offset of the directory size.
        at: u64,
        /// Required number of entries.
        expected: u64,
        /// Number of entries found.
        found: u64,
    },
    /// An invalid table entry.
    #[error("invalid {table} entry {found:#x}: {reason}")]
    Entry {
        /// Offset of the entry.
        at: u64,
        /// Name of the table.
        table: &'static str,
        /// Value of the entry.
        found: u64,
        /// Reason why it is invalid.
        reason: &'static str,
    },
    /// A compressed grain whose sector number differs from that of its table entry.
    #[error("the compressed grain is for sector {found}, but its table expects sector {expected}")]
    GrainLba {
        /// Offset of the sector number in the grain.
        at: u64,
        /// Sector number according to the table.
        expected: u64,
        /// Sector number in the grain.
        found: u64,
    },
    /// A compressed grain with an invalid length.
    #[error("the compressed grain has {found} bytes, expected 1 to {limit}")]
    GrainLength {
        /// Offset of the length.
        at: u64,
        /// Largest valid length in bytes.
        limit: u64,
        /// Length in the grain's head.
        found: u64,
    },
    /// A stream without a footer: its end is missing.
    #[error(
        "the stream has no footer before the end of the file, so its grain directory is missing: the file is truncated"
    )]
    StreamCut {
        /// Length of the file in bytes.
        file_len: u64,
    },
    /// Data other than zeros after the end of a stream.
    #[error(
        "the stream ends at {end}, but bytes {end}..{file_len} follow, which are not all zeros: the file may be \
         two files in one"
    )]
    StreamAfterEnd {
        /// Offset of the end of the stream.
        end: u64,
        /// Length of the file in bytes.
        file_len: u64,
    },
    /// A footer that contradicts the header.
    #[error("{field} is {found} in the footer and {expected} in the header")]
    Footer {
        /// Offset of the field in the footer.
        at: u64,
        /// Name of the field in the specification.
        field: &'static str,
        /// Value in the header.
        expected: u64,
        /// Value in the footer.
        found: u64,
    },
    /// A flat extent file that is shorter than the descriptor requires.
    #[error("the flat extent is at bytes {start}..{end}, but the file has {file_len}")]
    FlatPastEnd {
        /// First byte of the extent in the file.
        start: u64,
        /// End of the extent in the file.
        end: u64,
        /// Length of the file in bytes.
        file_len: u64,
    },
    /// Different extent sizes in descriptor and extent.
    #[error("the descriptor declares {expected} sectors, but this extent has {found}")]
    ExtentSize {
        /// Offset of the size in the extent.
        at: u64,
        /// Sectors according to the descriptor.
        expected: u64,
        /// Sectors according to the extent.
        found: u64,
    },
    /// An invalid extent line.
    #[error("invalid extent line {line:?}: {reason}")]
    ExtentLine {
        /// Offset of the line.
        at: u64,
        /// Text of the line.
        line: String,
        /// Reason why it is invalid.
        reason: &'static str,
    },
    /// A descriptor key with an invalid value.
    #[error("{key} is {found:?}, expected {expected}")]
    Value {
        /// Offset of the line.
        at: u64,
        /// Key of the line.
        key: &'static str,
        /// Valid values.
        expected: &'static str,
        /// Value found.
        found: String,
    },
    /// A descriptor key that occurs twice, with different values.
    #[error("duplicate {key} with different values")]
    Twice {
        /// Offset of the second line.
        at: u64,
        /// Key of the lines.
        key: &'static str,
    },
    /// A NUL that ends the text although more significant lines follow.
    #[error("a NUL byte ends the descriptor, but more lines follow: {line:?}")]
    Nul {
        /// Offset of the NUL.
        at: u64,
        /// First significant line after the NUL.
        line: String,
    },
    /// A descriptor without extents.
    #[error("the descriptor has no extent line")]
    NoExtents {
        /// Offset of the descriptor.
        at: u64,
    },
    /// A descriptor with a parent id but no parent name, or the reverse.
    #[error("{reason}")]
    Parent {
        /// Offset of the line.
        at: u64,
        /// Description of what is missing.
        reason: &'static str,
    },
    /// Extents that add up to more than the maximum disk size.
    #[error("the extents up to this line exceed 2^64 bytes")]
    TooLarge {
        /// Offset of the line.
        at: u64,
    },
}

impl Detail for Corrupt {
    fn code(&self) -> &'static Code {
        match self {
            Self::Magic { .. } => codes::HEADER_MAGIC,
            Self::Newlines { .. } => codes::HEADER_NEWLINES,
            Self::DirectoryShort { .. } => codes::DIRECTORY_TOO_SHORT,
            Self::Entry { .. } => codes::TABLE_ENTRY,
            Self::GrainLba { .. } => codes::GRAIN_LBA,
            Self::GrainLength { .. } => codes::GRAIN_LENGTH,
            Self::StreamCut { .. } => codes::STREAM_CUT,
            Self::StreamAfterEnd { .. } => codes::STREAM_AFTER_END,
            Self::Footer { .. } => codes::FOOTER_FIELD,
            Self::FlatPastEnd { .. } => codes::FLAT_PAST_END,
            Self::ExtentSize { .. } => codes::EXTENT_SIZE,
            Self::ExtentLine { .. } => codes::DESCRIPTOR_EXTENT_LINE,
            Self::Value { .. } => codes::DESCRIPTOR_VALUE,
            Self::Twice { .. } => codes::DESCRIPTOR_TWICE,
            Self::Nul { .. } => codes::DESCRIPTOR_NUL,
            Self::NoExtents { .. } => codes::DESCRIPTOR_NO_EXTENTS,
            Self::Parent { .. } => codes::DESCRIPTOR_PARENT,
            Self::TooLarge { .. } => codes::DESCRIPTOR_TOO_LARGE,
        }
    }

    fn class(&self) -> Class {
        Class::Corrupt
    }

    fn hint(&self) -> Option<Hint> {
        matches!(self, Self::StreamCut { .. }).then_some(Hint::Salvage)
    }

    fn at(&self) -> Option<u64> {
        Some(match self {
            Self::Magic { .. } => 0,
            Self::Newlines { .. } => crate::layout::NEWLINES_AT,
            Self::StreamCut { file_len } | Self::FlatPastEnd { file_len, .. } => *file_len,
            Self::StreamAfterEnd { end, .. } => *end,
            Self::DirectoryShort { at, .. }
            | Self::Entry { at, .. }
            | Self::GrainLba { at, .. }
            | Self::GrainLength { at, .. }
            | Self::Footer { at, .. }
            | Self::ExtentSize { at, .. }
            | Self::ExtentLine { at, .. }
            | Self::Value { at, .. }
            | Self::Twice { at, .. }
            | Self::Nul { at, .. }
            | Self::NoExtents { at }
            | Self::Parent { at, .. }
            | Self::TooLarge { at } => *at,
        })
    }
}

/// An image that may be valid, but is not supported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// An unknown version of an extent file.
    #[error("unsupported version {version} of {what}: supported are {known}")]
    Version {
        /// Offset of the field.
        at: u64,
        /// Kind of the file.
        what: &'static str,
        /// Supported versions.
        known: &'static str,
        /// Version found.
        version: u64,
    },
    /// A disk that is a device of the machine on which the descriptor was created.
    #[error("createType {name:?}: the disk is a device of another machine, not a file")]
    Physical {
        /// Offset of the line.
        at: u64,
        /// `createType`.
        name: String,
    },
    /// A disk with a device type that is stored in a file.
    #[error("createType {name:?}: the disk is in {file}, as a RAW disk")]
    PhysicalFile {
        /// Offset of the line.
        at: u64,
        /// `createType`.
        name: String,
        /// Name of the file.
        file: String,
    },
    /// An unknown `createType`.
    #[error("unknown createType {name:?}")]
    CreateType {
        /// Offset of the line.
        at: u64,
        /// `createType`.
        name: String,
    },
    /// An unsupported extent type.
    #[error("unsupported extent type {name:?}")]
    ExtentType {
        /// Offset of the line.
        at: u64,
        /// Extent type.
        name: String,
    },
    /// An extent whose access mode is NOACCESS.
    #[error("the descriptor forbids access to this extent (NOACCESS)")]
    NoAccess {
        /// Offset of the line.
        at: u64,
    },
    /// An extent that was opened instead of its descriptor.
    #[error(
        "{what} without a descriptor, which defines its part of the disk and its parent: open the descriptor that names this file, usually a small text file"
    )]
    Alone {
        /// Kind of the extent.
        what: &'static str,
    },
    /// Extent files that were not opened.
    #[error("the disk is stored in other files, which were not opened")]
    NotOpened {
        /// Offset of the first extent line.
        at: u64,
    },
    /// A grain size beyond the supported maximum.
    #[error("unsupported grain size of {sectors} sectors: the limit is {limit}")]
    GrainSize {
        /// Offset of the field.
        at: u64,
        /// Grain size in sectors.
        sectors: u64,
        /// Largest supported grain size in sectors.
        limit: u64,
    },
    /// A combination of flags and compression method that no known software writes.
    #[error("unsupported: {what} (flags {flags:#x}, compressAlgorithm {algorithm})")]
    Compression {
        /// Offset of the field.
        at: u64,
        /// Description of the combination.
        what: &'static str,
        /// Flags in the header.
        flags: u32,
        /// `compressAlgorithm` in the header.
        algorithm: u16,
    },
    /// An seSparse extent whose journal contains changes that the tables do not.
    #[error("the extent was not closed properly, its journal must be replayed: open and close it in ESX")]
    Journal {
        /// Offset of the field.
        at: u64,
    },
    /// A field of an seSparse header with an unknown value.
    #[error("unsupported {field} {found:#x} in the seSparse header: supported is {known}")]
    SeField {
        /// Offset of the field.
        at: u64,
        /// Name of the field.
        field: &'static str,
        /// Supported value.
        known: &'static str,
        /// Value found.
        found: u64,
    },
    /// Encrypted contents.
    #[error("the descriptor declares the disk to be encrypted ({key})")]
    Encrypted {
        /// Offset of the line.
        at: u64,
        /// Key that declares the encryption.
        key: String,
    },
    /// An embedded descriptor with more extents than its own file.
    #[error("the descriptor inside this file names {count} extents, expected only its own file")]
    EmbeddedExtents {
        /// Offset of the second extent line.
        at: u64,
        /// Number of extent lines.
        count: u64,
    },
    /// A descriptor whose length exceeds the limit.
    #[error("descriptor of {len} bytes exceeds the limit of {limit}")]
    DescriptorTooLong {
        /// Offset of the descriptor's length.
        at: u64,
        /// Length in bytes.
        len: u64,
        /// Limit in bytes.
        limit: u64,
    },
    /// A disk that is too large for the subformat to write.
    #[error("the disk has {size} bytes, but a VMDK of this subformat has at most {most}")]
    WriteDiskTooLarge {
        /// Size of the disk in bytes.
        size: u64,
        /// Largest disk size in bytes.
        most: u64,
    },
    /// An output name that a descriptor cannot contain.
    #[error(
        "the descriptor cannot contain names of files next to {name:?}: expected UTF-8 without quotes and control characters"
    )]
    WriteName {
        /// Name of the output.
        name: String,
    },
    /// An output file that exceeds the maximum length.
    #[error("the file would exceed 2 TiB, the limit of the sector numbers in grain tables")]
    WriteFileTooLarge,
    /// A truncated stream with more grains than fit in the memory limit.
    #[error("a stream without directory has more than {limit} grains")]
    TooManyGrains {
        /// Offset of the first grain over the limit.
        at: u64,
        /// Largest number of grains.
        limit: u64,
    },
}

impl Detail for Unsupported {
    fn code(&self) -> &'static Code {
        match self {
            Self::Version { .. } => codes::HEADER_VERSION,
            Self::Physical { .. } | Self::PhysicalFile { .. } => codes::DESCRIPTOR_PHYSICAL,
            Self::CreateType { .. } => codes::DESCRIPTOR_CREATE_TYPE,
            Self::ExtentType { .. } => codes::DESCRIPTOR_EXTENT_TYPE,
            Self::NoAccess { .. } => codes::EXTENT_NO_ACCESS,
            Self::Alone { .. } => codes::EXTENT_ALONE,
            Self::NotOpened { .. } => codes::EXTENT_NOT_OPENED,
            Self::GrainSize { .. } => codes::HEADER_GRAIN_SIZE,
            Self::Compression { .. } => codes::HEADER_COMPRESSION,
            Self::Journal { .. } => codes::SESPARSE_JOURNAL,
            Self::SeField { .. } => codes::SESPARSE_FIELD,
            Self::Encrypted { .. } => codes::DESCRIPTOR_ENCRYPTED,
            Self::EmbeddedExtents { .. } => codes::DESCRIPTOR_EMBEDDED_EXTENTS,
            Self::DescriptorTooLong { .. } => codes::LIMIT_DESCRIPTOR,
            Self::TooManyGrains { .. } => codes::LIMIT_GRAINS,
            Self::WriteDiskTooLarge { .. } => codes::WRITE_DISK_TOO_LARGE,
            Self::WriteFileTooLarge => codes::WRITE_FILE_TOO_LARGE,
            Self::WriteName { .. } => codes::WRITE_NAME,
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::DescriptorTooLong { .. } | Self::TooManyGrains { .. } => Class::Limit,
            _ => Class::Unsupported,
        }
    }

    fn hint(&self) -> Option<Hint> {
        matches!(self, Self::PhysicalFile { .. }).then_some(Hint::ConvertDataFile)
    }

    fn at(&self) -> Option<u64> {
        Some(match self {
            Self::WriteDiskTooLarge { .. } | Self::WriteFileTooLarge | Self::WriteName { .. } => {
                return None;
            }
            Self::Alone { .. } => 0,
            Self::Version { at, .. }
            | Self::Physical { at, .. }
            | Self::PhysicalFile { at, .. }
            | Self::CreateType { at, .. }
            | Self::ExtentType { at, .. }
            | Self::NoAccess { at }
            | Self::NotOpened { at }
            | Self::GrainSize { at, .. }
            | Self::Compression { at, .. }
            | Self::Journal { at }
            | Self::SeField { at, .. }
            | Self::Encrypted { at, .. }
            | Self::EmbeddedExtents { at, .. }
            | Self::DescriptorTooLong { at, .. }
            | Self::TooManyGrains { at, .. } => *at,
        })
    }
}
