//! File identity: whether two names refer to one file.

use std::ffi::OsString;
use std::fs::Metadata;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::temporary::folder_of;

/// The identity of a file, regardless of its name: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
}

impl FileIdentity {
    /// The identity of an open file. For a block device it is that of the device, regardless of the node.
    pub(crate) fn of(found: &Metadata) -> Self {
        if found.file_type().is_block_device() {
            // OK: no file has the inode 0.
            return Self { device: found.rdev(), inode: 0 };
        }
        Self { device: found.dev(), inode: found.ino() }
    }

    /// A unique identity, for a source that is not a local file.
    pub(crate) fn unique() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // OK: no device has this number (`NODEV`).
        Self { device: u64::MAX, inode: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    /// The identity of standard input; `None` if it is a pipe or a terminal.
    pub fn of_stdin() -> Option<Self> {
        of_stream(std::io::stdin().as_fd())
    }

    /// The identity of standard output; `None` if it is a pipe or a terminal.
    pub fn of_stdout() -> Option<Self> {
        of_stream(std::io::stdout().as_fd())
    }
}

fn of_stream(stream: BorrowedFd<'_>) -> Option<FileIdentity> {
    let found = std::fs::File::from(stream.try_clone_to_owned().ok()?).metadata().ok()?;
    let kind = found.file_type();
    (kind.is_file() || kind.is_block_device()).then(|| FileIdentity::of(&found))
}

/// The file that a path refers to, or the place where it would be created.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FilePlace {
    /// It exists.
    There(FileIdentity),
    /// It does not exist, but its folder does.
    Free {
        /// The folder.
        folder: FileIdentity,
        /// The name in it.
        name: OsString,
    },
    /// Its folder does not exist.
    Nowhere(PathBuf),
}

/// Links that are followed, as many as the system follows (`path_resolution(7)`).
const LINKS: usize = 40;

impl FilePlace {
    /// The place of `path`. Links are followed, also a dangling one.
    pub fn of(path: &Path) -> Self {
        let mut path = path.to_path_buf();
        for _ in 0..LINKS {
            if let Ok(found) = std::fs::metadata(&path) {
                return Self::There(FileIdentity::of(&found));
            }
            let Ok(to) = std::fs::read_link(&path) else { break };
            path = folder_of(&path).join(to);
        }
        match (std::fs::metadata(folder_of(&path)), path.file_name()) {
            (Ok(folder), Some(name)) => Self::Free { folder: FileIdentity::of(&folder), name: name.into() },
            _ => Self::Nowhere(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn names_of_one_file_are_one_place_also_before_it_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("sub")).unwrap();
        symlink("sub", at("way")).unwrap();
        symlink("sub/file", at("link")).unwrap();
        symlink("link", at("link-to-link")).unwrap();
        let names = ["sub/file", "sub/../sub/file", "way/file", "link", "link-to-link"];
        let one = |names: &[&str]| {
            names.windows(2).all(|two| FilePlace::of(&at(two[0])) == FilePlace::of(&at(two[1])))
        };
        assert!(one(&names));
        assert!(matches!(FilePlace::of(&at("link")), FilePlace::Free { .. }));
        assert_ne!(FilePlace::of(&at("file")), FilePlace::of(&at("sub/file")));
        std::fs::write(at("sub/file"), "").unwrap();
        std::fs::hard_link(at("sub/file"), at("hard")).unwrap();
        assert!(one(&names) && FilePlace::of(&at("hard")) == FilePlace::of(&at("link")));
        assert!(matches!(FilePlace::of(&at("link")), FilePlace::There(_)));
        symlink("loop", at("loop")).unwrap();
        assert!(matches!(FilePlace::of(&at("loop")), FilePlace::Free { .. }));
        assert_eq!(FilePlace::of(&at("no/such")), FilePlace::Nowhere(at("no/such")));
    }
}
