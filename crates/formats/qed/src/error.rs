//! Errors of QED images.
//!
//! General errors of headers and tables are in the kit.

use alloc::string::String;

use imgprep_format_kit::HeaderCodes;
use imgprep_map::{Class, Detail};

/// Codes of header fields and of the tables that they reference.
pub(crate) const HEADER_CODES: HeaderCodes =
    HeaderCodes { field: "qed.header.field", past_end: "qed.table.past-end" };

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
    fn code(&self) -> &'static str {
        match self {
            Self::Features { .. } => "qed.header.unknown-feature",
            Self::WriteDiskTooLarge { .. } => "qed.write.disk-too-large",
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
