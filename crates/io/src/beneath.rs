//! Opens files without following links, so that the file that was checked is the file that is opened.
//!
//! `openat2` does that in one call (Linux 5.6). If it is missing or forbidden, components are opened one by one.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

/// An open folder in which files are opened, even if its name changes.
pub(crate) struct Folder(OwnedFd);

/// Only a handle: nothing is read, and opening has no effect on a device.
const HANDLE: OFlags = OFlags::PATH.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);
const FOLDER: OFlags = HANDLE.union(OFlags::DIRECTORY);
/// Opening a pipe does not wait, and a terminal does not become the controlling terminal.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);

impl Folder {
    /// Opens the folder of this absolute path; a link in the path is an error.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        // Without O_NOFOLLOW a link at the end fails with the same error as one in the middle.
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

    /// The metadata of this name, of a link itself if it is one. The file is not opened.
    pub(crate) fn look(&self, name: &OsStr) -> io::Result<Metadata> {
        File::from(openat(&self.0, name, HANDLE, Mode::empty())?).metadata()
    }

    /// Opens the file of this name for reading. A link is an error.
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

/// Opens a file, following links, without waiting.
pub(crate) fn open_at_once(path: &Path) -> io::Result<File> {
    let flags = READ.difference(OFlags::NOFOLLOW);
    Ok(openat(CWD, path, flags, Mode::empty())?.into())
}

/// Whether `openat2` is missing or forbidden by a sandbox.
fn is_unavailable(error: Errno) -> bool {
    matches!(error, Errno::NOSYS | Errno::PERM)
}

/// Whether an error was caused by a link.
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
