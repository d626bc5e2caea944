//! Sizes of files and disks as sizes in memory.

// Files and disks are larger than 4 GiB, and are mapped whole: every address must fit.
const _: () = assert!(usize::BITS >= u64::BITS, "imgprep runs on 64-bit systems only");

/// A size or offset as an index into memory. It fits by the assertion above; whether there is such an index, and how
/// much memory may be taken, is for the caller to check.
#[allow(clippy::cast_possible_truncation, reason = "asserted at compile time")]
pub fn usize_of(size: impl Into<u64>) -> usize {
    size.into() as usize
}
