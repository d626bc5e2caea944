//! The other files of an image.

use alloc::string::String;
use alloc::vec::Vec;

use crate::ImageName;

/// A file that an image names as part of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRef {
    /// Its name, relative to the image's folder unless absolute. `None`: the image
    /// needs such a file but does not name it.
    pub name: Option<ImageName>,
    /// File offset of the name.
    pub at: u64,
    /// Its contents.
    pub role: FileRole,
    /// Other spellings of the name, tried in this order where no file has the first one.
    pub others: Vec<ImageName>,
    /// The encoding that the image declares for the name, where its bytes are not UTF-8.
    pub encoding: Option<String>,
}

impl FileRef {
    /// A file with one spelling of its name.
    pub fn new(name: Option<ImageName>, at: u64, role: FileRole) -> Self {
        Self { name, at, role, others: Vec::new(), encoding: None }
    }
}

/// The contents of a file that an image names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileRole {
    /// QCOW2's external data file.
    DataFile,
    /// A part of a VMDK's disk.
    ExtentFile,
    /// The list of changed blocks of a VMDK, without data of the disk.
    ChangeTracking,
}
