//! What can be wrong in a ZVHD or ZVHD2.

use imgprep_map::{Class, Detail};

/// A file that contradicts itself or the format. Offsets are file offsets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// The file is too short for what every file has.
    #[error("a {format} has at least {expected} bytes, but the file has {file_len}")]
    TooShort {
        /// The format's name.
        format: &'static str,
        /// Bytes that are needed.
        expected: u64,
        /// Bytes that are there.
        file_len: u64,
    },
    /// Where a header page must be is something else.
    #[error("header page missing, the file is probably truncated: found {found:02x?}")]
    NoHeader {
        /// Offset of the page.
        at: u64,
        /// Its first bytes.
        found: [u8; 8],
    },
    /// A header's checksum is wrong.
    #[error("header page checksum is {found:#010x}, expected {expected:#010x}")]
    Checksum {
        /// Offset of the checksum.
        at: u64,
        /// What the bytes give.
        expected: u32,
        /// What the field says.
        found: u32,
    },
    /// A field has a value that cannot be.
    #[error("{field} is {found}, expected {expected}")]
    Field {
        /// Offset of the field.
        at: u64,
        /// The field's name.
        field: &'static str,
        /// What it must be, by other fields or by the file's length.
        expected: u64,
        /// What it is.
        found: u64,
    },
    /// The bitmap has another number of bits set than there are data blocks.
    #[error("the bitmap has {found} bits set, but the header declares {expected} data blocks")]
    BitmapCount {
        /// Offset of the bitmap.
        at: u64,
        /// The header's count.
        expected: u64,
        /// Bits that are set.
        found: u64,
    },
    /// The bitmap marks a block that the disk does not have.
    #[error("the bitmap marks block {block}, but the disk has {blocks}")]
    BitmapPastEnd {
        /// Offset of the bitmap's byte.
        at: u64,
        /// The block.
        block: u64,
        /// Blocks of the disk.
        blocks: u64,
    },
    /// An index entry is not for the block whose turn it is.
    #[error("the index entry is for block {found}, but the bitmap expects block {expected}")]
    EntryBlock {
        /// Offset of the entry.
        at: u64,
        /// The block by the bitmap.
        expected: u64,
        /// The block by the entry.
        found: u64,
    },
    /// An index entry points where no record can be.
    #[error(
        "the index entry points to bytes {start}..{end}, but records are page-aligned in {first}..{last}"
    )]
    EntryRange {
        /// Offset of the entry.
        at: u64,
        /// First byte it points to.
        start: u64,
        /// End of what it points to, saturated.
        end: u64,
        /// Where records begin.
        first: u64,
        /// Where they end.
        last: u64,
    },
    /// No record where one must be.
    #[error("record missing: found {found:02x?}")]
    RecordMagic {
        /// Offset of the record.
        at: u64,
        /// Its first bytes.
        found: [u8; 12],
    },
    /// A record is for another block than the index says.
    #[error("the record is for block {found}, but the index expects block {expected}")]
    RecordBlock {
        /// Offset of the block number.
        at: u64,
        /// The block by the index.
        expected: u64,
        /// The block by the record.
        found: u64,
    },
    /// A record's length does not fit.
    #[error("the record needs {found} bytes, but has space for {expected}")]
    RecordLength {
        /// Offset of the payload's length.
        at: u64,
        /// By the index, or the bytes left in the file.
        expected: u64,
        /// By the record.
        found: u64,
    },
    /// A record without payload.
    #[error("the record has no payload")]
    RecordEmpty {
        /// Offset of the payload's length.
        at: u64,
    },
    /// A record without its end mark.
    #[error("end mark of the record missing: found {found:02x?}")]
    RecordEnd {
        /// Offset of the mark.
        at: u64,
        /// What stands there.
        found: [u8; 4],
    },
    /// Block numbers of a ZVHD do not ascend, or name a block that the disk does not have.
    #[error("block {found} follows {before} blocks of a disk of {blocks}")]
    RecordOrder {
        /// Offset of the block number.
        at: u64,
        /// One more than the last block number.
        before: u64,
        /// Blocks of the disk.
        blocks: u64,
        /// The block by the record.
        found: u64,
    },
    /// Bytes behind the last header of a ZVHD.
    #[error("{found} bytes follow the last header page")]
    Trailing {
        /// Offset of the first of them.
        at: u64,
        /// How many.
        found: u64,
    },
}

impl Detail for Corrupt {
    fn code(&self) -> &'static str {
        match self {
            Self::TooShort { .. } => "zvhd.file.too-short",
            Self::NoHeader { .. } => "zvhd.header.missing",
            Self::Checksum { .. } => "zvhd.header.checksum",
            Self::Field { .. } => "zvhd.header.field",
            Self::BitmapCount { .. } => "zvhd.bitmap.count",
            Self::BitmapPastEnd { .. } => "zvhd.bitmap.past-end",
            Self::EntryBlock { .. } => "zvhd.index.block",
            Self::EntryRange { .. } => "zvhd.index.range",
            Self::RecordMagic { .. } => "zvhd.record.magic",
            Self::RecordBlock { .. } => "zvhd.record.block",
            Self::RecordLength { .. } => "zvhd.record.length",
            Self::RecordEmpty { .. } => "zvhd.record.empty",
            Self::RecordEnd { .. } => "zvhd.record.end-mark",
            Self::RecordOrder { .. } => "zvhd.record.order",
            Self::Trailing { .. } => "zvhd.file.trailing",
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

/// A valid file, or a request, that this crate does not support.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// The vendor's own reader works in 2 MiB blocks whatever the field says, so
    /// the meaning of such a file is unknown.
    #[error("unsupported block size {block_size}: only 2 MiB is supported")]
    BlockSize {
        /// Offset of the field.
        at: u64,
        /// What it says.
        block_size: u32,
    },
    /// No file with such an index is known.
    #[error("unsupported index with entries for zero blocks (flag {flag})")]
    IndexWithZeros {
        /// Offset of the flag.
        at: u64,
        /// What it says.
        flag: u8,
    },
    /// Not zlib and not zstd.
    #[error("unsupported compression {method}: supported are 0 (zlib) and 1 (zstd)")]
    Compression {
        /// Offset of the field.
        at: u64,
        /// What it says.
        method: u8,
    },
    /// Another version than 1.
    #[error("unsupported ZVHD2 version {version}: supported is 1")]
    Version {
        /// Offset of the field.
        at: u64,
        /// What it says.
        version: u8,
    },
    /// A ZVHD with more records than the limit on resident tables.
    #[error("more than {limit} records")]
    TooManyRecords {
        /// Offset of the first record that is too much.
        at: u64,
        /// How many are kept.
        limit: u64,
    },
    /// The disk is larger than the format's block numbers.
    #[error("a disk of {size} bytes has more than 2^32 - 1 blocks of 2 MiB")]
    DiskTooLarge {
        /// Bytes of the disk.
        size: u64,
    },
    /// More data than the header's 32-bit sizes can represent.
    #[error("the index would exceed its 32-bit size field")]
    IndexTooLarge,
    /// A writer was asked for something that the format does not store.
    #[error("ZVHD2 stores zstd or zlib payloads only")]
    WriteCompression,
}

impl Detail for Unsupported {
    fn code(&self) -> &'static str {
        match self {
            Self::BlockSize { .. } => "zvhd.header.block-size",
            Self::IndexWithZeros { .. } => "zvhd.header.index-has-zeros",
            Self::Compression { .. } => "zvhd.header.compression",
            Self::Version { .. } => "zvhd.header.version",
            Self::TooManyRecords { .. } => "zvhd.limit.records",
            Self::DiskTooLarge { .. } => "zvhd.write.disk-too-large",
            Self::IndexTooLarge => "zvhd.write.index-too-large",
            Self::WriteCompression => "zvhd.write.packing",
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
