//! Entries of a file's usage.

use core::ops::Range;

use imgprep_map::{FileId, FileUse, UseKind};

/// The use of `range` by the structure `name` of the image file.
pub fn metadata(range: Range<u64>, name: &'static str) -> FileUse {
    FileUse { file: FileId::SELF, range, kind: UseKind::Metadata(name), disk: None }
}
