//! The conversion from sizes of files and disks to sizes in memory.

// Files and disks exceed 4 GiB and are mapped as a whole, so every offset must fit into a pointer.
const _: () = assert!(usize::BITS >= u64::BITS, "imgprep runs on 64-bit systems only");

/// A size or offset as an index into memory.
///
/// It fits on every supported system. The caller checks that the index is valid, and that so much memory may be
/// allocated.
#[allow(clippy::cast_possible_truncation, reason = "asserted at compile time")]
pub fn usize_of(size: impl Into<u64>) -> usize {
    size.into() as usize
}
