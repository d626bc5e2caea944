//! Errors of QCOW2 images.
//!
//! General errors of headers and tables are in the kit.

use alloc::string::String;

use imgprep_format_kit::HeaderCodes;
use imgprep_map::{Class, Code, Detail};

use crate::codes;

/// Codes of header fields and of the tables that they reference.
pub(crate) const HEADER_CODES: HeaderCodes =
    HeaderCodes { field: codes::HEADER_FIELD, past_end: codes::TABLE_PAST_END };

/// A file that contradicts itself or the specification. Offsets are file offsets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// A subcluster bitmap that contradicts itself or its entry.
    #[error("invalid subcluster bitmap {found:#018x}: {reason}")]
    Subclusters {
        /// Offset of the bitmap.
        at: u64,
        /// The bitmap.
        found: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An entry for an external data file that does not contain its disk offset.
    ///
    /// Every cluster of an external data file, raw or not, is at its own offset. QEMU reports any other
    /// offset as corruption.
    #[error("the entry points to {found}, but in an external data file it must point to {expected}")]
    NotRaw {
        /// Offset of the entry.
        at: u64,
        /// Offset of the cluster on the disk.
        expected: u64,
        /// Offset in the data file.
        found: u64,
    },
    /// A header extension that extends past the header's cluster.
    #[error("header extension {kind:#010x} has {len} bytes, but there is space for {room}")]
    ExtensionOverrun {
        /// Offset of the extension.
        at: u64,
        /// Its type.
        kind: u32,
        /// Its length.
        len: u64,
        /// Bytes left.
        room: u64,
    },
    /// A snapshot table entry that extends past the end of the file.
    #[error("snapshot table entry {index} ends at {end}, but the file has {file_len}")]
    SnapshotPastEnd {
        /// Offset of the entry.
        at: u64,
        /// Its number.
        index: u32,
        /// File offset of its end.
        end: u64,
        /// Length of the file.
        file_len: u64,
    },
    /// An image that QEMU has marked as corrupt.
    #[error("the image is marked corrupt: run qemu-img check -r all on a copy first")]
    MarkedCorrupt {
        /// Offset of the feature bits.
        at: u64,
    },
}

impl Detail for Corrupt {
    fn code(&self) -> &'static Code {
        match self {
            Self::Subclusters { .. } => codes::L2_SUBCLUSTERS,
            Self::NotRaw { .. } => codes::L2_NOT_RAW,
            Self::ExtensionOverrun { .. } => codes::EXTENSION_OVERRUN,
            Self::SnapshotPastEnd { .. } => codes::SNAPSHOT_PAST_END,
            Self::MarkedCorrupt { .. } => codes::HEADER_CORRUPT_FLAG,
        }
    }

    fn class(&self) -> Class {
        Class::Corrupt
    }

    fn at(&self) -> Option<u64> {
        Some(match self {
            Self::Subclusters { at, .. }
            | Self::NotRaw { at, .. }
            | Self::ExtensionOverrun { at, .. }
            | Self::SnapshotPastEnd { at, .. }
            | Self::MarkedCorrupt { at } => *at,
        })
    }
}

/// A valid image, or a request, that this crate does not support.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// A version other than 2 and 3.
    #[error("unsupported version {version}: supported are 2 and 3")]
    Version {
        /// The version in the header.
        version: u32,
    },
    /// Incompatible features that this crate does not support.
    #[error("unknown incompatible features: {names}")]
    Features {
        /// Offset of the feature bits.
        at: u64,
        /// Their names from the image's own table, or their bits.
        names: String,
    },
    /// A compression type other than zlib and zstd.
    #[error("unsupported compression type {kind}: supported are 0 (zlib) and 1 (zstd)")]
    Compression {
        /// Offset of the field.
        at: u64,
        /// The value of the field.
        kind: u8,
    },
    /// A snapshot that the image does not have.
    #[error("unknown snapshot {wanted:?}; the image has: {present}")]
    NoSnapshot {
        /// The requested id or name.
        wanted: String,
        /// The snapshots of the image.
        present: String,
    },
    /// The tables of the disk would exceed the limits of QEMU.
    #[error(
        "a disk of {size} bytes is too large for a QCOW2 with clusters of {cluster} bytes: choose larger clusters"
    )]
    WriteDiskTooLarge {
        /// Length of the disk.
        size: u64,
        /// Bytes of a cluster.
        cluster: u64,
    },
    /// A backing file name that is too long for the format or the first cluster.
    #[error(
        "the name of the backing file has {len} bytes: at most 1023 fit, or what a cluster of {cluster} bytes holds"
    )]
    WriteBackingName {
        /// Bytes of the name.
        len: u64,
        /// Bytes of a cluster.
        cluster: u64,
    },
    /// zstd compression in version 2, whose header has no field for it.
    #[error("version 2 has no zstd compression: its clusters are compressed with zlib")]
    WriteVersion2Zstd,
    /// More snapshots than the limit.
    #[error("{found} snapshots exceed the limit of {limit}")]
    TooManySnapshots {
        /// Offset of the count.
        at: u64,
        /// The number of snapshots.
        found: u32,
        /// The limit.
        limit: u32,
    },
}

impl Detail for Unsupported {
    fn code(&self) -> &'static Code {
        match self {
            Self::Version { .. } => codes::HEADER_VERSION,
            Self::Features { .. } => codes::HEADER_UNKNOWN_FEATURE,
            Self::Compression { .. } => codes::HEADER_COMPRESSION,
            Self::NoSnapshot { .. } => codes::SNAPSHOT_NOT_FOUND,
            Self::TooManySnapshots { .. } => codes::LIMIT_SNAPSHOTS,
            Self::WriteDiskTooLarge { .. } => codes::WRITE_DISK_TOO_LARGE,
            Self::WriteBackingName { .. } => codes::WRITE_BACKING_NAME,
            Self::WriteVersion2Zstd => codes::WRITE_VERSION_2_ZSTD,
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::NoSnapshot { .. } => Class::Refused,
            Self::TooManySnapshots { .. } => Class::Limit,
            _ => Class::Unsupported,
        }
    }

    fn at(&self) -> Option<u64> {
        match self {
            Self::Version { .. } => Some(4),
            Self::Features { at, .. } | Self::Compression { at, .. } | Self::TooManySnapshots { at, .. } => {
                Some(*at)
            }
            Self::NoSnapshot { .. }
            | Self::WriteDiskTooLarge { .. }
            | Self::WriteBackingName { .. }
            | Self::WriteVersion2Zstd => None,
        }
    }
}
