//! Deflate and zstd, bounded.
//!
//! All functions work on whole blocks: a payload decompresses to exactly one block,
//! or the error states the number of bytes instead. No allocation depends on what a
//! payload declares, and no output grows past the block.

mod codes;
mod compress;
mod decompress;
mod error;
mod finished;

pub use codes::CODES;
pub use compress::{BlockCompressor, compress_bound, context_bytes};
pub use decompress::{BlockDecompressor, Continued, PayloadEnd};
pub use error::{CompressError, DecompressError};
