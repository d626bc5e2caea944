//! The numbers of a structure check.

/// What [`DiskMap::check`](crate::DiskMap::check) counted; `None` where a format has no such thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Errors in the image, counted as `qemu-img check` does.
    pub corruptions: u64,
    /// Units of the file that are taken and not used.
    pub leaks: u64,
    /// Units that could not be checked.
    pub check_errors: u64,
    /// File offset behind the last unit that is used.
    pub image_end: Option<u64>,
    /// Units of the disk.
    pub total: Option<u64>,
    /// Units of the disk that are stored.
    pub allocated: Option<u64>,
    /// Of those, the ones that do not follow their neighbour in the file.
    pub fragmented: Option<u64>,
    /// Of those, the packed ones.
    pub packed: Option<u64>,
}
