//! Files that are changed in place, and files that must not change while they are replaced.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use imgprep_map::{Class, Code, Detail, Error, Hint};

use crate::codes;
use crate::os::{self, Lease};
use crate::{FileIdentity, OpenError, reason};

/// Why a file is not changed in place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InPlaceError {
    /// Another process has the file open.
    #[error("another program has the file open")]
    InUse,
    /// The system does not report whether another process has the file open.
    #[error("cannot determine whether another program has the file open: {reason}")]
    Unknown {
        /// The message of the operating system.
        reason: String,
    },
    /// It is not a regular file.
    #[error("only a regular file can be optimized in place")]
    NotRegular,
    /// The file is another one than the one that was examined.
    #[error("the file was replaced while it was being opened")]
    Replaced,
    /// The file system does not support holes, or an I/O error occurred.
    #[error("cannot punch a hole: {reason}")]
    Punch {
        /// File offset.
        at: u64,
        /// The message of the operating system.
        reason: String,
    },
    /// An I/O error.
    #[error("cannot read the file: {reason}")]
    Read {
        /// File offset.
        at: u64,
        /// The message of the operating system.
        reason: String,
    },
}

impl Detail for InPlaceError {
    fn code(&self) -> &'static Code {
        match self {
            Self::InUse => codes::IN_PLACE_IN_USE,
            Self::Unknown { .. } => codes::IN_PLACE_UNKNOWN_USE,
            Self::NotRegular => codes::IN_PLACE_NOT_REGULAR,
            Self::Replaced => codes::IN_PLACE_REPLACED,
            Self::Punch { .. } => codes::IN_PLACE_PUNCH,
            Self::Read { .. } => codes::IN_PLACE_READ,
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::Punch { .. } | Self::Read { .. } => Class::Io,
            _ => Class::Refused,
        }
    }

    fn hint(&self) -> Option<Hint> {
        matches!(self, Self::Unknown { .. }).then_some(Hint::IgnoreUse)
    }

    fn at(&self) -> Option<u64> {
        match self {
            Self::Punch { at, .. } | Self::Read { at, .. } => Some(*at),
            _ => None,
        }
    }
}

/// How a file system is handled that does not report whether another process has a file open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownUse {
    /// The file is left alone.
    #[default]
    Refuse,
    /// The caller knows that no other process uses the file.
    Accept,
}

/// Whether bytes of a file are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    ReadOnly,
    /// No other process has the file open, if the system can guarantee it.
    Exclusive {
        has_lease: bool,
    },
}

/// A regular file in which ranges of zeros become holes. No byte is written.
#[derive(Debug)]
pub struct InPlaceFile {
    file: File,
    len: u64,
    granule: u64,
    mode: Mode,
}

/// Smallest hole: the block size of common file systems.
const GRANULE: u64 = 4096;
/// Largest block of a file system that holes are aligned to.
const LARGEST_GRANULE: u64 = 1 << 20;

impl InPlaceFile {
    /// Opens a file to look for zeros only.
    pub fn open_read_only(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(OpenError::from)?;
        Self::new(file, Mode::ReadOnly)
    }

    /// Opens the file that was examined as `identity`, and excludes all other processes from it.
    pub fn open(path: &Path, identity: FileIdentity, unknown_use: UnknownUse) -> Result<Self, Error> {
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(OpenError::from)?;
        let found = file.metadata().map_err(OpenError::from)?;
        if !found.is_file() {
            return Err(InPlaceError::NotRegular.into());
        }
        if FileIdentity::of(&found) != identity {
            return Err(InPlaceError::Replaced.into());
        }
        let has_lease = leased(&file, Lease::Exclusive, unknown_use)?;
        Self::new(file, Mode::Exclusive { has_lease })
    }

    fn new(file: File, mode: Mode) -> Result<Self, Error> {
        let found = file.metadata().map_err(OpenError::from)?;
        let block = found.blksize();
        let granule = if block.is_power_of_two() { block.clamp(GRANULE, LARGEST_GRANULE) } else { GRANULE };
        Ok(Self { file, len: found.len(), granule, mode })
    }

    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Alignment of holes in bytes: a power of two.
    pub fn granule(&self) -> u64 {
        self.granule
    }

    /// Bytes that the file takes on its file system.
    pub fn space_taken(&self) -> Result<u64, Error> {
        Ok(self.file.metadata().map_err(OpenError::from)?.blocks().saturating_mul(512))
    }

    /// The next range at or after `at` that is not a hole.
    pub fn next_data(&self, at: u64) -> Result<Option<Range<u64>>, InPlaceError> {
        let failed = |error: io::Error| InPlaceError::Read { at, reason: reason(&error) };
        let Some(start) = os::seek_data(&self.file, at).map_err(failed)?.filter(|start| *start < self.len)
        else {
            return Ok(None);
        };
        let end = os::seek_hole(&self.file, start).map_err(failed)?;
        Ok(Some(start..end.min(self.len)))
    }

    /// Fills a buffer from an offset.
    pub fn read(&self, at: u64, bytes: &mut [u8]) -> Result<(), InPlaceError> {
        self.file.read_exact_at(bytes, at).map_err(|error| InPlaceError::Read { at, reason: reason(&error) })
    }

    /// Makes a range of zeros a hole. The range is a multiple of [`granule`](Self::granule), or ends with the file.
    ///
    /// Fails if another process wants to open the file.
    pub fn punch(&self, range: Range<u64>) -> Result<(), InPlaceError> {
        let Mode::Exclusive { has_lease } = self.mode else { return Ok(()) };
        if has_lease && !os::has_lease(&self.file, Lease::Exclusive) {
            return Err(InPlaceError::InUse);
        }
        // The last block is released as a whole; the length of the file stays.
        let end = if range.end == self.len { range.end.next_multiple_of(self.granule) } else { range.end };
        os::punch_hole(&self.file, range.start..end)
            .map_err(|error| InPlaceError::Punch { at: range.start, reason: reason(&error) })
    }

    /// Waits until the holes are on stable storage.
    pub fn sync(&self) -> Result<(), InPlaceError> {
        self.file.sync_all().map_err(|error| InPlaceError::Punch { at: 0, reason: reason(&error) })
    }
}

/// Excludes writers from a file while it is replaced by another one.
#[derive(Debug)]
pub struct WriterExclusion {
    file: File,
    has_lease: bool,
}

impl WriterExclusion {
    /// Fails if a process has the file open for writing.
    pub fn new(path: &Path, unknown_use: UnknownUse) -> Result<Self, Error> {
        let file = File::open(path).map_err(OpenError::from)?;
        let has_lease = leased(&file, Lease::NoWriter, unknown_use)?;
        Ok(Self { file, has_lease })
    }

    /// Fails if a process has tried to open the file for writing since.
    pub fn verify(&self) -> Result<(), InPlaceError> {
        if self.has_lease && !os::has_lease(&self.file, Lease::NoWriter) {
            return Err(InPlaceError::InUse);
        }
        Ok(())
    }
}

/// Takes a lease. Returns whether the file system has leases.
fn leased(file: &File, lease: Lease, unknown_use: UnknownUse) -> Result<bool, InPlaceError> {
    // Some network file systems have locks, but no leases.
    if os::has_writer(file) {
        return Err(InPlaceError::InUse);
    }
    match os::set_lease(file, lease) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => Err(InPlaceError::InUse),
        Err(_) if unknown_use == UnknownUse::Accept => Ok(false),
        Err(error) => Err(InPlaceError::Unknown { reason: reason(&error) }),
    }
}

impl Drop for InPlaceFile {
    /// Another process that waits to open the file need not wait for the end of this one.
    fn drop(&mut self) {
        if self.mode != Mode::ReadOnly {
            let _ = os::set_lease(&self.file, Lease::Returned);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCEPT: UnknownUse = UnknownUse::Accept;

    fn code(result: Result<InPlaceFile, Error>) -> &'static str {
        result.err().unwrap().code().id
    }

    fn file() -> (tempfile::NamedTempFile, FileIdentity) {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(8192).unwrap();
        let identity = FileIdentity::of(&file.as_file().metadata().unwrap());
        (file, identity)
    }

    #[test]
    fn a_file_that_another_description_has_open_is_in_use() {
        let (file, identity) = file();
        assert_eq!(code(InPlaceFile::open(file.path(), identity, ACCEPT)), "in-place.in-use");
        assert_eq!(WriterExclusion::new(file.path(), ACCEPT).unwrap_err().code().id, "in-place.in-use");
        let path = file.into_temp_path();
        assert!(InPlaceFile::open(&path, identity, UnknownUse::Refuse).is_ok());
        // A reader is no obstacle to a replacement.
        let reader = File::open(&path).unwrap();
        assert!(WriterExclusion::new(&path, UnknownUse::Refuse).unwrap().verify().is_ok());
        assert_eq!(code(InPlaceFile::open(&path, identity, ACCEPT)), "in-place.in-use");
        drop(reader);
    }

    /// The other process gets the file at once, because the lease is returned.
    #[test]
    fn a_process_that_wants_to_open_the_file_stops_the_change() {
        let (file, identity) = file();
        let path = file.into_temp_path();
        let held = InPlaceFile::open(&path, identity, UnknownUse::Refuse).unwrap();
        held.punch(0..4096).unwrap();
        let (shared, path) = (&held, &*path);
        std::thread::scope(|scope| {
            let other = scope.spawn(move || File::open(path).is_ok());
            while shared.punch(0..4096).is_ok() {
                std::thread::yield_now();
            }
            assert_eq!(shared.punch(0..4096).unwrap_err().code().id, "in-place.in-use");
            let _ = os::set_lease(&shared.file, Lease::Returned);
            assert!(other.join().unwrap());
        });
    }

    #[test]
    fn a_file_system_without_leases_needs_consent() {
        let device = File::open("/dev/null").unwrap();
        let error = leased(&device, Lease::NoWriter, UnknownUse::Refuse).unwrap_err();
        assert_eq!((error.code().id, error.hint()), ("in-place.unknown-use", Some(Hint::IgnoreUse)));
        assert_eq!(leased(&device, Lease::NoWriter, ACCEPT), Ok(false));
    }

    #[test]
    fn another_file_and_a_device_are_rejected() {
        let ((file, identity), (other, _)) = (file(), self::file());
        drop(file);
        assert_eq!(code(InPlaceFile::open(other.path(), identity, ACCEPT)), "in-place.replaced");
        assert_eq!(code(InPlaceFile::open(Path::new("/dev/null"), identity, ACCEPT)), "in-place.not-regular");
        assert_eq!(code(InPlaceFile::open(Path::new("/no/such"), identity, ACCEPT)), "io.open.not-found");
    }

    #[test]
    fn errors_of_the_system_have_their_offset() {
        let (file, _) = file();
        let file = File::open(file.path()).unwrap();
        let file = InPlaceFile::new(file, Mode::Exclusive { has_lease: false }).unwrap();
        let error = file.punch(4096..8192).unwrap_err();
        assert_eq!((error.code().id, error.at()), ("in-place.punch", Some(4096)));
        let error = file.read(8000, &mut [0; 512]).unwrap_err();
        assert_eq!((error.code().id, error.at()), ("in-place.read", Some(8000)));
    }

    #[test]
    fn the_last_block_of_a_file_becomes_a_hole() {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        let len = 3 * LARGEST_GRANULE + 100;
        std::fs::write(&path, vec![0; usize::try_from(len).unwrap()]).unwrap();
        let identity = FileIdentity::of(&std::fs::metadata(&path).unwrap());
        let file = InPlaceFile::open(&path, identity, UnknownUse::Refuse).unwrap();
        assert_eq!(file.next_data(0), Ok(Some(0..len)));
        file.punch(0..len).unwrap();
        assert_eq!((file.next_data(0), file.len()), (Ok(None), len));
    }
}
