//! Files opened without a link on the way: what a path led to when it was checked is what is opened.
//!
//! `openat2` does it in one call (Linux 5.6); where that is missing or forbidden, one component after the other.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

/// A folder that files are opened in, whatever its name leads to meanwhile.
pub(crate) struct Folder(OwnedFd);

/// Only a handle: nothing is read, nothing waits, no device notices.
const HANDLE: OFlags = OFlags::PATH.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);
const FOLDER: OFlags = HANDLE.union(OFlags::DIRECTORY);
/// A pipe opens at once and is refused by its kind, a terminal does not become this process's own.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);

impl Folder {
    /// The folder of this absolute path, no component of which is a link.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        // Without O_NOFOLLOW a link at the end fails as one on the way does.
        let flags = FOLDER.difference(OFlags::NOFOLLOW);
        match openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
            Err(error) if is_unavailable(error) => Self::by_components(path),
            opened => Ok(Self(opened?)),
        }
    }

    fn by_components(path: &Path) -> io::Result<Self> {
        let mut folder = openat(CWD, "/", FOLDER, Mode::empty())?;
        for component in path.components() {
            match component {
                Component::RootDir => {}
                Component::Normal(name) => folder = openat(&folder, name, FOLDER, Mode::empty())?,
                _ => return Err(io::ErrorKind::InvalidInput.into()),
            }
        }
        Ok(Self(folder))
    }

    /// What has this name, a link itself included. It is not opened.
    pub(crate) fn look(&self, name: &OsStr) -> io::Result<Metadata> {
        File::from(openat(&self.0, name, HANDLE, Mode::empty())?).metadata()
    }

    /// Opens the file of this name for reading. A link fails.
    pub(crate) fn file(&self, name: &OsStr) -> io::Result<File> {
        let resolve = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);
        match openat2(&self.0, name, READ, Mode::empty(), resolve) {
            Err(error) if is_unavailable(error) => self.file_by_name(name),
            opened => Ok(opened?.into()),
        }
    }

    fn file_by_name(&self, name: &OsStr) -> io::Result<File> {
        Ok(openat(&self.0, name, READ, Mode::empty())?.into())
    }
}

/// Opens a file over links, and returns at once whatever it is.
pub(crate) fn open_at_once(path: &Path) -> io::Result<File> {
    let flags = READ.difference(OFlags::NOFOLLOW);
    Ok(openat(CWD, path, flags, Mode::empty())?.into())
}

/// Whether the system has no `openat2`, or a sandbox forbids it.
fn is_unavailable(error: Errno) -> bool {
    matches!(error, Errno::NOSYS | Errno::PERM)
}

/// Whether an error says that a link was in the way.
pub(crate) fn is_link(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;

    type Open = fn(&Path) -> io::Result<Folder>;
    type Read_ = fn(&Folder, &OsStr) -> io::Result<File>;

    #[test]
    fn a_folder_and_its_files_are_opened_without_links_by_either_way() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        std::fs::write(root.join("real/file"), "right").unwrap();
        symlink(root.join("real"), root.join("folder")).unwrap();
        symlink("file", root.join("real/link")).unwrap();
        let ways: [(Open, Read_); 2] =
            [(Folder::open, Folder::file), (Folder::by_components, Folder::file_by_name)];
        for (open, file) in ways {
            assert!(open(&root.join("folder")).is_err(), "the folder is a link");
            assert!(open(&root.join("real/file")).is_err(), "it is no folder");
            let folder = open(&root.join("real")).unwrap();
            assert!(folder.look(OsStr::new("link")).unwrap().is_symlink());
            assert!(is_link(&file(&folder, OsStr::new("link")).unwrap_err()));
            assert_eq!(file(&folder, OsStr::new("gone")).unwrap_err().kind(), io::ErrorKind::NotFound);
            let mut text = String::new();
            file(&folder, OsStr::new("file")).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "right");
        }
        assert!(Folder::by_components(&root.join("real/../real")).is_err(), "a way up");
    }

    #[test]
    fn a_pipe_opens_at_once() {
        let temp = tempfile::tempdir().unwrap();
        let pipe = temp.path().canonicalize().unwrap().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        open_at_once(&pipe).unwrap();
        let folder = Folder::open(pipe.parent().unwrap()).unwrap();
        folder.file(OsStr::new("pipe")).unwrap();
        folder.file_by_name(OsStr::new("pipe")).unwrap();
    }
}
