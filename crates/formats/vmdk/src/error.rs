//! Errors of VMDK images; errors of headers and tables in general are those of the kit.

use alloc::string::String;

use imgprep_format_kit::HeaderCodes;
use imgprep_map::{Class, Detail, Hint};

/// Codes of header fields and of the tables that they reference.
pub(crate) const HEADER_CODES: HeaderCodes =
    HeaderCodes { field: "vmdk.header.field", past_end: "vmdk.table.past-end" };

/// A file that contradicts itself or the specification. Offsets are offsets in the file
/// that the error is about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// The first bytes are not what they must be.
    #[error("the file begins with {found:02x?}, expected {expected}")]
    Magic {
        /// What must stand there.
        expected: &'static str,
        /// What stands there.
        found: [u8; 8],
    },
    /// The newline check bytes were changed: by a transfer in text mode.
    #[error(
        "the newline check bytes are {found:02x?}, not [0a, 20, 0d, 0a]: the file was transferred in text mode, which changes bytes throughout; transfer it again in binary mode"
    )]
    Newlines {
        /// What stands there.
        found: [u8; 4],
    },
    /// The grain directory does not cover the disk.
    #[error("the grain directory has {found} entries, but the extent needs {expected}")]
    DirectoryShort {
        /// Offset of its size.
        at: u64,
        /// Entries that are needed.
        expected: u64,
        /// Entries that are there.
        found: u64,
    },
    /// An entry that cannot be.
    #[error("invalid {table} entry {found:#x}: {reason}")]
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
    /// A compressed grain is for another place of the disk than its table entry.
    #[error("the compressed grain is for sector {found}, but its table expects sector {expected}")]
    GrainLba {
        /// Offset of the grain's own sector number.
        at: u64,
        /// By the table.
        expected: u64,
        /// By the grain.
        found: u64,
    },
    /// A compressed grain's length cannot be.
    #[error("the compressed grain has {found} bytes, expected 1 to {limit}")]
    GrainLength {
        /// Offset of the length.
        at: u64,
        /// The most that can be.
        limit: u64,
        /// What the grain says.
        found: u64,
    },
    /// A stream without its footer: the end is missing.
    #[error(
        "the stream has no footer before the end of the file, so its grain directory is missing: the file is truncated"
    )]
    StreamCut {
        /// Length of the file.
        file_len: u64,
    },
    /// More than zeros behind the end of a stream.
    #[error(
        "the stream ends at {end}, but bytes {end}..{file_len} follow, which are not all zeros: the file may be \
         two files in one"
    )]
    StreamBehind {
        /// Where the stream ends.
        end: u64,
        /// Length of the file.
        file_len: u64,
    },
    /// The footer contradicts the header.
    #[error("{field} is {found} in the footer and {expected} in the header")]
    Footer {
        /// Offset of the field in the footer.
        at: u64,
        /// The specification's name.
        field: &'static str,
        /// By the header.
        expected: u64,
        /// By the footer.
        found: u64,
    },
    /// A flat extent's file is shorter than the descriptor says.
    #[error("the flat extent is at bytes {start}..{end}, but the file has {file_len}")]
    FlatPastEnd {
        /// First byte of the extent.
        start: u64,
        /// Its end.
        end: u64,
        /// Length of the file.
        file_len: u64,
    },
    /// Descriptor and extent disagree about the extent's size.
    #[error("the descriptor declares {expected} sectors, but this extent has {found}")]
    ExtentSize {
        /// Offset of the extent's own size.
        at: u64,
        /// By the descriptor.
        expected: u64,
        /// By the extent.
        found: u64,
    },
    /// A line that begins like an extent line and is invalid.
    #[error("invalid extent line {line:?}: {reason}")]
    ExtentLine {
        /// Offset of the line.
        at: u64,
        /// The line.
        line: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A value of the descriptor that cannot be.
    #[error("{key} is {found:?}, expected {expected}")]
    Value {
        /// Offset of the line.
        at: u64,
        /// Its key.
        key: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// A key of the descriptor that is there twice, with two values.
    #[error("duplicate {key} with different values")]
    Twice {
        /// Offset of the second line.
        at: u64,
        /// The key.
        key: &'static str,
    },
    /// A NUL that ends the text in front of further lines.
    #[error("a NUL byte ends the descriptor, but more lines follow: {line:?}")]
    Nul {
        /// Offset of the NUL.
        at: u64,
        /// The first line behind it that counts.
        line: String,
    },
    /// A descriptor that describes no disk.
    #[error("the descriptor has no extent line")]
    NoExtents {
        /// Offset of the descriptor.
        at: u64,
    },
    /// The descriptor names a parent's id and no parent, or a parent and no id.
    #[error("{reason}")]
    Parent {
        /// Offset of the line.
        at: u64,
        /// What is missing.
        reason: &'static str,
    },
    /// All extents together are larger than any disk.
    #[error("the extents up to this line exceed 2^64 bytes")]
    TooLarge {
        /// Offset of the line.
        at: u64,
    },
}

impl Detail for Corrupt {
    fn code(&self) -> &'static str {
        match self {
            Self::Magic { .. } => "vmdk.header.magic",
            Self::Newlines { .. } => "vmdk.header.newlines",
            Self::DirectoryShort { .. } => "vmdk.directory.too-short",
            Self::Entry { .. } => "vmdk.table.entry",
            Self::GrainLba { .. } => "vmdk.grain.lba",
            Self::GrainLength { .. } => "vmdk.grain.length",
            Self::StreamCut { .. } => "vmdk.stream.cut",
            Self::StreamBehind { .. } => "vmdk.stream.behind-end",
            Self::Footer { .. } => "vmdk.footer.field",
            Self::FlatPastEnd { .. } => "vmdk.flat.past-end",
            Self::ExtentSize { .. } => "vmdk.extent.size",
            Self::ExtentLine { .. } => "vmdk.descriptor.extent-line",
            Self::Value { .. } => "vmdk.descriptor.value",
            Self::Twice { .. } => "vmdk.descriptor.twice",
            Self::Nul { .. } => "vmdk.descriptor.nul",
            Self::NoExtents { .. } => "vmdk.descriptor.no-extents",
            Self::Parent { .. } => "vmdk.descriptor.parent",
            Self::TooLarge { .. } => "vmdk.descriptor.too-large",
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
            Self::StreamBehind { end, .. } => *end,
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

/// An image that may be fine, but is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// A version of an extent file that is not known.
    #[error("unsupported version {version} of {what}: supported are {known}")]
    Version {
        /// Offset of the field.
        at: u64,
        /// Which kind of file.
        what: &'static str,
        /// What is known.
        known: &'static str,
        /// What it says.
        version: u64,
    },
    /// The disk is a device of the machine that the descriptor was made on.
    #[error("createType {name:?}: the disk is a device of another machine, not a file")]
    Physical {
        /// Offset of the line.
        at: u64,
        /// The type.
        name: String,
    },
    /// The disk is called a device and is a file.
    #[error("createType {name:?}: the disk is in {file}, as a RAW disk")]
    PhysicalFile {
        /// Offset of the line.
        at: u64,
        /// The type.
        name: String,
        /// The file.
        file: String,
    },
    /// A type of disk that is not known.
    #[error("unknown createType {name:?}")]
    CreateType {
        /// Offset of the line.
        at: u64,
        /// The type.
        name: String,
    },
    /// A type of extent that is not read.
    #[error("unsupported extent type {name:?}")]
    ExtentType {
        /// Offset of the line.
        at: u64,
        /// The type.
        name: String,
    },
    /// An extent that must not be read.
    #[error("the descriptor forbids access to this extent (NOACCESS)")]
    NoAccess {
        /// Offset of the line.
        at: u64,
    },
    /// An extent was opened instead of its descriptor.
    #[error(
        "{what} without a descriptor, which defines its part of the disk and its parent: open the descriptor that names this file, usually a small text file"
    )]
    Alone {
        /// The kind of extent.
        what: &'static str,
    },
    /// The extents' files were not opened.
    #[error("the disk is stored in other files, which were not opened")]
    NotOpened {
        /// Offset of the first extent line.
        at: u64,
    },
    /// A grain size that no writer has.
    #[error("unsupported grain size of {sectors} sectors: the limit is {limit}")]
    GrainSize {
        /// Offset of the field.
        at: u64,
        /// What it says.
        sectors: u64,
        /// The most that is read.
        limit: u64,
    },
    /// A combination of flags and method that no writer has.
    #[error("unsupported: {what} (flags {flags:#x}, compressAlgorithm {algorithm})")]
    Compression {
        /// Offset of the field.
        at: u64,
        /// What it is.
        what: &'static str,
        /// The header's flags.
        flags: u32,
        /// The header's method.
        algorithm: u16,
    },
    /// An seSparse extent whose tables are behind its journal.
    #[error("the extent was not closed properly, its journal must be replayed: open and close it in ESX")]
    Journal {
        /// Offset of the field.
        at: u64,
    },
    /// A field of an seSparse header that is not known to have such a value.
    #[error("unsupported {field} {found:#x} in the seSparse header: supported is {known}")]
    SeField {
        /// Offset of the field.
        at: u64,
        /// Its name.
        field: &'static str,
        /// What is known.
        known: &'static str,
        /// What it says.
        found: u64,
    },
    /// The contents are encrypted.
    #[error("the descriptor declares the disk to be encrypted ({key})")]
    Encrypted {
        /// Offset of the line.
        at: u64,
        /// What says so.
        key: String,
    },
    /// A descriptor inside an extent that describes more than its own file.
    #[error("the descriptor inside this file names {count} extents, expected only its own file")]
    EmbeddedExtents {
        /// Offset of the second extent line.
        at: u64,
        /// Extent lines.
        count: u64,
    },
    /// A descriptor longer than the limit.
    #[error("descriptor of {len} bytes exceeds the limit of {limit}")]
    DescriptorTooLong {
        /// Offset of its length.
        at: u64,
        /// Its length.
        len: u64,
        /// The most that is read.
        limit: u64,
    },
    /// A disk that is too large to be written.
    #[error("the disk has {size} bytes, but a VMDK of this subformat has at most {most}")]
    WriteDiskTooLarge {
        /// Bytes of the disk.
        size: u64,
        /// The largest disk.
        most: u64,
    },
    /// A name of an output that a descriptor cannot contain.
    #[error(
        "the descriptor cannot contain names of files next to {name:?}: expected UTF-8 without quotes and control characters"
    )]
    WriteName {
        /// The name of the output.
        name: String,
    },
    /// A file that becomes too long: its data does not fit.
    #[error("the file would exceed 2 TiB, the limit of the sector numbers in grain tables")]
    WriteFileTooLarge,
    /// More grains in a cut stream than memory is given for.
    #[error("a stream without directory has more than {limit} grains")]
    TooManyGrains {
        /// Offset of the first grain that is too much.
        at: u64,
        /// How many are kept.
        limit: u64,
    },
}

impl Detail for Unsupported {
    fn code(&self) -> &'static str {
        match self {
            Self::Version { .. } => "vmdk.header.version",
            Self::Physical { .. } | Self::PhysicalFile { .. } => "vmdk.descriptor.physical",
            Self::CreateType { .. } => "vmdk.descriptor.create-type",
            Self::ExtentType { .. } => "vmdk.descriptor.extent-type",
            Self::NoAccess { .. } => "vmdk.extent.no-access",
            Self::Alone { .. } => "vmdk.extent.alone",
            Self::NotOpened { .. } => "vmdk.extent.not-opened",
            Self::GrainSize { .. } => "vmdk.header.grain-size",
            Self::Compression { .. } => "vmdk.header.compression",
            Self::Journal { .. } => "vmdk.sesparse.journal",
            Self::SeField { .. } => "vmdk.sesparse.field",
            Self::Encrypted { .. } => "vmdk.descriptor.encrypted",
            Self::EmbeddedExtents { .. } => "vmdk.descriptor.embedded-extents",
            Self::DescriptorTooLong { .. } => "vmdk.limit.descriptor",
            Self::TooManyGrains { .. } => "vmdk.limit.grains",
            Self::WriteDiskTooLarge { .. } => "vmdk.write.disk-too-large",
            Self::WriteFileTooLarge => "vmdk.write.file-too-large",
            Self::WriteName { .. } => "vmdk.write.name",
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
