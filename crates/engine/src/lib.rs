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

mod bitmap;
mod block_writes;
mod bounded_reader;
mod check_walks;
mod checksum;
mod codes;
mod convert;
mod cross_check;
#[cfg(test)]
mod devices;
mod error;
#[cfg(test)]
mod faults;
mod job;
mod load;
mod options;
mod payload;
mod pipeline;
mod prefetch;
mod reducer;
mod scratch;
mod stack;
mod stream;
mod table_scan;
mod usage;
mod watched;
mod work_units;
mod worker;
mod writer;
mod zeros;

pub use bitmap::{BitOrder, Bitmap, BitmapShape};
pub use bounded_reader::BoundedReader;
pub use check_walks::{
    DecompressVisitor, check_structure, check_unused, conflicts, decompress_all, decompress_unflushed, each,
    gaps,
};
pub use checksum::{Checksums, TrailingData, checksum};
pub use codes::CODES;
pub use convert::{Output, chunk_size, convert, scan};
pub use cross_check::cross_check;
pub use error::{EngineError, Loss, Losses};
pub use imgprep_codec::PayloadEnd;
pub use options::{Interrupt, OnLoss, Options, Progress, ProgressReading};
pub use reducer::Converted;
pub use scratch::Decompressed;
pub use stack::{Layer, ResolvedExtent, Stack};
pub use table_scan::{TableScan, scan_tables};
pub use usage::Compared;
pub use zeros::is_zero;
