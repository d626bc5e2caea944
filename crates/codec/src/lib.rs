//! Deflate and zstd, bounded.
//!
//! Everything here works on whole blocks: a payload comes in, exactly one block goes
//! out, or an error says how many bytes came instead. Nothing is allocated by what a
//! payload declares, and no output grows past the block.

mod compress;
mod decompress;
mod error;
mod finished;

pub use compress::{BlockCompressor, compress_bound, context_bytes};
pub use decompress::{BlockDecompressor, Continued, PayloadEnd};
pub use error::{CompressError, DecompressError};
