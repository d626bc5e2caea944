//! Errors of VDI images; errors of headers and tables in general are those of the kit.

use alloc::string::String;

use imgprep_format_kit::HeaderCodes;
use imgprep_map::{Class, Detail};

/// Codes of header fields and of the block map.
pub(crate) const HEADER_CODES: HeaderCodes =
    HeaderCodes { field: "vdi.header.field", past_end: "vdi.map.past-end" };

/// A file that contradicts itself. Offsets are file offsets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// No signature behind the text.
    #[error("VDI signature missing: found {found:02x?}")]
    Signature {
        /// What stands there.
        found: [u8; 4],
    },
    /// A parent where there can be none, or none where there must be one.
    #[error(
        "an image of type {kind} has {} parent, but its link is {}",
        if *.has_parent { "a" } else { "no" },
        .found.as_deref().unwrap_or("null")
    )]
    Link {
        /// Offset of the link.
        at: u64,
        /// The image's type.
        kind: &'static str,
        /// Whether such an image has a parent.
        has_parent: bool,
        /// The link.
        found: Option<String>,
    },
    /// An entry of the map for a block that was never allocated.
    #[error("the entry references block {found}, but {allocated} are allocated")]
    PastAllocated {
        /// Offset of the entry.
        at: u64,
        /// The block.
        found: u32,
        /// Blocks that are allocated, by the header.
        allocated: u32,
    },
    /// A part of the map that was never written: all its entries name block 0.
    #[error("{len} bytes of the block map are a hole in the file: every entry there references block 0")]
    MapHole {
        /// Offset of the hole's first byte.
        at: u64,
        /// Its length.
        len: u64,
    },
}

impl Detail for Corrupt {
    fn code(&self) -> &'static str {
        match self {
            Self::Signature { .. } => "vdi.header.signature",
            Self::Link { .. } => "vdi.header.link",
            Self::PastAllocated { .. } => "vdi.block.past-allocated",
            Self::MapHole { .. } => "vdi.map.hole",
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

/// An image that may be fine and that this crate cannot read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// A version that is not known.
    #[error("unsupported version {major}.{minor}: supported are 0.0 to 1.1")]
    Version {
        /// Major version.
        major: u16,
        /// Minor version.
        minor: u16,
    },
    /// An image type that is not known.
    #[error(
        "unsupported image type {found}: supported are 1 (dynamic), 2 (static), 3 (undo) and 4 (differencing)"
    )]
    Kind {
        /// Offset of the field.
        at: u64,
        /// What it says.
        found: u32,
    },
    /// Sectors that are not 512 bytes long.
    #[error("unsupported sector size {found}: supported is 512")]
    SectorSize {
        /// Offset of the field.
        at: u64,
        /// What it says.
        found: u32,
    },
}

impl Detail for Unsupported {
    fn code(&self) -> &'static str {
        match self {
            Self::Version { .. } => "vdi.header.version",
            Self::Kind { .. } => "vdi.header.type",
            Self::SectorSize { .. } => "vdi.header.sector-size",
        }
    }

    fn class(&self) -> Class {
        Class::Unsupported
    }

    fn at(&self) -> Option<u64> {
        Some(match self {
            Self::Version { .. } => 68,
            Self::Kind { at, .. } | Self::SectorSize { at, .. } => *at,
        })
    }
}
