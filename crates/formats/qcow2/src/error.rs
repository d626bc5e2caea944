//! What can be wrong in a QCOW2, and what is not read.

use alloc::string::String;

use imgprep_map::{Class, Detail};

/// A file that contradicts itself or the specification. Offsets are file offsets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// The file ends before its header does.
    #[error("the header needs {expected} bytes, but the file has {file_len}")]
    HeaderCut {
        /// Bytes that are needed.
        expected: u64,
        /// Bytes that are there.
        file_len: u64,
    },
    /// The first bytes are not QCOW2's.
    #[error("the file begins with {found:02x?}, expected the QCOW2 magic")]
    Magic {
        /// What stands there.
        found: [u8; 4],
    },
    /// A field has a value that cannot be.
    #[error("{field} is {found}, expected {expected}")]
    Field {
        /// Offset of the field.
        at: u64,
        /// The specification's name.
        field: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: u64,
    },
    /// A table does not lie inside the file.
    #[error("{table} is at bytes {start}..{end}, but the file has {file_len}")]
    TablePastEnd {
        /// Offset of the field or entry that names it.
        at: u64,
        /// Which table.
        table: &'static str,
        /// Its first byte.
        start: u64,
        /// Its end, saturated.
        end: u64,
        /// Length of the file.
        file_len: u64,
    },
    /// The L1 table does not cover the disk.
    #[error("the L1 table has {found} entries, but a disk of {size} bytes needs {expected}")]
    L1TooShort {
        /// Offset of its size.
        at: u64,
        /// Entries that are needed.
        expected: u64,
        /// Entries that are there.
        found: u64,
        /// Length of the disk.
        size: u64,
    },
    /// An L1 or L2 entry has bits that must be clear, or an offset that is not aligned.
    #[error("invalid {table} entry {found:#018x}: {reason}")]
    Entry {
        /// Offset of the entry.
        at: u64,
        /// Which table.
        table: &'static str,
        /// The entry.
        found: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An L1 table that names L2 tables again and again: each of them can describe one part of the disk.
    #[error("the L2 table at {found}, or one before it, is referenced repeatedly, expected once")]
    TablesRepeated {
        /// Offset of the L1 entry with which it was too often.
        at: u64,
        /// The table that it names.
        found: u64,
    },
    /// Data that does not lie inside its file.
    #[error("the entry points to bytes {start}..{end}, but the file has {file_len}")]
    DataPastEnd {
        /// Offset of the entry.
        at: u64,
        /// First byte of the data.
        start: u64,
        /// Its end.
        end: u64,
        /// Length of the file that the data is in.
        file_len: u64,
    },
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
    /// In an external data file every cluster stands at its own offset, raw or not: QEMU
    /// takes any other place for corruption.
    #[error("the entry points to {found}, but in an external data file it must point to {expected}")]
    NotRaw {
        /// Offset of the entry.
        at: u64,
        /// Offset of the cluster on the disk.
        expected: u64,
        /// Offset in the data file.
        found: u64,
    },
    /// A header extension runs out of the header's cluster.
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
    /// A snapshot table entry runs out of the file.
    #[error("snapshot table entry {index} ends at {end}, but the file has {file_len}")]
    SnapshotPastEnd {
        /// Offset of the entry.
        at: u64,
        /// Its number.
        index: u32,
        /// Where it ends.
        end: u64,
        /// Length of the file.
        file_len: u64,
    },
    /// QEMU found the image broken and says so.
    #[error("the image is marked corrupt: run qemu-img check -r all on a copy first")]
    MarkedCorrupt {
        /// Offset of the feature bits.
        at: u64,
    },
}

impl Detail for Corrupt {
    fn code(&self) -> &'static str {
        match self {
            Self::HeaderCut { .. } => "qcow2.header.cut",
            Self::Magic { .. } => "qcow2.header.magic",
            Self::Field { .. } => "qcow2.header.field",
            Self::TablePastEnd { .. } => "qcow2.table.past-end",
            Self::L1TooShort { .. } => "qcow2.l1.too-short",
            Self::Entry { .. } => "qcow2.table.entry",
            Self::TablesRepeated { .. } => "qcow2.table.repeated",
            Self::DataPastEnd { .. } => "qcow2.l2.past-end",
            Self::Subclusters { .. } => "qcow2.l2.subclusters",
            Self::NotRaw { .. } => "qcow2.l2.not-raw",
            Self::ExtensionOverrun { .. } => "qcow2.extension.overrun",
            Self::SnapshotPastEnd { .. } => "qcow2.snapshot.past-end",
            Self::MarkedCorrupt { .. } => "qcow2.header.corrupt-flag",
        }
    }

    fn class(&self) -> Class {
        Class::Corrupt
    }

    fn at(&self) -> Option<u64> {
        Some(match self {
            Self::HeaderCut { file_len, .. } => *file_len,
            Self::Magic { .. } => 0,
            Self::Field { at, .. }
            | Self::TablePastEnd { at, .. }
            | Self::L1TooShort { at, .. }
            | Self::Entry { at, .. }
            | Self::TablesRepeated { at, .. }
            | Self::DataPastEnd { at, .. }
            | Self::Subclusters { at, .. }
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
    /// A version that does not exist yet.
    #[error("unsupported version {version}: supported are 2 and 3")]
    Version {
        /// What the header says.
        version: u32,
    },
    /// Incompatible features of a later time.
    #[error("unknown incompatible features: {names}")]
    Features {
        /// Offset of the feature bits.
        at: u64,
        /// Their names from the image's own table, or their bits.
        names: String,
    },
    /// A compression that does not exist yet.
    #[error("unsupported compression type {kind}: supported are 0 (zlib) and 1 (zstd)")]
    Compression {
        /// Offset of the field.
        at: u64,
        /// What it says.
        kind: u8,
    },
    /// The payload is locked away.
    #[error("the image is encrypted ({method}): encrypted data cannot be read")]
    Encrypted {
        /// Offset of the field.
        at: u64,
        /// AES, LUKS, or a number.
        method: String,
    },
    /// There is no such snapshot.
    #[error("unknown snapshot {wanted:?}; the image has: {present}")]
    NoSnapshot {
        /// What was asked for.
        wanted: String,
        /// Those that there are.
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
    /// More snapshots than are listed.
    #[error("{found} snapshots exceed the limit of {limit}")]
    TooManySnapshots {
        /// Offset of the count.
        at: u64,
        /// How many.
        found: u32,
        /// The bound.
        limit: u32,
    },
    /// A name or extension longer than what is kept.
    #[error("text of {found} bytes exceeds the limit of {limit}")]
    TextTooLong {
        /// Offset of its length.
        at: u64,
        /// How long.
        found: u64,
        /// The bound.
        limit: u64,
    },
}

impl Detail for Unsupported {
    fn code(&self) -> &'static str {
        match self {
            Self::Version { .. } => "qcow2.header.version",
            Self::Features { .. } => "qcow2.header.unknown-feature",
            Self::Compression { .. } => "qcow2.header.compression",
            Self::Encrypted { .. } => "qcow2.header.encrypted",
            Self::NoSnapshot { .. } => "qcow2.snapshot.not-found",
            Self::TooManySnapshots { .. } => "qcow2.limit.snapshots",
            Self::TextTooLong { .. } => "qcow2.limit.text",
            Self::WriteDiskTooLarge { .. } => "qcow2.write.disk-too-large",
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::NoSnapshot { .. } => Class::Refused,
            Self::TooManySnapshots { .. } | Self::TextTooLong { .. } => Class::Limit,
            _ => Class::Unsupported,
        }
    }

    fn at(&self) -> Option<u64> {
        match self {
            Self::Version { .. } => Some(4),
            Self::Features { at, .. }
            | Self::Compression { at, .. }
            | Self::Encrypted { at, .. }
            | Self::TooManySnapshots { at, .. }
            | Self::TextTooLong { at, .. } => Some(*at),
            Self::NoSnapshot { .. } | Self::WriteDiskTooLarge { .. } => None,
        }
    }
}
