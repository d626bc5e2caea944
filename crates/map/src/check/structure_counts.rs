//! The counts of a structure check.

/// What [`DiskMap::check`](crate::DiskMap::check) counted; `None` where a format has no such thing.
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
    /// Of those, the ones that do not follow their neighbour in the file.
    pub fragmented: Option<u64>,
    /// Of those, the compressed ones.
    pub compressed: Option<u64>,
}
