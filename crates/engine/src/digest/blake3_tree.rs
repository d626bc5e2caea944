//! BLAKE3 of a disk whose chunks are hashed in any order.
//!
//! BLAKE3 is a binary tree (BLAKE3 specification, 2.1). A chunk of a power of two of bytes is a complete subtree, and the last
//! chunk of the disk is one, too. The value of a subtree depends on its offset, so every chunk of zeros has another value.

use std::ops::Range;

use blake3::Hasher;
use blake3::hazmat::{ChainingValue, HasherExt as _, Mode, merge_subtrees_non_root, merge_subtrees_root};

/// Zeros that are hashed at once: enough for all lanes of the processor.
pub(crate) const ZEROS: &[u8] = &[0; 64 << 10];

/// The value of the subtree of one chunk, or of the whole tree if the disk of `size` bytes is one chunk.
///
/// Without bytes, the chunk is all zeros.
pub(crate) fn subtree(range: &Range<u64>, size: u64, bytes: Option<&[u8]>) -> ChainingValue {
    let mut subtree = Subtree::new(range, size);
    match bytes {
        Some(bytes) => subtree.update(bytes),
        None => subtree.update_zeros(range.end - range.start),
    }
    subtree.finish()
}

/// The hash of one chunk that is computed in pieces.
pub(crate) struct Subtree {
    hasher: Hasher,
    /// Whether the chunk is the whole disk.
    is_root: bool,
}

impl Subtree {
    /// The chunk `range` of a disk of `size` bytes.
    pub(crate) fn new(range: &Range<u64>, size: u64) -> Self {
        let is_root = range.end - range.start == size;
        let mut hasher = Hasher::new();
        if !is_root {
            hasher.set_input_offset(range.start);
        }
        Self { hasher, is_root }
    }

    /// Adds the next bytes. Pieces of a power of two of bytes are hashed fastest.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// Adds `len` zeros.
    pub(crate) fn update_zeros(&mut self, len: u64) {
        pieces_of_zeros(len, |zeros| self.update(zeros));
    }

    /// The value after the last byte of the chunk.
    pub(crate) fn finish(self) -> ChainingValue {
        let hasher = self.hasher;
        if self.is_root { *hasher.finalize().as_bytes() } else { hasher.finalize_non_root() }
    }
}

/// Passes `len` zeros in pieces.
pub(crate) fn pieces_of_zeros(len: u64, mut each: impl FnMut(&[u8])) {
    let mut left = len;
    while left > 0 {
        // OK: at most the length of the constant.
        let piece = &ZEROS[..left.min(ZEROS.len() as u64) as usize];
        each(piece);
        left -= piece.len() as u64;
    }
}

/// The tree over the chunks so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Blake3Tree {
    /// Complete subtrees, each larger than the next one.
    complete: Vec<ChainingValue>,
    /// The last chunk, which is merged only once another one follows: the root is merged in another way.
    last: Option<ChainingValue>,
    /// Chunks in `complete`.
    count: u64,
}

impl Blake3Tree {
    /// Adds the next chunk of the disk.
    pub(crate) fn push(&mut self, chunk: ChainingValue) {
        let Some(mut subtree) = self.last.replace(chunk) else { return };
        self.count += 1;
        // As many subtrees have the same size as the count ends with zero bits.
        for _ in 0..self.count.trailing_zeros() {
            let Some(left) = self.complete.pop() else { break };
            subtree = merge_subtrees_non_root(&left, &subtree, Mode::Hash);
        }
        self.complete.push(subtree);
    }

    /// The digest of the disk.
    pub(crate) fn finish(mut self) -> [u8; 32] {
        let Some(mut right) = self.last else { return *blake3::hash(&[]).as_bytes() };
        while let Some(left) = self.complete.pop() {
            if self.complete.is_empty() {
                return *merge_subtrees_root(&left, &right, Mode::Hash).as_bytes();
            }
            right = merge_subtrees_non_root(&left, &right, Mode::Hash);
        }
        // A single chunk is the root.
        right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_chunks(disk: &[u8], chunk: usize) -> [u8; 32] {
        let mut tree = Blake3Tree::default();
        for (index, bytes) in disk.chunks(chunk).enumerate() {
            let start = (index * chunk) as u64;
            let range = start..start + bytes.len() as u64;
            let stored = bytes.iter().any(|byte| *byte != 0).then_some(bytes);
            tree.push(subtree(&range, disk.len() as u64, stored));
        }
        tree.finish()
    }

    /// The reference is the hash of the whole by the same crate, which cuts the tree itself.
    #[test]
    fn the_tree_of_chunks_is_the_hash_of_the_whole() {
        let disk: Vec<u8> =
            (0..300_000_u32).map(|at| (at % 251) as u8 * u8::from(at % 70_000 < 30_000)).collect();
        for chunk in [1024, 4096, 65536] {
            for chunks in 0..=9 {
                for more in [0, 1, 1023, 1024, 1025] {
                    let len = (chunks * chunk + more).min(disk.len());
                    let want = *blake3::hash(&disk[..len]).as_bytes();
                    assert_eq!(of_chunks(&disk[..len], chunk), want, "{chunk} {len}");
                }
            }
        }
    }

    #[test]
    fn zeros_are_hashed_like_stored_ones() {
        for len in [1, 1024, 65535, 65536, 200_000] {
            let bytes = vec![0; len];
            let range = 0..len as u64;
            assert_eq!(subtree(&range, len as u64, None), *blake3::hash(&bytes).as_bytes());
            let range = 1 << 30..(1 << 30) + len as u64;
            assert_eq!(subtree(&range, 1 << 40, None), subtree(&range, 1 << 40, Some(&bytes)));
        }
    }

    /// The number of a chunk is an input of its compressions (BLAKE3 specification, 2.4): no value can be used twice.
    #[test]
    fn zeros_at_another_offset_have_another_value() {
        let values: std::collections::BTreeSet<_> =
            (0..64).map(|index| subtree(&(index << 21..(index + 1) << 21), 1 << 40, None)).collect();
        assert_eq!(values.len(), 64);
    }
}
