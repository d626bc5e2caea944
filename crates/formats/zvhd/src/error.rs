//! Errors of ZVHD and ZVHD2 images.

use imgprep_map::{Class, Code, Detail};

use crate::codes;

/// A file that violates the format or is inconsistent. Offsets are file offsets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// File shorter than the minimum length.
    #[error("a {format} has at least {expected} bytes, but the file has {file_len}")]
    TooShort {
        /// Name of the format.
        format: &'static str,
        /// Minimum length in bytes.
        expected: u64,
        /// Length of the file in bytes.
        file_len: u64,
    },
    /// Missing header page.
    #[error("header page missing, the file is probably truncated: found {found:02x?}")]
    NoHeader {
        /// Offset of the page.
        at: u64,
        /// First bytes at that offset.
        found: [u8; 8],
    },
    /// Wrong checksum of a header page.
    #[error("header page checksum is {found:#010x}, expected {expected:#010x}")]
    Checksum {
        /// Offset of the checksum field.
        at: u64,
        /// Computed checksum.
        expected: u32,
        /// Stored checksum.
        found: u32,
    },
    /// Invalid value of a header field.
    #[error("{field} is {found}, expected {expected}")]
    Field {
        /// Offset of the field.
        at: u64,
        /// Name of the field.
        field: &'static str,
        /// Value that follows from other fields or from the length of the file.
        expected: u64,
        /// Value of the field.
        found: u64,
    },
    /// Number of bits set in the bitmap that differs from the number of data blocks.
    #[error("the bitmap has {found} bits set, but the header declares {expected} data blocks")]
    BitmapCount {
        /// Offset of the bitmap.
        at: u64,
        /// Number of data blocks by the header.
        expected: u64,
        /// Number of bits set.
        found: u64,
    },
    /// Bitmap bit of a block past the end of the disk.
    #[error("the bitmap marks block {block}, but the disk has {blocks}")]
    BitmapPastEnd {
        /// Offset of the byte in the bitmap.
        at: u64,
        /// Number of the block.
        block: u64,
        /// Number of blocks of the disk.
        blocks: u64,
    },
    /// Index entry for another block than the bitmap expects at this position.
    #[error("the index entry is for block {found}, but the bitmap expects block {expected}")]
    EntryBlock {
        /// Offset of the entry.
        at: u64,
        /// Block by the bitmap.
        expected: u64,
        /// Block by the entry.
        found: u64,
    },
    /// Index entry with an unaligned start or a range outside of the records.
    #[error(
        "the index entry points to bytes {start}..{end}, but records are page-aligned in {first}..{last}"
    )]
    EntryRange {
        /// Offset of the entry.
        at: u64,
        /// Start of the range of the entry.
        start: u64,
        /// End of the range of the entry, saturated.
        end: u64,
        /// Start of the records.
        first: u64,
        /// End of the records.
        last: u64,
    },
    /// Missing record magic.
    #[error("record missing: found {found:02x?}")]
    RecordMagic {
        /// Offset of the record.
        at: u64,
        /// First bytes at that offset.
        found: [u8; 12],
    },
    /// Record with another block number than its index entry.
    #[error("the record is for block {found}, but the index expects block {expected}")]
    RecordBlock {
        /// Offset of the block number.
        at: u64,
        /// Block by the index.
        expected: u64,
        /// Block by the record.
        found: u64,
    },
    /// Record with a length that differs from its index entry or exceeds its space.
    #[error("the record needs {found} bytes, but has space for {expected}")]
    RecordLength {
        /// Offset of the payload length.
        at: u64,
        /// Length in bytes by the index (ZVHD2), or bytes left in the file (ZVHD).
        expected: u64,
        /// Length in bytes by the record.
        found: u64,
    },
    /// Record without payload.
    #[error("the record has no payload")]
    RecordEmpty {
        /// Offset of the payload length.
        at: u64,
    },
    /// Missing end mark of a record.
    #[error("end mark of the record missing: found {found:02x?}")]
    RecordEnd {
        /// Offset of the end mark.
        at: u64,
        /// Bytes at that offset.
        found: [u8; 4],
    },
    /// Block number of a ZVHD that does not ascend or is past the end of the disk.
    #[error("block {found} follows {before} blocks of a disk of {blocks}")]
    RecordOrder {
        /// Offset of the block number.
        at: u64,
        /// Previous block number plus one.
        before: u64,
        /// Number of blocks of the disk.
        blocks: u64,
        /// Block by the record.
        found: u64,
    },
    /// Bytes after the last header page of a ZVHD.
    #[error("{found} bytes follow the last header page")]
    Trailing {
        /// Offset of the first one.
        at: u64,
        /// Number of bytes.
        found: u64,
    },
}

impl Detail for Corrupt {
    fn code(&self) -> &'static Code {
        match self {
            Self::TooShort { .. } => codes::FILE_TOO_SHORT,
            Self::NoHeader { .. } => codes::HEADER_MISSING,
            Self::Checksum { .. } => codes::HEADER_CHECKSUM,
            Self::Field { .. } => codes::HEADER_FIELD,
            Self::BitmapCount { .. } => codes::BITMAP_COUNT,
            Self::BitmapPastEnd { .. } => codes::BITMAP_PAST_END,
            Self::EntryBlock { .. } => codes::INDEX_BLOCK,
            Self::EntryRange { .. } => codes::INDEX_RANGE,
            Self::RecordMagic { .. } => codes::RECORD_MAGIC,
            Self::RecordBlock { .. } => codes::RECORD_BLOCK,
            Self::RecordLength { .. } => codes::RECORD_LENGTH,
            Self::RecordEmpty { .. } => codes::RECORD_EMPTY,
            Self::RecordEnd { .. } => codes::RECORD_END_MARK,
            Self::RecordOrder { .. } => codes::RECORD_ORDER,
            Self::Trailing { .. } => codes::FILE_TRAILING,
        }
    }

    fn class(&self) -> Class {
        Class::Corrupt
    }

    fn at(&self) -> Option<u64> {
        match self {
            Self::TooShort { file_len, .. } => Some(*file_len),
            Self::NoHeader { at, .. }
            | Self::Checksum { at, .. }
            | Self::Field { at, .. }
            | Self::BitmapCount { at, .. }
            | Self::BitmapPastEnd { at, .. }
            | Self::EntryBlock { at, .. }
            | Self::EntryRange { at, .. }
            | Self::RecordMagic { at, .. }
            | Self::RecordBlock { at, .. }
            | Self::RecordLength { at, .. }
            | Self::RecordEmpty { at }
            | Self::RecordEnd { at, .. }
            | Self::RecordOrder { at, .. }
            | Self::Trailing { at, .. } => Some(*at),
        }
    }
}

/// A valid file, or a write request, that this crate does not support.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// Block size other than 2 MiB.
    ///
    /// The vendor's reader ignores the field and always uses 2 MiB, so the meaning of such a
    /// file is unknown.
    #[error("unsupported block size {block_size}: only 2 MiB is supported")]
    BlockSize {
        /// Offset of the field.
        at: u64,
        /// Its value.
        block_size: u32,
    },
    /// Index with entries for zero blocks. No such file is known.
    #[error("unsupported index with entries for zero blocks (flag {flag})")]
    IndexWithZeros {
        /// Offset of the flag.
        at: u64,
        /// Its value.
        flag: u8,
    },
    /// Compression other than zlib and zstd.
    #[error("unsupported compression {method}: supported are 0 (zlib) and 1 (zstd)")]
    Compression {
        /// Offset of the field.
        at: u64,
        /// Its value.
        method: u8,
    },
    /// ZVHD2 version other than 1.
    #[error("unsupported ZVHD2 version {version}: supported is 1")]
    Version {
        /// Offset of the field.
        at: u64,
        /// Its value.
        version: u8,
    },
    /// ZVHD with more records than the limit on resident tables permits.
    #[error("more than {limit} records")]
    TooManyRecords {
        /// Offset of the first record beyond the limit.
        at: u64,
        /// Maximum number of records.
        limit: u64,
    },
    /// Disk with more blocks than 32-bit block numbers can address.
    #[error("a disk of {size} bytes has more than 2^32 - 1 blocks of 2 MiB")]
    DiskTooLarge {
        /// Size of the disk in bytes.
        size: u64,
    },
    /// Index or bitmap larger than its 32-bit size field can represent.
    #[error("the index would exceed its 32-bit size field")]
    IndexTooLarge,
    /// Write request with a compression that the format does not support.
    #[error("ZVHD2 stores zstd or zlib payloads only")]
    WriteCompression,
}

impl Detail for Unsupported {
    fn code(&self) -> &'static Code {
        match self {
            Self::BlockSize { .. } => codes::HEADER_BLOCK_SIZE,
            Self::IndexWithZeros { .. } => codes::HEADER_INDEX_HAS_ZEROS,
            Self::Compression { .. } => codes::HEADER_COMPRESSION,
            Self::Version { .. } => codes::HEADER_VERSION,
            Self::TooManyRecords { .. } => codes::LIMIT_RECORDS,
            Self::DiskTooLarge { .. } => codes::WRITE_DISK_TOO_LARGE,
            Self::IndexTooLarge => codes::WRITE_INDEX_TOO_LARGE,
            Self::WriteCompression => codes::WRITE_COMPRESSION,
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::TooManyRecords { .. } => Class::Limit,
            _ => Class::Unsupported,
        }
    }

    fn at(&self) -> Option<u64> {
        match self {
            Self::BlockSize { at, .. }
            | Self::IndexWithZeros { at, .. }
            | Self::Compression { at, .. }
            | Self::Version { at, .. }
            | Self::TooManyRecords { at, .. } => Some(*at),
            Self::DiskTooLarge { .. } | Self::IndexTooLarge | Self::WriteCompression => None,
        }
    }
}
