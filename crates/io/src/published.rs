//! A file that is only valid together with one that is published after it: the bitmap of a RAW.
//!
//! Two names cannot appear in one step. In between, the first file has a second, hidden name, which is a hard link. If the
//! process is killed then, both names remain, and the next run recognises by them that the file is a leftover of this
//! program.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::temporary::{Hidden, Temporary, hidden_place};

/// A file with its final name, which it loses if it is dropped without [`keep`](Self::keep).
#[derive(Debug)]
pub struct Published {
    target: PathBuf,
    identity: (u64, u64),
    is_kept: bool,
    /// The second name, and the file, which is locked while this process runs. `None` on file systems without hard links:
    /// there a leftover cannot be recognised, and stays.
    mark: Option<(Hidden<()>, File)>,
}

impl Published {
    /// Marks a file that gets the name `target` next.
    pub(crate) fn new(temporary: &Temporary, target: &Path) -> io::Result<Self> {
        let found = temporary.metadata()?;
        let (folder, prefix) = hidden_place(target);
        let prefix = prefix + &modified(found.mtime(), found.mtime_nsec());
        let marked = temporary.mark(folder, &prefix).and_then(|mark| {
            let file = File::open(mark.path())?;
            file.try_lock()?;
            Ok((mark, file))
        });
        Ok(Self {
            target: target.to_path_buf(),
            identity: (found.dev(), found.ino()),
            is_kept: false,
            mark: marked.ok(),
        })
    }

    /// Keeps the final name and removes the hidden one.
    pub fn keep(mut self) {
        self.is_kept = true;
        self.mark = None;
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        let is_ours = |found: &std::fs::Metadata| (found.dev(), found.ino()) == self.identity;
        if !self.is_kept && std::fs::symlink_metadata(&self.target).is_ok_and(|found| is_ours(&found)) {
            // If the name cannot be removed, the file stays without the mark, and the next run does not replace it.
            let _ = std::fs::remove_file(&self.target);
        }
    }
}

/// The name of a mark contains the time of the last change: a file that was changed later is no leftover.
fn modified(seconds: i64, nanoseconds: i64) -> String {
    format!("{seconds}.{nanoseconds}-")
}

/// Removes `path` if it is a leftover of a killed process: published, but not kept. Returns whether it was.
pub fn remove_unfinished(path: &Path) -> io::Result<bool> {
    let found = match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => found,
        _ => return Ok(false),
    };
    let (folder, prefix) = hidden_place(path);
    let prefix = prefix + &modified(found.mtime(), found.mtime_nsec());
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let is_mark = entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes())
            && entry.metadata().is_ok_and(|mark| (mark.dev(), mark.ino()) == (found.dev(), found.ino()));
        // A running process that is about to publish the other file has locked it.
        if is_mark && File::open(entry.path())?.try_lock().is_ok() {
            std::fs::remove_file(path)?;
            std::fs::remove_file(entry.path())?;
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use imgprep_map::Sink as _;

    use super::*;
    use crate::{OutputFile, OutputOptions};

    fn published(path: &Path) -> Published {
        let output = OutputFile::create(path, OutputOptions::default()).unwrap();
        output.write_at(0, &[b"map"]).unwrap();
        output.publish_before().unwrap()
    }

    fn count(folder: &Path) -> usize {
        std::fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn a_file_that_is_not_kept_loses_its_name_and_one_that_is_kept_has_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mf");
        drop(published(&path));
        assert_eq!(count(folder.path()), 0);
        published(&path).keep();
        assert_eq!((count(folder.path()), std::fs::read(&path).unwrap()), (1, b"map".to_vec()));
    }

    #[test]
    fn another_file_under_the_name_is_not_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mf");
        let published = published(&path);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "another").unwrap();
        drop(published);
        assert_eq!(std::fs::read(&path).unwrap(), b"another");
    }

    #[test]
    fn only_what_a_dead_process_published_and_nobody_changed_is_unfinished() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mf");
        assert!(!remove_unfinished(&path).unwrap(), "there is nothing");
        let living = published(&path);
        assert!(!remove_unfinished(&path).unwrap(), "its process is alive");
        // As after a kill: both names, and no lock.
        let mark = living.mark.as_ref().unwrap().0.path().to_path_buf();
        let copy = folder.path().join("copy");
        std::fs::hard_link(&mark, &copy).unwrap();
        living.keep();
        std::fs::rename(&copy, &mark).unwrap();
        let time = std::fs::metadata(&path).unwrap().modified().unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(time + std::time::Duration::from_secs(1)).unwrap();
        assert!(!remove_unfinished(&path).unwrap(), "somebody wrote to it");
        file.set_modified(time).unwrap();
        assert!(remove_unfinished(&path).unwrap());
        assert_eq!(count(folder.path()), 0);
        std::fs::write(&path, "map").unwrap();
        assert!(!remove_unfinished(&path).unwrap(), "a file without a mark is somebody's");
    }
}
