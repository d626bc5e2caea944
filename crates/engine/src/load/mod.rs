//! The bytes of a disk: which chunks are read, and how one chunk is read, decompressed and searched for zeros.

mod bounded_reader;
mod decompress_all;
mod jobs;
mod loader;
mod payload;
mod pieces;
mod prefetch;
mod scratch;
mod stream;
mod zeros;

pub use bounded_reader::BoundedReader;
pub use decompress_all::{DecompressVisitor, decompress_all, decompress_unflushed};
pub(crate) use jobs::{
    Chunk, Job, Pair, jobs, pairs, reading_memory, reading_share, with_backing, with_zeros, without_zeros,
};
pub(crate) use loader::{Loaded, Loader, Reads, load_chunk};
pub(crate) use pieces::{ChunkForm, PIECE, pieces_of};
pub use scratch::Decompressed;
pub(crate) use scratch::Scratch;
pub(crate) use zeros::data_runs;
pub use zeros::is_zero;
