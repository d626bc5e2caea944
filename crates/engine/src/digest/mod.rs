//! Digests of the contents of a disk.

mod algorithm;
mod blake3_tree;
mod disk;

pub use algorithm::{Digest, DigestAlgorithm};
pub(crate) use blake3_tree::{Blake3Tree, Subtree, subtree};
pub use disk::digest;
