//! Scan, convert, hash: the parallel part.
