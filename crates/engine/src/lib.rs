//! The engine: it moves the bytes that a stack of maps describes.
//!
//! It depends on no format, file or policy. Its input is a [`Stack`] (the layers of a disk with their opened sources)
//! and, for a conversion, a format's [`ImageWriter`](imgprep_map::ImageWriter) and a [`Sink`](imgprep_map::Sink). So
//! all its tests run in memory.
//!
//! A conversion has these steps:
//!
//! 1. [`cross_check`] reports contradictions between the tables that leave them readable.
//! 2. [`scan_tables`] walks all tables once: it finds what cannot be read, compares the file usage of every layer, and
//!    counts the chunks that may contain data. No payload is read and no output exists yet.
//! 3. [`convert`] walks the extents again, passes chunks with data to workers (read, decompress, scan for zeros,
//!    checksum, compress) and stores the results in disk order with one reducer.
//! 4. [`checksum`] reads the finished output in the same way, and [`Checksums::compare`] compares it with the source.
//!
//! [`punch_zeros`] makes a RAW file sparse in place.
//!
//! [`compare`] reads two disks and lists the ranges in which they differ.
//!
//! [`digest`] computes digests of all bytes of a disk.
//!
//! The walks of a check write nothing: [`conflicts`], [`gaps`], [`decompress_all`]; [`each`] runs many of them in parallel.
//!
//! A walk skips what the maps report as zeros, so the cost depends on the amount of data.

mod codes;
mod compare;
mod convert;
mod digest;
mod each;
mod error;
mod load;
mod mask;
mod options;
mod pipeline;
mod punch;
mod scan;
mod stack;
#[cfg(test)]
mod tests;
mod watched;

pub use codes::CODES;
pub use compare::{CompareShape, Differences, ScannedDisk, compare};
pub use convert::{
    BitOrder, Bitmap, BitmapShape, CHUNK, ChecksumRange, Checksums, Converted, Output, TrailingData,
    checksum, chunk_size, convert, scan,
};
pub use digest::{Digest, DigestAlgorithm, digest};
pub use each::each;
pub use error::{EngineError, Loss, Losses};
pub use imgprep_codec::PayloadEnd;
pub use load::{
    BoundedReader, DecompressVisitor, Decompressed, decompress_all, decompress_unflushed, is_zero,
};
pub use options::{Interrupt, OnLoss, Options, Progress, ProgressReading};
pub use punch::{PunchHoles, Punched, punch_zeros};
pub use scan::{
    AllocationHistogram, Compared, PartAllocation, TableScan, check_structure, check_unused, conflicts,
    cross_check, gaps, scan_tables,
};
pub use stack::{Layer, ResolvedExtent, Stack};
