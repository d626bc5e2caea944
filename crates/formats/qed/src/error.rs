//! Errors of QED images.
//!
//! General errors of headers and tables are in the kit.

use alloc::string::String;

use imgprep_format_kit::HeaderCodes;
use imgprep_map::{Class, Code, Detail};

use crate::codes;

/// Codes of header fields and of the tables that they reference.
pub(crate) const HEADER_CODES: HeaderCodes =
    HeaderCodes { field: codes::HEADER_FIELD, past_end: codes::TABLE_PAST_END };

/// A valid image that this crate does not read, or a disk that it cannot write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// Unknown features, which a reader must support.
    #[error("unknown features: {names}")]
    Features {
        /// The numbers of their bits.
        names: String,
    },
    /// A disk that the tables of a written image cannot describe.
    #[error("a disk of {size} bytes is too large for a QED with these tables, the limit is {most}")]
    WriteDiskTooLarge {
        /// Length of the disk.
        size: u64,
        /// The limit.
        most: u64,
    },
}

impl Detail for Unsupported {
    fn code(&self) -> &'static Code {
        match self {
            Self::Features { .. } => codes::HEADER_UNKNOWN_FEATURE,
            Self::WriteDiskTooLarge { .. } => codes::WRITE_DISK_TOO_LARGE,
        }
    }

    fn class(&self) -> Class {
        Class::Unsupported
    }

    fn at(&self) -> Option<u64> {
        match self {
            Self::Features { .. } => Some(16),
            Self::WriteDiskTooLarge { .. } => None,
        }
    }
}
