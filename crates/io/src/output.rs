//! Files that images are written to.

use std::fs::{File, Permissions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use imgprep_map::{Sink, SinkKind, WriteError};

use crate::clone::Sharing;
use crate::direct::DirectWriter;
use crate::file_write::{write_error, write_parts, write_zeros};
use crate::published::Published;
use crate::source::kind_name;
use crate::temporary::{Temporary, folder_of};
use crate::{CreateError, OpenError, SourceFile, SourceOptions, os};

/// How an existing file of the output's name is handled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// The output is rejected.
    #[default]
    Refuse,
    /// It is replaced once the output is complete.
    Replace,
}

/// Whether an output is synced before it gets its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// File and folder are synced.
    #[default]
    Full,
    /// Nothing is synced: a power cut may lose the output.
    None,
}

/// Whether an output is written through the page cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheMode {
    /// Large synced files, and large amounts of data on a device, are written with direct I/O.
    #[default]
    Auto,
    /// Direct I/O wherever the file system supports it.
    Direct,
    /// All bytes go through the page cache.
    Buffered,
}

impl CacheMode {
    /// Smallest amount of data that is written with direct I/O by default. Almost any machine has free pages for less.
    const DIRECT_FROM: u64 = 64 << 20;

    /// Whether `len` bytes should be written with direct I/O.
    pub(crate) fn is_direct(self, len: u64, sync: Sync) -> bool {
        match self {
            Self::Auto => sync == Sync::Full && len >= Self::DIRECT_FROM,
            Self::Direct => true,
            Self::Buffered => false,
        }
    }
}

/// Options of an output file.
#[derive(Clone, Copy, Debug, Default)]
pub struct OutputOptions {
    /// How an existing file is handled.
    pub existing: Existing,
    /// Whether it is synced.
    pub sync: Sync,
    /// Whether it is written through the page cache.
    pub cache: CacheMode,
}

/// A file that gets its name once it is complete. If it is dropped before, nothing is left.
#[derive(Debug)]
pub struct OutputFile {
    target: PathBuf,
    temporary: Temporary,
    options: OutputOptions,
    written: AtomicU64,
    /// Cleared if the file system cannot allocate blocks in advance.
    allocates: AtomicBool,
    sharing: Sharing,
    /// Set by [`Sink::will_write`], if direct I/O is used.
    direct: OnceLock<DirectWriter>,
}

/// Creates a temporary file for a path, with a mode.
type Make = fn(&Path, u32) -> io::Result<Temporary>;

/// Bytes after which write-back starts if the file is synced at the end: that shortens the final sync.
const WRITE_OUT_EVERY: u64 = 32 << 20;

/// Smallest write whose blocks are allocated in advance: otherwise ext4 allocates a block for each page.
const ALLOCATE_FROM: u64 = 128 << 10;

impl OutputFile {
    /// Creates an output for `path`. If a link is replaced, it is followed.
    pub fn create(path: &Path, options: OutputOptions) -> Result<Self, CreateError> {
        Self::create_with(path, options, Temporary::nameless)
    }

    /// The same with a hidden name ([`temporary_path`](Self::temporary_path)), for another program to open.
    pub fn create_hidden(path: &Path, options: OutputOptions) -> Result<Self, CreateError> {
        Self::create_with(path, options, Temporary::hidden)
    }

    fn create_with(path: &Path, options: OutputOptions, make: Make) -> Result<Self, CreateError> {
        let (target, mode) = target(path, options.existing)?;
        let temporary = make(&target, mode.unwrap_or(0o666)).map_err(CreateError::failed("created"))?;
        if let Some(mode) = mode {
            // The mode of the replaced file, regardless of the umask.
            let set = temporary.file().set_permissions(Permissions::from_mode(mode));
            set.map_err(CreateError::failed("created"))?;
        }
        Ok(Self {
            target,
            sharing: Sharing::of(temporary.file()),
            temporary,
            options,
            allocates: AtomicBool::new(true),
            written: AtomicU64::new(0),
            direct: OnceLock::new(),
        })
    }

    /// The direct writer, if it is used.
    fn direct(&self) -> Option<&DirectWriter> {
        self.direct.get().filter(|direct| !direct.is_refused())
    }

    /// Writes everything that direct I/O has collected, and frees its memory: for outputs of many files, which are written one
    /// after the other.
    pub fn flush(&self) -> Result<(), WriteError> {
        self.direct.get().map_or(Ok(()), |direct| direct.flush(self.temporary.file()))
    }

    /// Writes the parts whose blocks cannot be shared with their source.
    fn write(&self, at: u64, parts: &[&[u8]]) -> Result<(), WriteError> {
        let len = parts.iter().map(|part| part.len() as u64).sum();
        if len == 0 {
            return Ok(());
        }
        if let Some(direct) = self.direct() {
            return direct.write(self.temporary.file(), at, parts);
        }
        self.allocate(at, len);
        write_parts(self.temporary.file(), at, parts)?;
        self.write_out(len);
        Ok(())
    }

    fn write_out(&self, len: u64) {
        if self.options.sync == Sync::Full {
            let before = self.written.fetch_add(len, Ordering::Relaxed);
            if before / WRITE_OUT_EVERY != (before + len) / WRITE_OUT_EVERY {
                os::begin_write_out(self.temporary.file());
            }
        }
    }

    /// Allocates the blocks of a large write at once. If that fails, the write reports the error.
    fn allocate(&self, at: u64, len: u64) {
        let is_wanted = len >= ALLOCATE_FROM && self.allocates.load(Ordering::Relaxed);
        if !is_wanted {
            return;
        }
        let taken = os::allocate(self.temporary.file(), at..at.saturating_add(len));
        if taken.is_err_and(|error| error.kind() != io::ErrorKind::Interrupted) {
            self.allocates.store(false, Ordering::Relaxed);
        }
    }

    /// The hidden name of an output that was created with one.
    pub fn temporary_path(&self) -> Option<&Path> {
        self.temporary.path()
    }

    /// Opens the written file for reading, once its length is set.
    pub fn read_back(&self) -> Result<SourceFile, OpenError> {
        let file = self.temporary.file().try_clone()?;
        SourceFile::from_file(file, self.target.clone(), SourceOptions::default())
    }

    /// Syncs the file and gives it its name.
    pub fn publish(self) -> Result<(), CreateError> {
        self.sync()?;
        let (target, options) = (self.target, self.options);
        let named = match options.existing {
            Existing::Replace => self.temporary.replace(&target),
            Existing::Refuse => self.temporary.publish(&target),
        };
        named.map_err(naming(options.existing))?;
        sync_folder_of(&target, options.sync)
    }

    /// Syncs the file and gives it its name, which it loses again if the result is dropped: for a file that is only valid
    /// together with one that is published later.
    pub fn publish_before(self) -> Result<Published, CreateError> {
        self.sync()?;
        let published =
            Published::new(&self.temporary, &self.target).map_err(CreateError::failed("renamed"))?;
        self.publish()?;
        Ok(published)
    }

    /// Removes the file that this one replaces, before this one gets its name.
    pub fn remove_replaced(&self) -> Result<(), CreateError> {
        if self.options.existing == Existing::Refuse {
            return Ok(());
        }
        match std::fs::remove_file(&self.target) {
            Ok(()) => sync_folder_of(&self.target, self.options.sync),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(CreateError::failed("replaced")(error)),
        }
    }

    fn sync(&self) -> Result<(), CreateError> {
        self.flush()?;
        match self.options.sync {
            Sync::Full => self.temporary.sync().map_err(CreateError::failed("synced")),
            Sync::None => Ok(()),
        }
    }
}
/// Syncs the names in a folder. It is not an error if that is not supported (a folder without read permission, a file
/// system that does not sync folders).
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        Err(error)
            if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput) =>
        {
            Ok(())
        }
        done => done,
    }
}

fn sync_folder_of(path: &Path, sync: Sync) -> Result<(), CreateError> {
    match sync {
        Sync::Full => sync_folder(folder_of(path)).map_err(CreateError::failed("synced")),
        Sync::None => Ok(()),
    }
}

/// The error of a file that did not get its name.
fn naming(existing: Existing) -> impl Fn(io::Error) -> CreateError {
    move |error| match (existing, error.kind()) {
        (Existing::Refuse, io::ErrorKind::AlreadyExists) => CreateError::Exists,
        _ => CreateError::failed("renamed")(error),
    }
}

/// The path to write to, with links resolved, and the mode of the file that it replaces.
fn target(path: &Path, existing: Existing) -> Result<(PathBuf, Option<u32>), CreateError> {
    let Ok(found) = std::fs::symlink_metadata(path) else { return Ok((path.to_path_buf(), None)) };
    if existing == Existing::Refuse {
        return Err(CreateError::Exists);
    }
    let (path, found) = if found.is_symlink() {
        let led_to = path.canonicalize().map_err(CreateError::failed("resolved"))?;
        let found = std::fs::metadata(&led_to).map_err(CreateError::failed("resolved"))?;
        (led_to, found)
    } else {
        (path.to_path_buf(), found)
    };
    if found.is_file() {
        Ok((path, Some(found.mode() & 0o7777)))
    } else {
        Err(CreateError::Special { kind: kind_name(&found) })
    }
}

impl Sink for OutputFile {
    fn kind(&self) -> SinkKind {
        SinkKind::Random
    }

    fn reads_as_zeros(&self) -> bool {
        true
    }

    fn can_reflink(&self) -> bool {
        self.sharing.is_hopeful()
    }

    fn write_at(&self, at: u64, parts: &[&[u8]]) -> Result<(), WriteError> {
        // The parts that are not written yet, their offset, and the offset of the next part.
        let (mut waiting, mut from, mut place) = (Vec::with_capacity(parts.len()), at, at);
        for part in parts {
            let shared = self.sharing.share(self.temporary.file(), place, part);
            if shared.is_empty() {
                waiting.push(*part);
            } else {
                waiting.push(&part[..shared.start]);
                self.write(from, &waiting)?;
                waiting.clear();
                waiting.push(&part[shared.end..]);
                from = place + shared.end as u64;
            }
            place += part.len() as u64;
        }
        self.write(from, &waiting)
    }

    fn will_write(&self, len: u64) {
        if self.options.cache.is_direct(len, self.options.sync)
            && let Some(direct) = DirectWriter::open(self.temporary.file())
        {
            // An earlier announcement is still in force.
            let _ = self.direct.set(direct);
        }
    }

    fn serializes_writes(&self) -> bool {
        self.direct().is_none()
    }

    fn zero(&self, range: Range<u64>) -> Result<(), WriteError> {
        self.flush()?;
        let file = self.temporary.file();
        let len = file.metadata().map_err(|error| write_error(range.start, &error))?.len();
        // Bytes that were never written are zeros.
        let written = range.start..range.end.min(len);
        if written.is_empty() {
            return Ok(());
        }
        os::punch_hole(file, written.clone()).or_else(|_| write_zeros(file, written))
    }

    fn set_len(&self, len: u64) -> Result<(), WriteError> {
        self.flush()?;
        self.temporary.file().set_len(len).map_err(|error| write_error(len, &error))
    }
}

/// Reserves space for a file, also after its end. Only advice: [`File::set_len`] frees what was not used.
pub fn reserve(file: &File, range: Range<u64>) {
    let _ = os::allocate(file, range);
}

#[cfg(test)]
mod tests {
    use imgprep_map::ReadAt;

    use super::*;
    use crate::{SourceFile, SourceOptions};

    const REPLACE: OutputOptions =
        OutputOptions { existing: Existing::Replace, sync: Sync::Full, cache: CacheMode::Auto };

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn an_output_has_its_name_only_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk.raw");
        let output = OutputFile::create(&path, OutputOptions::default()).unwrap();
        output.write_at(4, &[b"ab", b"", b"cd"]).unwrap();
        output.set_len(10).unwrap();
        assert!(!path.exists());
        assert!(names(folder.path()).iter().all(|name| name.starts_with(".imgprep-")));
        output.publish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"\0\0\0\0abcd\0\0");
        assert_eq!(names(folder.path()), ["disk.raw"]);
    }

    #[test]
    fn an_output_has_no_name_or_a_hidden_one_until_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for (existing, before) in
            [(Existing::Refuse, None), (Existing::Replace, None), (Existing::Replace, Some("old"))]
        {
            for create in [OutputFile::create, OutputFile::create_hidden] {
                let _ = std::fs::remove_file(&path);
                before.map_or(Ok(()), |text| std::fs::write(&path, text)).unwrap();
                let output =
                    create(&path, OutputOptions { existing, sync: Sync::None, ..OutputOptions::default() })
                        .unwrap();
                output.write_at(0, &[b"new"]).unwrap();
                assert_eq!(output.read_back().unwrap().mapped(0..3), Some(&b"new"[..]));
                let hidden = output.temporary_path().map(Path::to_path_buf);
                let seen: Vec<_> = names(folder.path()).into_iter().filter(|name| name != "a").collect();
                let known: Vec<_> = hidden
                    .iter()
                    .map(|path| path.file_name().unwrap().to_str().unwrap().to_string())
                    .collect();
                assert_eq!(seen, known);
                output.publish().unwrap();
                assert_eq!(std::fs::read(&path).unwrap(), b"new");
                assert_eq!(names(folder.path()), ["a"]);
            }
        }
    }

    #[test]
    fn the_longest_name_can_be_written_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x".repeat(255));
        for create in [OutputFile::create, OutputFile::create_hidden] {
            let output = create(&path, REPLACE).unwrap();
            output.write_at(0, &[b"new"]).unwrap();
            output.publish().unwrap();
            assert_eq!(names(folder.path()).len(), 1);
        }
    }

    #[test]
    fn an_output_that_is_given_up_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let output = OutputFile::create(&folder.path().join("a"), OutputOptions::default()).unwrap();
        output.write_at(0, &[b"x"]).unwrap();
        drop(output);
        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[test]
    fn an_existing_file_is_refused_or_replaced_with_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "old").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert_eq!(OutputFile::create(&path, OutputOptions::default()).unwrap_err(), CreateError::Exists);
        let output = OutputFile::create(&path, REPLACE).unwrap();
        output.write_at(0, &[b"new"]).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        output.publish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
    }

    #[test]
    fn a_file_that_appears_meanwhile_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let output = OutputFile::create(&path, OutputOptions::default()).unwrap();
        std::fs::write(&path, "somebody else's").unwrap();
        assert_eq!(output.publish(), Err(CreateError::Exists));
        assert_eq!(std::fs::read(&path).unwrap(), b"somebody else's");
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn a_link_is_followed_and_a_folder_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        std::fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let output = OutputFile::create(&link, REPLACE).unwrap();
        output.write_at(0, &[b"new"]).unwrap();
        output.publish().unwrap();
        assert_eq!(std::fs::read(&real).unwrap(), b"new");
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        let error = OutputFile::create(folder.path(), REPLACE).unwrap_err();
        assert_eq!(error, CreateError::Special { kind: "directory" });
    }

    #[test]
    fn zeroing_makes_what_was_written_zero_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let output = OutputFile::create(&path, OutputOptions::default()).unwrap();
        output.write_at(0, &[&[1; 8192]]).unwrap();
        output.zero(4096..1 << 20).unwrap();
        output.publish().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!((bytes[4095], bytes[4096], bytes.len()), (1, 0, 8192));
    }

    #[test]
    fn a_source_that_vanishes_while_it_is_written_out_is_the_source_s_fault() {
        let source_file = tempfile::NamedTempFile::new().unwrap();
        source_file.as_file().set_len(8192).unwrap();
        let source = SourceFile::open(source_file.path(), SourceOptions::default()).unwrap();
        source_file.as_file().set_len(0).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let output = OutputFile::create(&folder.path().join("a"), OutputOptions::default()).unwrap();
        let error = output.write_at(512, &[source.mapped(0..4096).unwrap()]).unwrap_err();
        assert_eq!(error, WriteError::SourceFault { at: 512 });
        assert_eq!(imgprep_map::Detail::code(&error).id, "io.write.source-fault");
    }

    #[test]
    fn a_source_that_vanishes_before_its_blocks_are_shared_is_the_source_s_fault() {
        let source_file = tempfile::NamedTempFile::new().unwrap();
        source_file.as_file().set_len(1 << 20).unwrap();
        let source = SourceFile::open(source_file.path(), SourceOptions::default()).unwrap();
        source_file.as_file().set_len(0).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let output = OutputFile::create(&folder.path().join("a"), OutputOptions::default()).unwrap();
        let error =
            output.write_at(8192, &[b"head", &source.mapped(4..1 << 20).unwrap()[..1 << 19]]).unwrap_err();
        // The system may have written the head before.
        assert!(matches!(error, WriteError::SourceFault { at: 8192 | 8196 }), "{error:?}");
        assert!(source.unchanged().is_err());
    }

    #[test]
    fn large_parts_of_a_mapping_are_the_same_bytes_in_the_output() {
        let source_file = tempfile::NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = (0..1 << 18).map(|at: u32| (at / 7) as u8).collect();
        std::fs::write(source_file.path(), &bytes).unwrap();
        let source = SourceFile::open(source_file.path(), SourceOptions::default()).unwrap();
        let mapped = source.mapped(0..1 << 18).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for at in [0, 1, 512, 4095, 4096, 5000] {
            let path = folder.path().join(at.to_string());
            let output = OutputFile::create(&path, OutputOptions::default()).unwrap();
            output.write_at(at, &[&mapped[100..], b"between", mapped, &mapped[at as usize..]]).unwrap();
            output.publish().unwrap();
            let zeros = vec![0; at as usize];
            let expected = [&zeros, &bytes[100..], b"between", &bytes, &bytes[at as usize..]].concat();
            assert!(std::fs::read(&path).unwrap() == expected, "{at}");
        }
    }
}
