//! Converts a disk, or computes its bitmap or its checksums.

mod bitmap;
mod block_writes;
mod checksum;
mod conversion;
mod overlay;
mod reducer;
mod worker;
mod writer;

pub use bitmap::{BitOrder, Bitmap, BitmapShape};
#[cfg(test)]
pub(crate) use block_writes::BlockWrites;
pub use checksum::{ChecksumRange, Checksums, TrailingData, checksum};
pub use conversion::{CHUNK, Output, chunk_size, convert, scan};
pub use reducer::Converted;
pub(crate) use worker::data_ranges;
#[cfg(test)]
pub(crate) use writer::{Runs, Writer};
