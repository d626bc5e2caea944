//! Where the files lie that images name, if that is not the local file system.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use imgprep_io::{ImageFile, NamedReader, OpenError, path_from_bytes};
use imgprep_map::{ImageName, ReadAt};

use crate::{ChainError, FollowPolicy};

/// Files that images name: an object store, an archive, or memory ([`MemoryFiles`]).
///
/// With [`OpenOptions::namespace`](crate::OpenOptions::namespace) all files of a chain come from it, and none from the local file
/// system.
pub trait Namespace: Send + Sync {
    /// The path of the file that the image at `image` names at file offset `at`.
    ///
    /// An implementation rejects what [`FollowPolicy::check_name`] rejects, and with [`FollowPolicy::Beside`] every name that
    /// leads out of the image's folder.
    fn resolve(
        &self,
        image: &Path,
        name: &ImageName,
        at: u64,
        follow: FollowPolicy,
    ) -> Result<PathBuf, ChainError>;

    /// Opens the file of this path. The same path has the same [`ImageFile::identity`] each time.
    fn open(&self, path: &Path) -> Result<Arc<dyn ImageFile>, OpenError>;

    /// All files in the folder of the image at `image`, which are searched for a parent that is known by its id only.
    fn siblings(&self, image: &Path) -> Vec<PathBuf>;
}

/// Files in memory, by their paths.
#[derive(Clone, Debug, Default)]
pub struct MemoryFiles(BTreeMap<PathBuf, Arc<dyn ImageFile>>);

impl MemoryFiles {
    /// No files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file, and replaces one of the same path.
    pub fn add(&mut self, path: impl Into<PathBuf>, reader: impl ReadAt + 'static) {
        let path = lexically_normal(&path.into());
        self.add_file(NamedReader::new(path, reader).into());
    }

    /// Adds an open file under its own path, and replaces one of the same path.
    pub fn add_file(&mut self, file: Arc<dyn ImageFile>) {
        self.0.insert(lexically_normal(file.path()), file);
    }

    /// Whether there are no files.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The path without `.` and with `..` removed where a folder precedes it.
fn lexically_normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(normal.components().next_back(), Some(Component::Normal(_))) => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

fn folder_of(path: &Path) -> PathBuf {
    lexically_normal(path.parent().unwrap_or(Path::new("")))
}

impl Namespace for MemoryFiles {
    fn resolve(
        &self,
        image: &Path,
        name: &ImageName,
        at: u64,
        follow: FollowPolicy,
    ) -> Result<PathBuf, ChainError> {
        follow.check_name(name, at)?;
        let folder = folder_of(image);
        let path = lexically_normal(&folder.join(path_from_bytes(name.0.clone())));
        let is_inside = path.starts_with(&folder)
            && !matches!(path.components().next(), Some(Component::ParentDir))
            && (path.is_absolute() == folder.is_absolute());
        if follow != FollowPolicy::Any && !is_inside {
            return Err(ChainError::Outside { at, name: name.to_string() });
        }
        if self.0.contains_key(&path) {
            Ok(path)
        } else {
            Err(ChainError::Missing { at, name: name.to_string() })
        }
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn ImageFile>, OpenError> {
        self.0.get(&lexically_normal(path)).cloned().ok_or(OpenError::NotFound)
    }

    fn siblings(&self, image: &Path) -> Vec<PathBuf> {
        let folder = folder_of(image);
        self.0.keys().filter(|path| folder_of(path) == folder).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_memory_are_resolved_within_the_folder_of_the_image() {
        let mut files = MemoryFiles::new();
        for path in ["a/base", "a/sub/base", "b/base", "/a/base"] {
            files.add(path, vec![1u8]);
        }
        let resolve = |name: &str, follow| {
            let found = files.resolve(Path::new("a/top"), &ImageName(name.into()), 7, follow);
            found.map(|path| path.display().to_string())
        };
        let name = |name: &str| name.to_string();
        for follow in [FollowPolicy::Beside, FollowPolicy::Any] {
            assert_eq!(resolve("base", follow), Ok(name("a/base")));
            assert_eq!(resolve("./sub/../sub/base", follow), Ok(name("a/sub/base")));
            assert_eq!(resolve("none", follow), Err(ChainError::Missing { at: 7, name: name("none") }));
            let protocol = ChainError::Protocol { at: 7, name: name("nbd:x"), scheme: name("nbd") };
            assert_eq!(resolve("nbd:x", follow), Err(protocol));
        }
        for outside in ["../b/base", "/a/base", "../../base"] {
            let error = ChainError::Outside { at: 7, name: name(outside) };
            assert_eq!(resolve(outside, FollowPolicy::Beside), Err(error));
        }
        assert_eq!(resolve("../b/base", FollowPolicy::Any), Ok(name("b/base")));
        assert_eq!(resolve("base", FollowPolicy::None), Err(ChainError::Shut { at: 7, name: name("base") }));
        assert_eq!(files.siblings(Path::new("a/top")), [Path::new("a/base")]);
        assert_eq!(files.open(Path::new("c")).unwrap_err(), OpenError::NotFound);
    }
}
