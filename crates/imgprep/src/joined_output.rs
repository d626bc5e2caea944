//! The files of an image that consists of several, as one output.
//!
//! Each file has a range of addresses. The files get their names once all of them are complete: first those that the
//! descriptor names, then the descriptor. No kill leaves a descriptor next to incomplete or foreign extents.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use imgprep_io::{Existing, ImageFile, OpenError, OutputFile, OutputOptions};
use imgprep_map::{Error, FilePart, Sink, SinkKind, WriteError};

use crate::{Output, Target};

/// A file and its addresses.
struct Joined {
    file: OutputFile,
    path: PathBuf,
    range: Range<u64>,
    /// The length that it has at the end, in bytes.
    len: AtomicU64,
}

/// All files of an image.
pub(crate) struct JoinedTarget {
    /// In the order of their addresses.
    files: Vec<Joined>,
    /// The index of the file that names the others.
    descriptor: usize,
    existing: Existing,
    /// The first address of the file that was written last.
    last: AtomicU64,
}

/// Images of more files are written through the page cache: direct I/O opens each of them once more.
const MAX_DIRECT_FILES: usize = 160;

/// The path of an output whose link is followed: its extents are next to the file.
fn resolved(path: &Path) -> PathBuf {
    let is_link = path.symlink_metadata().is_ok_and(|found| found.is_symlink());
    path.canonicalize().ok().filter(|_| is_link).unwrap_or_else(|| path.to_path_buf())
}

/// The paths of all files of the image at `path`.
pub(crate) fn paths_of(path: &Path, parts: &[FilePart]) -> Vec<PathBuf> {
    parts.iter().map(|part| path_of(&resolved(path), part)).collect()
}

/// Like [`paths_of`], without the file at `path` itself.
pub(crate) fn extents_of(path: &Path, parts: &[FilePart]) -> Vec<PathBuf> {
    let path = resolved(path);
    parts.iter().filter(|part| part.name.is_some()).map(|part| path_of(&path, part)).collect()
}

fn path_of(path: &Path, part: &FilePart) -> PathBuf {
    part.name.as_ref().map_or_else(|| path.to_path_buf(), |name| path.with_file_name(name))
}

impl Target {
    /// The paths of all files, apart from `path` itself, that an image at `path` can consist of. An image has as many of them,
    /// from the first one, as its size requires. Empty for a target of one file.
    pub fn extent_paths(&self, path: &Path) -> Vec<PathBuf> {
        let path = resolved(path);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        self.extent_names(&name).into_iter().map(|name| path.with_file_name(name)).collect()
    }
}

impl JoinedTarget {
    /// Creates all files. If one of them cannot be created, none is left behind.
    pub(crate) fn create(path: &Path, parts: &[FilePart], options: OutputOptions) -> Result<Self, Error> {
        let path = &resolved(path);
        let is_new = path.symlink_metadata().is_err();
        let mut files = Vec::with_capacity(parts.len());
        for part in parts {
            let path = path_of(path, part);
            let in_path = |error: Error| error.in_path(path.display().to_string());
            if options.existing == Existing::Refuse && is_new {
                // An extent without its descriptor, left by a run that was killed between the two.
                let removed = imgprep_io::remove_unfinished(&path);
                removed.map_err(|error| in_path(OpenError::from(error).into()))?;
            }
            let file = OutputFile::create(&path, options).map_err(|error| in_path(error.into()))?;
            files.push(Joined { file, path, range: part.range.clone(), len: AtomicU64::new(part.min_len) });
        }
        let descriptor = parts.iter().position(|part| part.name.is_none()).unwrap_or(0);
        Ok(Self { files, descriptor, existing: options.existing, last: AtomicU64::new(0) })
    }

    fn descriptor(&self) -> &Joined {
        // OK: the index of one of them.
        &self.files[self.descriptor]
    }

    /// Prepares a write to a file: what direct I/O has collected for another one is written, so that only one file needs
    /// memory for that.
    fn turn_to(&self, file: &Joined) -> Result<(), WriteError> {
        let last = self.last.swap(file.range.start, Ordering::Relaxed);
        if last == file.range.start {
            return Ok(());
        }
        self.files_in(last..last.saturating_add(1)).try_for_each(|(file, _)| file.file.flush())
    }

    /// The files with addresses in `range`, and their parts of it.
    fn files_in(&self, range: Range<u64>) -> impl Iterator<Item = (&Joined, Range<u64>)> {
        let first = self.files.partition_point(|file| file.range.end <= range.start);
        let from_first = self.files.iter().skip(first);
        from_first
            .take_while({
                let end = range.end;
                move |file| file.range.start < end
            })
            .map(move |file| (file, range.start.max(file.range.start)..range.end.min(file.range.end)))
    }
}

impl Joined {
    /// Writes bytes at an address.
    fn write(&self, at: u64, parts: &[&[u8]]) -> Result<(), WriteError> {
        let at = at - self.range.start;
        self.file.write_at(at, parts)?;
        let len: usize = parts.iter().map(|part| part.len()).sum();
        self.len.fetch_max(at + len as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// The slices of `parts` without the first `skip` bytes, up to `len` bytes of them.
fn cut<'b>(parts: &[&'b [u8]], mut skip: u64, mut len: u64) -> Vec<&'b [u8]> {
    let mut cut = Vec::with_capacity(parts.len());
    for part in parts {
        let start = skip.min(part.len() as u64);
        let end = (start + len).min(part.len() as u64);
        // OK: at most the length of the slice.
        cut.push(&part[start as usize..end as usize]);
        skip -= start;
        len -= end - start;
    }
    cut
}

impl Sink for JoinedTarget {
    fn kind(&self) -> SinkKind {
        SinkKind::Random
    }

    fn reads_as_zeros(&self) -> bool {
        true
    }

    fn can_reflink(&self) -> bool {
        self.descriptor().file.can_reflink()
    }

    fn write_at(&self, at: u64, parts: &[&[u8]]) -> Result<(), WriteError> {
        let len: u64 = parts.iter().map(|part| part.len() as u64).sum();
        let end = at.saturating_add(len);
        for (file, range) in self.files_in(at..end) {
            self.turn_to(file)?;
            if range == (at..end) {
                file.write(at, parts)?;
            } else {
                file.write(range.start, &cut(parts, range.start - at, range.end - range.start))?;
            }
        }
        Ok(())
    }

    fn will_write(&self, len: u64) {
        if self.files.len() <= MAX_DIRECT_FILES {
            self.files.iter().for_each(|file| file.file.will_write(len));
        }
    }

    fn serializes_writes(&self) -> bool {
        self.files.iter().any(|file| file.file.serializes_writes())
    }

    fn zero(&self, range: Range<u64>) -> Result<(), WriteError> {
        self.files_in(range).try_for_each(|(file, range)| {
            file.file.zero(range.start - file.range.start..range.end - file.range.start)
        })
    }

    /// Sets the length of each file. `len` is an address.
    fn set_len(&self, _: u64) -> Result<(), WriteError> {
        self.files.iter().try_for_each(|file| file.file.set_len(file.len.load(Ordering::Relaxed)))
    }
}

impl Output for JoinedTarget {
    fn sink(&self) -> &dyn Sink {
        self
    }

    fn label(&self) -> String {
        self.descriptor().path.display().to_string()
    }

    fn reopen(&self) -> Result<Option<Arc<dyn ImageFile>>, Error> {
        read_back(self.descriptor()).map(Some)
    }

    fn reopen_named(&self) -> Result<Vec<Arc<dyn ImageFile>>, Error> {
        let others = self.files.iter().enumerate().filter(|(index, _)| *index != self.descriptor);
        others.map(|(_, file)| read_back(file)).collect()
    }

    fn takes_files(&self) -> bool {
        true
    }

    /// An old descriptor is removed first, so that it is never next to new extents.
    fn publish(mut self: Box<Self>) -> Result<(), Error> {
        let descriptor = self.files.remove(self.descriptor);
        if self.existing == Existing::Replace {
            in_path(&descriptor.path, descriptor.file.remove_replaced())?;
        }
        let mut published = Vec::with_capacity(self.files.len());
        for Joined { file, path, .. } in self.files {
            published.push(in_path(&path, file.publish_before())?);
        }
        in_path(&descriptor.path, descriptor.file.publish())?;
        published.into_iter().for_each(imgprep_io::Published::keep);
        Ok(())
    }
}

fn in_path<T>(path: &Path, done: Result<T, imgprep_io::CreateError>) -> Result<T, Error> {
    done.map_err(|error| Error::new(error).in_path(path.display().to_string()))
}

fn read_back(joined: &Joined) -> Result<Arc<dyn ImageFile>, Error> {
    let file = joined.file.read_back();
    Ok(file.map_err(|error| Error::new(error).in_path(joined.path.display().to_string()))?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: Option<&str>, range: Range<u64>, min_len: u64) -> FilePart {
        FilePart { name: name.map(String::from), range, min_len }
    }

    fn parts() -> [FilePart; 3] {
        [part(Some("x1"), 0..10, 10), part(Some("x2"), 10..1000, 0), part(None, 1000..2000, 0)]
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_write_across_two_files_is_divided() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d");
        let target = JoinedTarget::create(&path, &parts(), OutputOptions::default()).unwrap();
        target.write_at(5, &[b"abc", b"defg", b"", b"hi"]).unwrap();
        target.write_at(1000, &[b"text"]).unwrap();
        target.set_len(9999).unwrap();
        assert_eq!(names(folder.path()), [""; 0], "nothing is visible before");
        Box::new(target).publish().unwrap();
        assert_eq!(names(folder.path()), ["d", "x1", "x2"]);
        let read = |name| std::fs::read(folder.path().join(name)).unwrap();
        assert_eq!((read("x1"), read("x2")), (b"\0\0\0\0\0abcde".to_vec(), b"fghi".to_vec()));
        assert_eq!(read("d"), b"text");
    }

    #[test]
    fn an_existing_extent_is_rejected_and_replaced_on_request() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d");
        std::fs::write(folder.path().join("x2"), "old").unwrap();
        let error = JoinedTarget::create(&path, &parts(), OutputOptions::default()).err().unwrap();
        assert_eq!(error.code().id, "io.output.exists");
        assert_eq!(names(folder.path()), ["x2"]);
        let replace = OutputOptions { existing: Existing::Replace, ..OutputOptions::default() };
        let target = JoinedTarget::create(&path, &parts(), replace).unwrap();
        target.set_len(0).unwrap();
        drop(target);
        assert_eq!(std::fs::read(folder.path().join("x2")).unwrap(), b"old", "nothing is replaced before");
        let target = JoinedTarget::create(&path, &parts(), replace).unwrap();
        target.set_len(0).unwrap();
        Box::new(target).publish().unwrap();
        assert_eq!(names(folder.path()), ["d", "x1", "x2"]);
        assert_eq!(std::fs::read(folder.path().join("x2")).unwrap(), b"");
    }

    /// What a batch knows of an output before the size of its disk is known.
    #[test]
    fn extents_of_every_size_are_the_first_of_all_paths() {
        let path = Path::new("out/a b.vmdk");
        let split = 2047 << 20;
        for subformat in ["twoGbMaxExtentSparse", "twoGbMaxExtentFlat", "monolithicFlat", "monolithicSparse"]
        {
            let target = Target::parse("vmdk", [&*format!("subformat={subformat}")]).unwrap();
            let all = target.extent_paths(path);
            assert_eq!(all.is_empty(), !target.is_multi_file(), "{subformat}");
            for size in [512, split, split + 512, 480 * split] {
                let format = target.writer_of(size, [0; 16], 0, "a b.vmdk".into()).unwrap();
                let extents = extents_of(path, &format.files());
                assert!(all.starts_with(&extents), "{subformat} {size}: {extents:?}");
                assert_eq!(extents.is_empty(), all.is_empty(), "{subformat} {size}");
            }
        }
        assert_eq!(Target::Raw.extent_paths(path), [""; 0].map(PathBuf::from));
    }

    /// A file of the descriptor's name appears while the image is written.
    #[test]
    fn extents_are_removed_if_the_descriptor_cannot_be_published() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d");
        let target = JoinedTarget::create(&path, &parts(), OutputOptions::default()).unwrap();
        std::fs::write(&path, "other").unwrap();
        assert!(Box::new(target).publish().is_err());
        assert_eq!(names(folder.path()), ["d"]);
    }
}
