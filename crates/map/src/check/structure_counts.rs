//! The counts of a structure check.

/// The counts of [`DiskMap::check`](crate::DiskMap::check); `None` where the format has no such unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StructureCounts {
    /// Errors in the image, counted as `qemu-img check` does.
    pub corruptions: u64,
    /// Allocation units of the file that are allocated and unused.
    pub leaks: u64,
    /// Allocation units that could not be checked.
    pub check_errors: u64,
    /// File offset after the last allocation unit in use.
    pub image_end: Option<u64>,
    /// Allocation units of the disk.
    pub total: Option<u64>,
    /// Allocation units of the disk that are stored.
    pub allocated: Option<u64>,
    /// Those of them that do not follow their predecessor in the file.
    pub fragmented: Option<u64>,
    /// Those of them that are compressed.
    pub compressed: Option<u64>,
}
