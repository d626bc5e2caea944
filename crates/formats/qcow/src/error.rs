//! Errors of QCOW images.
//!
//! General errors of headers and tables are in the kit.

use imgprep_format_kit::HeaderCodes;
use imgprep_map::{Class, Code, Detail};

use crate::codes;

/// Codes of header fields and of the tables that they reference.
pub(crate) const HEADER_CODES: HeaderCodes =
    HeaderCodes { field: codes::HEADER_FIELD, past_end: codes::TABLE_PAST_END };

/// A valid image that this crate does not read, or a disk that it cannot write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// A version other than 1.
    #[error("unsupported version {version}: QCOW has version 1, QCOW2 has versions 2 and 3")]
    Version {
        /// The version in the header.
        version: u32,
    },
    /// An L1 table that an early tapdisk wrote.
    #[error(
        "the L1 table is in the byte order of the machine that wrote it (early Xen tapdisk): open the image once with a later tapdisk, which converts it"
    )]
    NativeL1,
    /// A disk that the tables of a written image cannot describe.
    #[error("a disk of {size} bytes is too large for a QCOW with clusters of {cluster}, the limit is {most}")]
    WriteDiskTooLarge {
        /// Length of the disk.
        size: u64,
        /// Bytes of a cluster.
        cluster: u64,
        /// The limit.
        most: u64,
    },
}

impl Detail for Unsupported {
    fn code(&self) -> &'static Code {
        match self {
            Self::Version { .. } => codes::HEADER_VERSION,
            Self::NativeL1 => codes::HEADER_NATIVE_L1,
            Self::WriteDiskTooLarge { .. } => codes::WRITE_DISK_TOO_LARGE,
        }
    }

    fn class(&self) -> Class {
        Class::Unsupported
    }

    fn at(&self) -> Option<u64> {
        match self {
            Self::Version { .. } => Some(4),
            Self::NativeL1 => Some(60),
            Self::WriteDiskTooLarge { .. } => None,
        }
    }
}
