//! Errors of VHD images. The format kit has general errors of headers and tables.

use alloc::string::String;

use imgprep_format_kit::HeaderCodes;
use imgprep_map::{Class, Code, Detail};

use crate::codes;
use crate::part::Part;

/// Codes of header fields and of the tables that they reference.
pub(crate) const HEADER_CODES: HeaderCodes =
    HeaderCodes { field: codes::HEADER_FIELD, past_end: codes::TABLE_PAST_END };

/// A file that violates the specification or is inconsistent.
///
/// Offsets are file offsets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// No cookie at the end or at the start of the file.
    #[error("no footer: the cookie \"conectix\" is neither at the end nor at the start of the file")]
    NoFooter {
        /// Length of the file in bytes.
        file_len: u64,
    },
    /// Truncated footer.
    #[error("the footer is truncated: it has 512 bytes, but the file ends at {file_len}")]
    FooterCut {
        /// Offset of the footer.
        at: u64,
        /// Length of the file in bytes.
        file_len: u64,
    },
    /// Footer near the end with other bytes after it.
    #[error(
        "the footer is not at the end of the file, which has {file_len} bytes: truncate the file after it"
    )]
    FooterFollowed {
        /// Offset of the footer.
        at: u64,
        /// Length of the file in bytes.
        file_len: u64,
    },
    /// Only footer at the start, with a disk type that has no copy there.
    #[error(
        "the only footer is at the start and has disk type {kind}, but only types 3 and 4 have one there"
    )]
    OnlyAtStart {
        /// Offset of the disk type.
        at: u64,
        /// Its value.
        kind: u32,
        /// Length of the file in bytes.
        file_len: u64,
    },
    /// Two sound footers that describe different disks.
    #[error(
        "the footer and its copy at the start, both with a valid checksum, differ in the {field}: the file may have been truncated after a nested image"
    )]
    FootersDiffer {
        /// Offset of the footer at the end.
        at: u64,
        /// Name of the first field that differs.
        field: &'static str,
    },
    /// Wrong checksum.
    #[error("the checksum of the {part} is {found:#010x}, expected {expected:#010x}")]
    Checksum {
        /// Offset of the checksum.
        at: u64,
        /// Structure that the error refers to.
        part: Part,
        /// Computed checksum.
        expected: u32,
        /// Stored checksum.
        found: u32,
    },
    /// Missing cookie of the header of a dynamic or differencing disk.
    #[error("the header begins with {found:02x?}, expected \"cxsparse\"")]
    HeaderCookie {
        /// Offset of the header.
        at: u64,
        /// Bytes at that offset.
        found: [u8; 8],
    },
    /// Table entry whose block overlaps the footer copy, the header or the table.
    #[error("entry {found:#010x} points to a block at bytes {start}..{end}, which overlaps {part}")]
    BlockInHeader {
        /// Offset of the entry.
        at: u64,
        /// Value of the entry.
        found: u32,
        /// Offset of the sector bitmap of the block.
        start: u64,
        /// End of the data of the block.
        end: u64,
        /// Name of the overlapped structure.
        part: &'static str,
    },
    /// Block that is not inside the file.
    #[error("entry {found:#010x} points to a block at bytes {start}..{end}, but the file has {file_len}")]
    BlockPastEnd {
        /// Offset of the entry.
        at: u64,
        /// Value of the entry.
        found: u32,
        /// Offset of the sector bitmap of the block.
        start: u64,
        /// End of the data of the block that are inside the disk.
        end: u64,
        /// Length of the file in bytes.
        file_len: u64,
    },
    /// Fixed disk that is larger than the space before its footer.
    #[error("a fixed disk of {size} bytes, but only {present} bytes precede the footer")]
    FixedPastEnd {
        /// Offset of the size in the footer.
        at: u64,
        /// Size of the disk in bytes.
        size: u64,
        /// Number of bytes before the footer.
        present: u64,
    },
}

impl Detail for Corrupt {
    fn code(&self) -> &'static Code {
        match self {
            Self::NoFooter { .. } => codes::FOOTER_NONE,
            Self::FooterCut { .. } => codes::FOOTER_CUT,
            Self::FooterFollowed { .. } => codes::FOOTER_FOLLOWED,
            Self::OnlyAtStart { .. } => codes::FOOTER_ONLY_AT_START,
            Self::FootersDiffer { .. } => codes::FOOTER_DIFFER,
            Self::Checksum { part: Part::Footer, .. } => codes::FOOTER_CHECKSUM,
            Self::Checksum { .. } => codes::HEADER_CHECKSUM,
            Self::HeaderCookie { .. } => codes::HEADER_COOKIE,
            Self::BlockInHeader { .. } => codes::BAT_IN_HEADER,
            Self::BlockPastEnd { .. } => codes::BAT_PAST_END,
            Self::FixedPastEnd { .. } => codes::FIXED_PAST_END,
        }
    }

    fn class(&self) -> Class {
        Class::Corrupt
    }

    fn at(&self) -> Option<u64> {
        Some(match self {
            Self::NoFooter { file_len } => file_len.saturating_sub(512),
            Self::FooterCut { at, .. }
            | Self::FooterFollowed { at, .. }
            | Self::OnlyAtStart { at, .. }
            | Self::FootersDiffer { at, .. }
            | Self::Checksum { at, .. }
            | Self::HeaderCookie { at, .. }
            | Self::BlockInHeader { at, .. }
            | Self::BlockPastEnd { at, .. }
            | Self::FixedPastEnd { at, .. } => *at,
        })
    }
}

/// An image or a disk that this crate does not support, but that may be valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// Unknown major version.
    #[error("unsupported version {version:#010x} of the {part}: supported is 1.x")]
    Version {
        /// Offset of the version.
        at: u64,
        /// Structure that the error refers to.
        part: Part,
        /// Its value.
        version: u32,
    },
    /// Unsupported disk type.
    #[error(
        "unsupported disk type {kind} ({name}): supported are 2 (fixed), 3 (dynamic) and 4 (differencing)"
    )]
    DiskType {
        /// Offset of the type.
        at: u64,
        /// Its value.
        kind: u32,
        /// Name of the type in the specification.
        name: &'static str,
    },
    /// Block size outside of 4 KiB to 256 MiB.
    #[error("unsupported block size {found}: supported are 4 KiB to 256 MiB")]
    BlockSize {
        /// Offset of the field.
        at: u64,
        /// Its value.
        found: u32,
    },
    /// Disk too large for a written image.
    #[error("a disk of {size} bytes is too large for a VHD, the limit is {most}")]
    WriteDiskTooLarge {
        /// Size of the disk in bytes.
        size: u64,
        /// Maximum size in bytes.
        most: u64,
    },
    /// Unfinished resize by `vhd-util`.
    #[error(
        "a resize of the image was not finished (cookie \"v_poison\"): finish or revert it with vhd-util"
    )]
    Poisoned {
        /// Offset of the footer.
        at: u64,
    },
    /// Parent locator longer than the limit.
    #[error("parent locator of {found} bytes ({kind}) exceeds the limit of {limit}")]
    TextTooLong {
        /// Offset of the length.
        at: u64,
        /// Platform code of the locator.
        kind: String,
        /// Length in bytes.
        found: u64,
        /// Maximum length in bytes.
        limit: u64,
    },
}

impl Detail for Unsupported {
    fn code(&self) -> &'static Code {
        match self {
            Self::Version { part: Part::Footer, .. } => codes::FOOTER_VERSION,
            Self::Version { .. } => codes::HEADER_VERSION,
            Self::DiskType { .. } => codes::FOOTER_DISK_TYPE,
            Self::BlockSize { .. } => codes::HEADER_BLOCK_SIZE,
            Self::Poisoned { .. } => codes::FOOTER_POISONED,
            Self::TextTooLong { .. } => codes::LIMIT_TEXT,
            Self::WriteDiskTooLarge { .. } => codes::WRITE_DISK_TOO_LARGE,
        }
    }

    fn class(&self) -> Class {
        if matches!(self, Self::TextTooLong { .. }) { Class::Limit } else { Class::Unsupported }
    }

    fn at(&self) -> Option<u64> {
        match self {
            Self::Version { at, .. }
            | Self::DiskType { at, .. }
            | Self::BlockSize { at, .. }
            | Self::Poisoned { at }
            | Self::TextTooLong { at, .. } => Some(*at),
            Self::WriteDiskTooLarge { .. } => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod test {
    use imgprep_map::{Detail, Error};

    /// The detail of an error. Panics if it has another type.
    pub(crate) fn detail<D: Detail + Clone>(result: Result<(), Error>) -> D {
        let error = result.unwrap_err();
        error.detail::<D>().unwrap_or_else(|| panic!("{error}")).clone()
    }
}
