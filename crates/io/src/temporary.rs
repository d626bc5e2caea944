//! The temporary file of an output that is not complete yet.
//!
//! If the file system supports it (`O_TMPFILE`), the file has no name and vanishes with the process, also after SIGKILL or
//! an abort. `linkat` gives it its name, but cannot replace an existing file: for that it first gets a hidden name and is
//! then renamed. Otherwise, and if another program must open it by name, it is a hidden file.

use std::ffi::{CString, OsStr};
use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use tempfile::{Builder, NamedTempFile};

/// The prefix of the hidden names of an output called `name`. It contains a hash of the name, because names may have
/// the maximum length of file systems (255 bytes, 143 on eCryptfs).
pub fn hidden_prefix(name: &OsStr) -> String {
    format!(".imgprep-{:016x}-", fnv(name.as_bytes()))
}

/// FNV-1a, which is the same in every version and on every machine.
fn fnv(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Folder and prefix of the hidden names of the output `target`.
pub(crate) fn hidden_place(target: &Path) -> (&Path, String) {
    (folder_of(target), hidden_prefix(target.file_name().unwrap_or_default()))
}

pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file that vanishes when it is dropped, unless it has got its name before.
#[derive(Debug)]
pub(crate) enum Temporary {
    /// Without a name.
    Nameless(File),
    /// With a hidden name.
    Hidden(Hidden<File>),
}

impl Temporary {
    /// Creates a file in the folder of `target`, without a name if possible.
    pub(crate) fn nameless(target: &Path, mode: u32) -> io::Result<Self> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let opened = rustix::fs::open(folder_of(target), flags, Mode::from_raw_mode(mode));
        match opened.map(File::from) {
            Ok(file) if is_linkable(&file) => Ok(Self::Nameless(file)),
            _ => Self::hidden(target, mode),
        }
    }

    /// Creates a file in the folder of `target` with a hidden name.
    pub(crate) fn hidden(target: &Path, mode: u32) -> io::Result<Self> {
        let (folder, prefix) = hidden_place(target);
        let mut builder = Builder::new();
        let made = builder.prefix(&prefix).permissions(Permissions::from_mode(mode)).tempfile_in(folder)?;
        Ok(Self::Hidden(Hidden::new(made)))
    }

    pub(crate) fn file(&self) -> &File {
        match self {
            Self::Nameless(file) => file,
            Self::Hidden(hidden) => hidden.file.as_file(),
        }
    }

    /// Its hidden name, if it has one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Nameless(_) => None,
            Self::Hidden(hidden) => Some(hidden.path()),
        }
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        // Another program may have replaced the file of the hidden name.
        match self.path().map(File::open) {
            Some(Ok(file)) => file.sync_all(),
            _ => self.file().sync_all(),
        }
    }

    /// Gives it the name `target`, which must not exist.
    pub(crate) fn publish(self, target: &Path) -> io::Result<()> {
        match self {
            Self::Nameless(file) => link(&file, target),
            Self::Hidden(hidden) => {
                hidden.file.persist_noclobber(target).map(|_| ()).map_err(|error| error.error)
            }
        }
    }

    /// Gives it the name `target`, replacing an existing file.
    pub(crate) fn replace(self, target: &Path) -> io::Result<()> {
        let file = match self {
            Self::Nameless(file) => file,
            Self::Hidden(hidden) => {
                return hidden.file.persist(target).map(|_| ()).map_err(|error| error.error);
            }
        };
        match link(&file, target) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            done => return done,
        }
        let (folder, prefix) = hidden_place(target);
        let hidden = Hidden::new(Builder::new().prefix(&prefix).make_in(folder, |path| link(&file, path))?);
        hidden.file.persist(target).map_err(|error| error.error)
    }

    /// Its metadata, even if another program has replaced the file of the hidden name.
    pub(crate) fn metadata(&self) -> io::Result<Metadata> {
        self.path().map_or_else(|| self.file().metadata(), std::fs::symlink_metadata)
    }

    /// Gives it a second, hidden name, which begins with `prefix`.
    pub(crate) fn mark(&self, folder: &Path, prefix: &str) -> io::Result<Hidden<()>> {
        let made = Builder::new().prefix(prefix).make_in(folder, |path| match self {
            Self::Nameless(file) => link(file, path),
            Self::Hidden(hidden) => std::fs::hard_link(hidden.path(), path),
        })?;
        Ok(Hidden::new(made))
    }
}

/// The path from which an open file can be linked without a capability.
fn proc_path(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Whether `/proc` is available to link an unnamed file from.
fn is_linkable(file: &File) -> bool {
    let found = std::fs::metadata(proc_path(file)).and_then(|found| Ok((found, file.metadata()?)));
    found.is_ok_and(|(found, own)| (found.dev(), found.ino()) == (own.dev(), own.ino()))
}

fn link(file: &File, to: &Path) -> io::Result<()> {
    Ok(rustix::fs::linkat(CWD, proc_path(file), CWD, to, AtFlags::SYMLINK_FOLLOW)?)
}

/// A file with a hidden name, which is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Hidden<F> {
    file: NamedTempFile<F>,
    _listed: Listed,
}

impl<F> Hidden<F> {
    fn new(file: NamedTempFile<F>) -> Self {
        Self { _listed: Listed::new(file.path()), file }
    }

    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }
}

/// Hidden names that are in use.
static HIDDEN: Mutex<Vec<CString>> = Mutex::new(Vec::new());

/// A name in the list.
#[derive(Debug)]
struct Listed(CString);

impl Listed {
    fn new(path: &Path) -> Self {
        // OK: the path of an existing file contains no NUL.
        let name = CString::new(path.as_os_str().as_bytes()).unwrap_or_default();
        HIDDEN.lock().unwrap_or_else(PoisonError::into_inner).push(name.clone());
        Self(name)
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        HIDDEN.lock().unwrap_or_else(PoisonError::into_inner).retain(|name| *name != self.0);
    }
}

/// Removes all files with hidden names before the process ends, without allocating, and without waiting for a thread
/// that is changing the list.
pub(crate) fn remove_hidden() {
    if let Ok(names) = HIDDEN.try_lock() {
        for name in names.iter() {
            let _ = rustix::fs::unlink(name.as_c_str());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_name_is_short_whatever_the_name_of_the_output() {
        let long = "x".repeat(255);
        assert_eq!(hidden_prefix(OsStr::new(&long)).len(), 26);
        assert_eq!(hidden_prefix(OsStr::new("a")), ".imgprep-af63dc4c8601ec8c-");
        assert_ne!(hidden_prefix(OsStr::new("a.raw")), hidden_prefix(OsStr::new("a.mf")));
    }

    #[test]
    fn hidden_files_are_removed_by_name_when_the_process_must_end() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a");
        let kept = Temporary::hidden(&target, 0o600).unwrap();
        let path = kept.path().unwrap().to_path_buf();
        assert!(
            path.exists()
                && HIDDEN.lock().unwrap().iter().any(|name| name.as_bytes() == path.as_os_str().as_bytes())
        );
        drop(kept);
        assert!(
            !path.exists()
                && !HIDDEN.lock().unwrap().iter().any(|name| name.as_bytes() == path.as_os_str().as_bytes())
        );
    }
}
