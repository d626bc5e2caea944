//! Errors of VDI images. The format kit has general errors of headers and tables.

use alloc::string::String;

use imgprep_format_kit::HeaderCodes;
use imgprep_map::{Class, Code, Detail};

use crate::codes;

/// Codes of header fields and of the block map.
pub(crate) const HEADER_CODES: HeaderCodes =
    HeaderCodes { field: codes::HEADER_FIELD, past_end: codes::MAP_PAST_END };

/// A file that violates the format or is inconsistent. Offsets are file offsets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// Missing signature.
    #[error("VDI signature missing: found {found:02x?}")]
    Signature {
        /// Bytes at its offset.
        found: [u8; 4],
    },
    /// Parent link that contradicts the image type.
    #[error(
        "an image of type {kind} has {} parent, but its link is {}",
        if *.has_parent { "a" } else { "no" },
        .found.as_deref().unwrap_or("null")
    )]
    Link {
        /// Offset of the link.
        at: u64,
        /// Name of the image type.
        kind: &'static str,
        /// Whether images of this type have a parent.
        has_parent: bool,
        /// UUID of the link, or `None` if it is null.
        found: Option<String>,
    },
    /// Map entry that references a block past the allocated ones.
    #[error("the entry references block {found}, but {allocated} are allocated")]
    PastAllocated {
        /// Offset of the entry.
        at: u64,
        /// Number of the block.
        found: u32,
        /// Number of allocated blocks by the header.
        allocated: u32,
    },
    /// Hole in the map that was never written: all its entries reference block 0.
    #[error("{len} bytes of the block map are a hole in the file: every entry there references block 0")]
    MapHole {
        /// Offset of the hole.
        at: u64,
        /// Length of the hole in bytes.
        len: u64,
    },
}

impl Detail for Corrupt {
    fn code(&self) -> &'static Code {
        match self {
            Self::Signature { .. } => codes::HEADER_SIGNATURE,
            Self::Link { .. } => codes::HEADER_LINK,
            Self::PastAllocated { .. } => codes::BLOCK_PAST_ALLOCATED,
            Self::MapHole { .. } => codes::MAP_HOLE,
        }
    }

    fn class(&self) -> Class {
        Class::Corrupt
    }

    fn at(&self) -> Option<u64> {
        Some(match self {
            Self::Signature { .. } => 64,
            Self::Link { at, .. } | Self::PastAllocated { at, .. } | Self::MapHole { at, .. } => *at,
        })
    }
}

/// An image or a disk that this crate does not support, but that may be valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// Unknown version.
    #[error("unsupported version {major}.{minor}: supported are 0.0 to 1.1")]
    Version {
        /// Major version.
        major: u16,
        /// Minor version.
        minor: u16,
    },
    /// Unknown image type.
    #[error(
        "unsupported image type {found}: supported are 1 (dynamic), 2 (static), 3 (undo) and 4 (differencing)"
    )]
    Kind {
        /// Offset of the field.
        at: u64,
        /// Its value.
        found: u32,
    },
    /// Disk too large for a written image.
    #[error("a disk of {size} bytes is too large for a VDI, the limit is {most}")]
    WriteDiskTooLarge {
        /// Size of the disk in bytes.
        size: u64,
        /// Maximum size in bytes.
        most: u64,
    },
    /// Sector size other than 512 bytes.
    #[error("unsupported sector size {found}: supported is 512")]
    SectorSize {
        /// Offset of the field.
        at: u64,
        /// Its value.
        found: u32,
    },
}

impl Detail for Unsupported {
    fn code(&self) -> &'static Code {
        match self {
            Self::Version { .. } => codes::HEADER_VERSION,
            Self::Kind { .. } => codes::HEADER_TYPE,
            Self::SectorSize { .. } => codes::HEADER_SECTOR_SIZE,
            Self::WriteDiskTooLarge { .. } => codes::WRITE_DISK_TOO_LARGE,
        }
    }

    fn class(&self) -> Class {
        Class::Unsupported
    }

    fn at(&self) -> Option<u64> {
        match self {
            Self::Version { .. } => Some(68),
            Self::Kind { at, .. } | Self::SectorSize { at, .. } => Some(*at),
            Self::WriteDiskTooLarge { .. } => None,
        }
    }
}
