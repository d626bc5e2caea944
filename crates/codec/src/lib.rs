//! Deflate and zstd, bounded.
