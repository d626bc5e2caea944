//! Options and destination of a conversion.

use std::path::PathBuf;

use imgprep_engine::DigestAlgorithm;
use imgprep_io::{CacheMode, Existing, Sync};

use crate::{BitmapMaker, Target};

/// The destination of a conversion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A file or a block device.
    Path(PathBuf),
    /// Standard output.
    Stdout,
}

/// Whether the output is read back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// No.
    #[default]
    Skip,
    /// It is read back, decompressed and compared, before it gets its name.
    ReadBack,
}

/// Whether a conversion computes the checksum of the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksum {
    /// No.
    #[default]
    Skip,
    /// CRC-32, in [`Converted::crc32`](crate::Converted::crc32).
    Crc32,
    /// CRC-32, and digests in [`Converted::digests`](crate::Converted::digests).
    ///
    /// BLAKE3 of the source is computed by the conversion itself, and that of the output's contents by its verification. The output's
    /// file is read once more; for SHA-256, so are the source and a verified output.
    Digest(DigestAlgorithm),
}

/// Options of a conversion.
#[derive(Clone, Debug)]
pub struct ConvertOptions {
    /// The format.
    pub target: Target,
    /// How an existing output is handled.
    pub existing: Existing,
    /// Whether the output is synced.
    pub sync: Sync,
    /// Whether it is written through the page cache.
    pub cache: CacheMode,
    /// Whether it is read back.
    pub verify: Verify,
    /// Whether the checksum of the disk is computed.
    pub checksum: Checksum,
    /// The bitmap to write next to a RAW file, and its path.
    pub bitmap: Option<(BitmapMaker, PathBuf)>,
    /// The output's uuid, if its format has one.
    pub uuid: [u8; 16],
    /// The timestamp of the output, in seconds since 1970.
    pub unix_time: u64,
}
