//! Errors of VHD images; errors of headers and tables in general are those of the kit.

use alloc::string::String;

use imgprep_format_kit::HeaderCodes;
use imgprep_map::{Class, Detail};

use crate::part::Part;

/// Codes of header fields and of the tables that they reference.
pub(crate) const HEADER_CODES: HeaderCodes =
    HeaderCodes { field: "vhd.header.field", past_end: "vhd.table.past-end" };

/// A file that contradicts itself or the specification. Offsets are file offsets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// Neither the end nor the start of the file has the cookie.
    #[error("no footer: the cookie \"conectix\" is neither at the end nor at the start of the file")]
    NoFooter {
        /// Length of the file.
        file_len: u64,
    },
    /// The file ends in its footer.
    #[error("the footer is truncated: it has 512 bytes, but the file ends at {file_len}")]
    FooterCut {
        /// Where the footer begins.
        at: u64,
        /// Length of the file.
        file_len: u64,
    },
    /// A footer near the end with other bytes behind it.
    #[error(
        "the footer is not at the end of the file, which has {file_len} bytes: truncate the file after it"
    )]
    FooterFollowed {
        /// Where the footer begins.
        at: u64,
        /// Length of the file.
        file_len: u64,
    },
    /// The only footer is at the start, and of a kind of disk that has no copy there.
    #[error(
        "the only footer is at the start and has disk type {kind}, but only types 3 and 4 have one there"
    )]
    OnlyAtStart {
        /// Offset of the disk type.
        at: u64,
        /// What it is.
        kind: u32,
        /// Length of the file.
        file_len: u64,
    },
    /// Two sound footers that describe different disks.
    #[error(
        "the footer and its copy at the start, both with a valid checksum, differ in the {field}: the file may have been truncated after a nested image"
    )]
    FootersDiffer {
        /// Where the one at the end begins.
        at: u64,
        /// The first field that differs.
        field: &'static str,
    },
    /// A checksum that is not that of the bytes.
    #[error("the checksum of the {part} is {found:#010x}, expected {expected:#010x}")]
    Checksum {
        /// Offset of the checksum.
        at: u64,
        /// Which structure.
        part: Part,
        /// What it must be.
        expected: u32,
        /// What it is.
        found: u32,
    },
    /// The header of a dynamic disk has another cookie.
    #[error("the header begins with {found:02x?}, expected \"cxsparse\"")]
    HeaderCookie {
        /// Where the header should be.
        at: u64,
        /// What stands there.
        found: [u8; 8],
    },
    /// An entry that points into the header or into the table itself.
    #[error("entry {found:#010x} points to a block at bytes {start}..{end}, which overlaps {part}")]
    BlockInHeader {
        /// Offset of the entry.
        at: u64,
        /// The entry.
        found: u32,
        /// First byte of the block's bitmap.
        start: u64,
        /// End of its data.
        end: u64,
        /// What is there.
        part: &'static str,
    },
    /// A block that does not lie inside the file.
    #[error("entry {found:#010x} points to a block at bytes {start}..{end}, but the file has {file_len}")]
    BlockPastEnd {
        /// Offset of the entry.
        at: u64,
        /// The entry.
        found: u32,
        /// First byte of the block's bitmap.
        start: u64,
        /// End of the data that the disk needs of it.
        end: u64,
        /// Length of the file.
        file_len: u64,
    },
    /// A fixed disk that is larger than the room before its footer.
    #[error("a fixed disk of {size} bytes, but only {present} bytes precede the footer")]
    FixedPastEnd {
        /// Offset of the size.
        at: u64,
        /// Length of the disk.
        size: u64,
        /// Bytes before the footer.
        present: u64,
    },
}

impl Detail for Corrupt {
    fn code(&self) -> &'static str {
        match self {
            Self::NoFooter { .. } => "vhd.footer.none",
            Self::FooterCut { .. } => "vhd.footer.cut",
            Self::FooterFollowed { .. } => "vhd.footer.followed",
            Self::OnlyAtStart { .. } => "vhd.footer.only-at-start",
            Self::FootersDiffer { .. } => "vhd.footer.differ",
            Self::Checksum { part: Part::Footer, .. } => "vhd.footer.checksum",
            Self::Checksum { .. } => "vhd.header.checksum",
            Self::HeaderCookie { .. } => "vhd.header.cookie",
            Self::BlockInHeader { .. } => "vhd.bat.in-header",
            Self::BlockPastEnd { .. } => "vhd.bat.past-end",
            Self::FixedPastEnd { .. } => "vhd.fixed.past-end",
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

/// An image that may be fine, and that this crate cannot serve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// A major version that does not exist yet.
    #[error("unsupported version {version:#010x} of the {part}: supported is 1.x")]
    Version {
        /// Offset of the version.
        at: u64,
        /// Which structure.
        part: Part,
        /// What it says.
        version: u32,
    },
    /// A disk type that is not read.
    #[error(
        "unsupported disk type {kind} ({name}): supported are 2 (fixed), 3 (dynamic) and 4 (differencing)"
    )]
    DiskType {
        /// Offset of the type.
        at: u64,
        /// What it is.
        kind: u32,
        /// The specification's word for it.
        name: &'static str,
    },
    /// An unused block size.
    #[error("unsupported block size {found}: supported are 4 KiB to 256 MiB")]
    BlockSize {
        /// Offset of the field.
        at: u64,
        /// What it is.
        found: u32,
    },
    /// `vhd-util` was resizing the image.
    #[error(
        "a resize of the image was not finished (cookie \"v_poison\"): finish or revert it with vhd-util"
    )]
    Poisoned {
        /// Where the footer begins.
        at: u64,
    },
    /// A parent locator longer than what is kept.
    #[error("parent locator of {found} bytes ({kind}) exceeds the limit of {limit}")]
    TextTooLong {
        /// Offset of its length.
        at: u64,
        /// Its platform code.
        kind: String,
        /// How long.
        found: u64,
        /// The bound.
        limit: u64,
    },
}

impl Detail for Unsupported {
    fn code(&self) -> &'static str {
        match self {
            Self::Version { part: Part::Footer, .. } => "vhd.footer.version",
            Self::Version { .. } => "vhd.header.version",
            Self::DiskType { .. } => "vhd.footer.disk-type",
            Self::BlockSize { .. } => "vhd.header.block-size",
            Self::Poisoned { .. } => "vhd.footer.poisoned",
            Self::TextTooLong { .. } => "vhd.limit.text",
        }
    }

    fn class(&self) -> Class {
        if matches!(self, Self::TextTooLong { .. }) { Class::Limit } else { Class::Unsupported }
    }

    fn at(&self) -> Option<u64> {
        Some(match self {
            Self::Version { at, .. }
            | Self::DiskType { at, .. }
            | Self::BlockSize { at, .. }
            | Self::Poisoned { at }
            | Self::TextTooLong { at, .. } => *at,
        })
    }
}

#[cfg(test)]
pub(crate) mod test {
    use imgprep_map::{Detail, Error};

    /// The crate's own error of a failure.
    pub(crate) fn detail<D: Detail + Clone>(result: Result<(), Error>) -> D {
        let error = result.unwrap_err();
        error.detail::<D>().unwrap_or_else(|| panic!("{error}")).clone()
    }
}
