//! Entries of a file's usage.

use core::ops::Range;

use imgprep_map::{FileId, FileUse, UseKind};

/// The use of `range` by the structure `name` of the image file.
pub fn metadata(range: Range<u64>, name: &'static str) -> FileUse {
    FileUse { file: FileId::SELF, range, kind: UseKind::Metadata(name), disk: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_in_the_image_file_and_belongs_to_no_part_of_the_disk() {
        let one = metadata(8..24, "the L1 table");
        let kind = UseKind::Metadata("the L1 table");
        assert_eq!(one, FileUse { file: FileId::SELF, range: 8..24, kind, disk: None });
    }
}
