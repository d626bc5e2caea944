//! Files and devices that images are read from.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::ops::Range;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use imgprep_map::{ReadAt, ReadError};
use memmap2::Mmap;

use crate::beneath::{Folder, is_link, open_at_once};
use crate::clone::Listed;
use crate::fault::Registration;
use crate::page_cache::PageCache;
use crate::place::FileIdentity;
use crate::{OpenError, os};

/// Options of a source.
#[derive(Clone, Copy, Debug, Default)]
pub struct SourceOptions {
    /// How its bytes are read.
    pub access: Access,
}

/// How the bytes of a file are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Through a mapping, if the file can be mapped.
    #[default]
    Mapped,
    /// With positioned reads: an I/O error then affects only the bytes that cannot be read.
    Positioned,
}

/// Bytes that a file takes on its file system.
pub fn space_taken(path: &Path) -> std::io::Result<u64> {
    Ok(std::fs::metadata(path)?.blocks().saturating_mul(512))
}

/// A regular file or a block device, opened for reading.
#[derive(Debug)]
pub struct SourceFile {
    path: PathBuf,
    file: Arc<File>,
    len: u64,
    opened: Metadata,
    /// The end of the file as found by queries for holes, if that is before `len`.
    cut: AtomicU64,
    // Dropped in this order, so that the mapping is dropped last.
    registration: Option<Registration>,
    listed: Option<Listed>,
    mapping: Option<Mmap>,
    page_cache: PageCache,
}

impl Drop for SourceFile {
    fn drop(&mut self) {
        if let Some(mapping) = &self.mapping {
            self.page_cache.leave_all(mapping, &self.file);
        }
    }
}

impl SourceFile {
    /// Opens a regular file or a block device. Links are followed.
    pub fn open(path: &Path, options: SourceOptions) -> Result<Self, OpenError> {
        // Before it is opened, because opening some devices has side effects.
        let kind = std::fs::metadata(path)?;
        check_kind(&kind)?;
        // The file may have been replaced meanwhile: opening it must not wait.
        Self::from_file(open_at_once(path)?, path.to_path_buf(), options)
    }

    /// Opens the file of this absolute path without following links, for names that come from images.
    ///
    /// Fails with [`OpenError::Link`] at a link, and with [`OpenError::Replaced`] if the file is replaced meanwhile.
    pub fn open_without_links(path: &Path, options: SourceOptions) -> Result<Self, OpenError> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(OpenError::Directory);
        };
        let folder = Folder::open(folder).map_err(without_links)?;
        let before = folder.look(name).map_err(without_links)?;
        Self::from_file(same_file(&folder, name, &before)?, path.to_path_buf(), options)
    }

    /// Wraps an open file under the name `path`.
    pub(crate) fn from_file(file: File, path: PathBuf, options: SourceOptions) -> Result<Self, OpenError> {
        let opened = file.metadata()?;
        check_kind(&opened)?;
        let len = if opened.file_type().is_block_device() {
            rustix::fs::seek(&file, rustix::fs::SeekFrom::End(0)).map_err(std::io::Error::from)?
        } else {
            opened.len()
        };
        let is_accurate = os::can_query_page_cache(&file, opened.uid());
        let mut source = Self {
            path,
            file: Arc::new(file),
            len,
            opened,
            cut: AtomicU64::new(u64::MAX),
            registration: None,
            listed: None,
            mapping: None,
            page_cache: PageCache::new(is_accurate),
        };
        if options.access == Access::Mapped {
            source.map();
        }
        Ok(source)
    }

    /// Maps the file if possible; otherwise it is read.
    fn map(&mut self) {
        let Some(len) = usize::try_from(self.len).ok().filter(|len| *len > 0) else { return };
        let Ok(mapping) = os::map(&self.file, len) else { return };
        self.registration = Registration::new(&mapping);
        if self.registration.is_some() {
            self.listed = (!self.is_device()).then(|| Listed::new(&mapping, &self.file, self.opened.dev()));
            self.mapping = Some(mapping);
        }
    }

    /// The name under which it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The identity of the file, regardless of its name.
    pub fn identity(&self) -> FileIdentity {
        FileIdentity::of(&self.opened)
    }

    /// Bytes that it takes on its file system.
    pub fn actual_size(&self) -> u64 {
        self.opened.blocks() * 512
    }

    /// Whether it is a block device.
    pub fn is_device(&self) -> bool {
        self.opened.file_type().is_block_device()
    }

    /// Time of the last change, in seconds since 1970.
    pub fn modified(&self) -> i64 {
        self.opened.mtime()
    }

    /// Fails if length or times have changed since it was opened.
    pub fn unchanged(&self) -> Result<(), ReadError> {
        self.unchanged_since(None)
    }

    /// The same, after the bytes at `missed` could not be read.
    fn unchanged_since(&self, missed: Option<u64>) -> Result<(), ReadError> {
        if self.is_device() {
            return Ok(());
        }
        let failed = |error: std::io::Error| ReadError::Failed { at: 0, reason: crate::reason(&error) };
        let now = self.file.metadata().map_err(failed)?;
        let changed = |what: String| Err(ReadError::Changed { at: missed, what });
        if now.len() != self.len {
            return changed(format!("its size changed from {} to {} bytes", self.len, now.len()));
        }
        let times = |of: &Metadata| (of.mtime(), of.mtime_nsec(), of.ctime(), of.ctime_nsec());
        if times(&now) != times(&self.opened) {
            return changed("its timestamps changed".into());
        }
        Ok(())
    }

    /// Whether a QEMU process has it open for writing.
    pub fn has_writer(&self) -> bool {
        os::has_writer(&self.file)
    }
}

impl ReadAt for SourceFile {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
        let len = buf.len() as u64;
        if at.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(ReadError::PastEnd { at, len, file_len: self.len });
        }
        self.file.read_exact_at(buf, at).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => {
                ReadError::Changed { at: Some(at), what: "it was truncated".into() }
            }
            _ => ReadError::Failed { at, reason: crate::reason(&error) },
        })
    }

    fn read_once_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
        if let Some(mapping) = &self.mapping {
            let range = at..at.saturating_add(buf.len() as u64);
            self.page_cache.enter_copied(mapping, &self.file, &range);
        }
        self.read_exact_at(buf, at)
    }

    fn mapped(&self, range: Range<u64>) -> Option<&[u8]> {
        let range = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
        self.mapping.as_ref()?.get(range)
    }

    fn will_read(&self, range: Range<u64>) {
        if let Some(mapping) = &self.mapping {
            self.page_cache.enter(mapping, &self.file, &range);
        }
    }

    fn will_read_soon(&self, range: Range<u64>) {
        if let Some(mapping) = &self.mapping {
            self.page_cache.prefetch(mapping, &self.file, &range);
        }
    }

    fn verify_mapping(&self) -> Result<(), ReadError> {
        let fault = self.registration.as_ref().and_then(Registration::first_fault);
        let at = fault.unwrap_or(u64::MAX).min(self.cut.load(Ordering::Acquire));
        if at == u64::MAX {
            return Ok(());
        }
        // Usually the file became shorter, and that error is more specific than a failed page.
        self.unchanged_since(Some(at))?;
        Err(ReadError::Failed { at, reason: "a mapped page could not be read".into() })
    }

    fn next_data(&self, at: u64) -> u64 {
        if self.is_device() || at >= self.len {
            return at.min(self.len);
        }
        match os::seek_data(&self.file, at) {
            Ok(Some(found)) => found.clamp(at, self.len),
            Ok(None) => {
                self.check_end();
                self.len
            }
            // If the file system cannot report holes, everything is data.
            Err(_) => at,
        }
    }

    fn next_hole(&self, at: u64) -> u64 {
        if self.is_device() || at >= self.len {
            return self.len;
        }
        os::seek_hole(&self.file, at).map_or(self.len, |found| found.clamp(at, self.len))
    }
}

impl SourceFile {
    /// The system reports everything after the new end of a truncated file as a hole: that is an error.
    fn check_end(&self) {
        if let Ok(now) = self.file.metadata()
            && now.len() < self.len
        {
            self.cut.fetch_min(now.len(), Ordering::AcqRel);
        }
    }
}

/// Opens the file whose metadata was read before, if it is of a kind that can be read.
fn same_file(folder: &Folder, name: &OsStr, before: &Metadata) -> Result<File, OpenError> {
    check_kind(before)?;
    let file = folder.file(name).map_err(without_links)?;
    if FileIdentity::of(&file.metadata()?) == FileIdentity::of(before) {
        Ok(file)
    } else {
        Err(OpenError::Replaced)
    }
}

/// The error of a file that was opened without following links.
fn without_links(error: std::io::Error) -> OpenError {
    if is_link(&error) { OpenError::Link } else { error.into() }
}

fn check_kind(of: &Metadata) -> Result<(), OpenError> {
    let kind = of.file_type();
    if kind.is_file() || kind.is_block_device() {
        Ok(())
    } else if kind.is_dir() {
        Err(OpenError::Directory)
    } else if kind.is_symlink() {
        Err(OpenError::Link)
    } else {
        Err(OpenError::Special { kind: kind_name(of) })
    }
}

/// The kind of a file, in words.
pub(crate) fn kind_name(of: &Metadata) -> &'static str {
    let kind = of.file_type();
    match () {
        () if kind.is_dir() => "directory",
        () if kind.is_fifo() => "pipe",
        () if kind.is_socket() => "socket",
        () if kind.is_char_device() => "character device",
        () if kind.is_block_device() => "block device",
        () => "special file",
    }
}

/// Whether `path` refers to this file.
pub fn is_same_file(path: &Path, other: FileIdentity) -> bool {
    std::fs::metadata(path).is_ok_and(|found| FileIdentity::of(&found) == other)
}

/// Whether `path` refers to a block device.
pub fn is_block_device(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.file_type().is_block_device())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use imgprep_map::Detail as _;

    use super::*;

    fn file_of(bytes: &[u8]) -> (tempfile::NamedTempFile, SourceFile) {
        let mut temp = tempfile::NamedTempFile::new().unwrap();
        temp.write_all(bytes).unwrap();
        let source = SourceFile::open(temp.path(), SourceOptions::default()).unwrap();
        (temp, source)
    }

    #[test]
    fn mapped_and_positioned_reads_are_the_same_bytes() {
        let (temp, source) = file_of(b"0123456789");
        assert_eq!(source.mapped(2..5), Some(&b"234"[..]));
        assert_eq!(source.mapped(8..11), None);
        let options = SourceOptions { access: Access::Positioned };
        let positioned = SourceFile::open(temp.path(), options).unwrap();
        assert_eq!(positioned.mapped(2..5), None);
        let mut buf = [0; 3];
        positioned.read_exact_at(&mut buf, 7).unwrap();
        assert_eq!(&buf, b"789");
        let past_end = ReadError::PastEnd { at: 8, len: 3, file_len: 10 };
        assert_eq!(imgprep_map::Detail::code(&past_end).id, "io.read.past-end");
        assert_eq!(positioned.read_exact_at(&mut buf, 8), Err(past_end));
        assert_eq!(source.identity(), positioned.identity());
        assert!(is_same_file(temp.path(), source.identity()));
    }

    #[test]
    fn holes_are_skipped() {
        let mut temp = tempfile::NamedTempFile::new().unwrap();
        temp.as_file().set_len(64 << 20).unwrap();
        temp.as_file().write_all_at(&[1; 4096], 32 << 20).unwrap();
        temp.flush().unwrap();
        let source = SourceFile::open(temp.path(), SourceOptions::default()).unwrap();
        let (data, hole) = (source.next_data(0), source.next_hole(32 << 20));
        if data == 0 {
            imgprep_tests::skip("holes", "holes of sources: the file system for temporary files has none");
            return;
        }
        assert!(data <= 32 << 20 && ((32 << 20) + 4096..64 << 20).contains(&hole), "{data} {hole}");
        assert_eq!(source.next_data(hole), 64 << 20);
        assert!(source.actual_size() < 1 << 20);
    }

    #[test]
    fn a_file_that_shrinks_while_it_is_mapped_is_an_error_not_a_signal() {
        let (temp, source) = file_of(&[7; 3 * 4096]);
        temp.as_file().set_len(4096).unwrap();
        let bytes = source.mapped(0..3 * 4096).unwrap();
        assert_eq!(bytes[0], 7);
        assert_eq!(source.verify_mapping(), Ok(()), "nothing was missed yet");
        assert_eq!(bytes[2 * 4096], 0);
        let changed =
            ReadError::Changed { at: Some(8192), what: "its size changed from 12288 to 4096 bytes".into() };
        assert_eq!(source.verify_mapping(), Err(changed));
        temp.as_file().set_len(3 * 4096).unwrap();
        assert!(source.verify_mapping().is_err(), "the fault stays known when the length is back");
    }

    #[test]
    fn the_place_after_a_new_end_is_no_hole() {
        let (temp, source) = file_of(&[7; 3 * 4096]);
        assert_eq!(source.next_data(4096), 4096);
        temp.as_file().set_len(4096).unwrap();
        assert_eq!(source.next_data(8192), 3 * 4096);
        let changed =
            ReadError::Changed { at: Some(4096), what: "its size changed from 12288 to 4096 bytes".into() };
        assert_eq!(source.verify_mapping(), Err(changed));
    }

    #[test]
    fn a_file_changed_while_reading_is_reported() {
        let (temp, source) = file_of(&[7; 4096]);
        assert_eq!(source.unchanged(), Ok(()));
        temp.as_file().write_all_at(b"x", 5).unwrap();
        rustix::fs::utimensat(
            rustix::fs::CWD,
            temp.path(),
            &rustix::fs::Timestamps {
                last_access: rustix::fs::Timespec { tv_sec: 1, tv_nsec: 0 },
                last_modification: rustix::fs::Timespec { tv_sec: 1, tv_nsec: 0 },
            },
            rustix::fs::AtFlags::empty(),
        )
        .unwrap();
        assert_eq!(
            source.unchanged(),
            Err(ReadError::Changed { at: None, what: "its timestamps changed".into() })
        );
    }

    #[test]
    fn what_is_no_file_is_refused_by_name() {
        let open = |path: &str| SourceFile::open(Path::new(path), SourceOptions::default()).unwrap_err();
        assert_eq!(open("/"), OpenError::Directory);
        assert_eq!(open("/dev/null"), OpenError::Special { kind: "character device" });
        assert_eq!(open("/nowhere/at/all"), OpenError::NotFound);
    }

    #[test]
    fn a_path_without_links_opens_that_file_and_no_other() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        std::fs::write(root.join("real/file"), "right").unwrap();
        std::os::unix::fs::symlink(root.join("real"), root.join("folder")).unwrap();
        std::os::unix::fs::symlink("file", root.join("real/link")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(root.join("real/pipe")).status();
        assert!(made.unwrap().success());
        let open = |name: &str| {
            SourceFile::open_without_links(&root.join(name), SourceOptions::default()).map(|it| it.len())
        };
        assert_eq!(open("real/file"), Ok(5));
        assert_eq!(open("real/link"), Err(OpenError::Link));
        assert_eq!(open("folder/file"), Err(OpenError::Link));
        assert_eq!(open("real/pipe"), Err(OpenError::Special { kind: "pipe" }));
        assert_eq!(open("real/gone"), Err(OpenError::NotFound));
        assert_eq!(open("real"), Err(OpenError::Directory));
        assert_eq!(open("/"), Err(OpenError::Directory));
        assert_eq!(OpenError::Link.code().id, "io.open.link");
    }

    #[test]
    fn a_file_that_takes_a_name_between_the_check_and_the_opening_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().canonicalize().unwrap();
        for name in ["base", "other"] {
            std::fs::write(root.join(name), name).unwrap();
        }
        let folder = Folder::open(&root).unwrap();
        let name = OsStr::new("base");
        let before = folder.look(name).unwrap();
        assert!(same_file(&folder, name, &before).is_ok());
        std::fs::rename(root.join("other"), root.join("base")).unwrap();
        let error = same_file(&folder, name, &before).unwrap_err();
        assert_eq!((error.code().id, &error), ("io.open.replaced", &OpenError::Replaced));
        std::fs::remove_file(root.join("base")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", root.join("base")).unwrap();
        assert_eq!(same_file(&folder, name, &before).unwrap_err(), OpenError::Link);
    }

    #[test]
    fn an_empty_file_is_a_file() {
        let (_temp, source) = file_of(&[]);
        assert_eq!((source.len(), source.next_data(0), source.next_hole(0)), (0, 0, 0));
    }
}
