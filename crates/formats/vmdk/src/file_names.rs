//! File names of an image that consists of several files.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use imgprep_map::{Error, FilePart};

use crate::descriptor_text::WrittenExtent;
use crate::layout::SECTOR;
use crate::{Subformat, Unsupported};

/// Bytes of the disk per split extent: 2 GiB minus 1 MiB, as in vendor images.
///
/// The file, including its tables, has less than 2 GiB.
pub(crate) const SPLIT: u64 = 2047 << 20;
/// Largest number of split extents.
///
/// Writing and verifying keep two files open for each, and 1024 is a common limit.
pub(crate) const MAX_EXTENTS: u64 = 480;
/// Address of the descriptor, after all extents.
pub(crate) const DESCRIPTOR_AT: u64 = 1 << 62;

/// Fails if a descriptor cannot contain the names of extents next to `name`.
///
/// Invalid UTF-8 in `name` is already replaced.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    let is_invalid = |c: char| c == '"' || c == char::REPLACEMENT_CHARACTER || c.is_control();
    if name.is_empty() || name.chars().any(is_invalid) {
        return Err(Unsupported::WriteName { name: name.into() }.into());
    }
    Ok(())
}

/// The name of an extent: `disk-s001.vmdk` for `disk.vmdk` and the suffix `s001`.
pub(crate) fn extent_name(name: &str, suffix: &str) -> String {
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => format!("{stem}-{suffix}.{extension}"),
        _ => format!("{name}-{suffix}"),
    }
}

/// An extent of a disk in several files.
#[derive(Clone, Debug)]
pub(crate) struct ExtentFile {
    pub(crate) name: String,
    /// Bytes of the disk in this extent.
    pub(crate) disk: Range<u64>,
}

/// The extents of a split disk of `size` bytes.
///
/// `kind` selects the names: `s` (sparse) or `f` (flat). Fails if there are too many extents.
pub(crate) fn split(name: &str, size: u64, kind: char) -> Result<Vec<ExtentFile>, Error> {
    // An empty disk has one empty extent.
    let count = size.div_ceil(SPLIT).max(1);
    if count > MAX_EXTENTS {
        return Err(Unsupported::WriteDiskTooLarge { size, most: MAX_EXTENTS * SPLIT }.into());
    }
    let extent = |index| ExtentFile {
        name: extent_name(name, &format!("{kind}{:03}", index + 1)),
        disk: index * SPLIT..size.min((index + 1) * SPLIT),
    };
    Ok((0..count).map(extent).collect())
}

/// The names of all extents that an image in the file `name` can have, whatever its size.
pub fn extent_names(subformat: Subformat, name: &str) -> Vec<String> {
    let split = |kind| split(name, MAX_EXTENTS * SPLIT, kind).unwrap_or_default();
    let names = |extents: Vec<ExtentFile>| extents.into_iter().map(|extent| extent.name).collect();
    match subformat {
        Subformat::MonolithicFlat => Vec::from([extent_name(name, "flat")]),
        Subformat::SplitFlat => names(split('f')),
        Subformat::SplitSparse => names(split('s')),
        Subformat::MonolithicSparse | Subformat::StreamOptimized { .. } => Vec::new(),
    }
}

impl ExtentFile {
    pub(crate) fn len(&self) -> u64 {
        self.disk.end - self.disk.start
    }

    /// The extent's line in the descriptor.
    pub(crate) fn line<'a>(&'a self, kind: &'a str) -> WrittenExtent<'a> {
        WrittenExtent { sectors: self.len() / SECTOR, kind, name: &self.name }
    }
}

/// Maximum length in bytes of a descriptor with this many extents.
///
/// File names have up to 255 bytes.
pub(crate) fn max_descriptor_len(extents: usize) -> u64 {
    1024 + 300 * extents as u64
}

/// The descriptor as a file.
pub(crate) fn descriptor_file() -> FilePart {
    FilePart { name: None, range: DESCRIPTOR_AT..u64::MAX, min_len: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_have_the_names_that_qemu_gives_them() {
        assert_eq!(extent_name("a.vmdk", "flat"), "a-flat.vmdk");
        assert_eq!(extent_name("a.b.VMDK", "s001"), "a.b-s001.VMDK");
        assert_eq!(extent_name("a", "f002"), "a-f002");
        assert_eq!(extent_name(".vmdk", "flat"), ".vmdk-flat");
    }

    #[test]
    fn names_that_a_descriptor_cannot_contain_are_rejected() {
        for name in ["", "a\".vmdk", "a\nb.vmdk", "a\u{7f}.vmdk", "a\u{fffd}.vmdk"] {
            assert_eq!(check_name(name).unwrap_err().code().id, "vmdk.write.name", "{name:?}");
        }
        assert!(check_name("a b ü.vmdk").is_ok());
    }

    #[test]
    fn a_split_disk_has_extents_of_2047_mib() {
        let lens =
            |size| split("a.vmdk", size, 's').map(|all| all.iter().map(ExtentFile::len).collect::<Vec<_>>());
        assert_eq!(lens(0).unwrap(), [0]);
        assert_eq!(lens(SPLIT).unwrap(), [SPLIT]);
        assert_eq!(lens(SPLIT + 512).unwrap(), [SPLIT, 512]);
        let most = MAX_EXTENTS * SPLIT;
        assert_eq!(split("a.vmdk", most, 'f').unwrap().last().unwrap().name, "a-f480.vmdk");
        let error = lens(most + 512).unwrap_err();
        assert_eq!(error.detail(), Some(&Unsupported::WriteDiskTooLarge { size: most + 512, most }));
    }
}
