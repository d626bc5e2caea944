//! The engine: it moves the bytes that a stack of maps describes.
//!
//! It depends on no format, file or policy. It is handed a [`Stack`] (the layers of
//! a disk with their opened sources) and, for a conversion, a format's
//! [`ImageWriter`](imgprep_map::ImageWriter) and a [`Sink`](imgprep_map::Sink). So all its tests
//! run in memory.
//!
//! One disk goes through it like this:
//!
//! 1. [`scan_tables`] walks all tables once: it finds what cannot be read, holds the uses
//!    of every layer against each other, and counts the chunks that may hold data. No
//!    payload is touched and no output exists yet.
//!    Before it, [`cross_check`] finds what the tables say against each other though they can be read.
//! 2. [`convert`] walks again, hands chunks with data to workers (read, decompress, scan
//!    for zeros, checksum, compress) and places the results in order with one reducer.
//! 3. [`checksum`] reads a finished output the same way and [`Checksums::compare`]
//!    holds it against what went in.
//!
//! A check looks without making anything: [`conflicts`], [`gaps`], [`decompress_all`]; [`each`]
//! does many files at once.
//!
//! The walk skips what the maps call zeros, so the cost follows the data.

mod codes;
mod convert;
mod each;
mod error;
mod load;
mod mask;
mod options;
mod pipeline;
mod scan;
mod stack;
#[cfg(test)]
mod tests;
mod watched;

pub use codes::CODES;
pub use convert::{
    BitOrder, Bitmap, BitmapShape, Checksums, Converted, Output, TrailingData, checksum, chunk_size, convert,
    scan,
};
pub use each::each;
pub use error::{EngineError, Loss, Losses};
pub use imgprep_codec::PayloadEnd;
pub use load::{
    BoundedReader, DecompressVisitor, Decompressed, decompress_all, decompress_unflushed, is_zero,
};
pub use options::{Interrupt, OnLoss, Options, Progress, ProgressReading};
pub use scan::{
    AllocationHistogram, Compared, PartAllocation, TableScan, check_structure, check_unused, conflicts,
    cross_check, gaps, scan_tables,
};
pub use stack::{Layer, ResolvedExtent, Stack};
