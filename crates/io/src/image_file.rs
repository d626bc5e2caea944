//! Sources of images: local files, devices, or any other source of bytes.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgprep_map::{ReadAt, ReadError};

use crate::place::FileIdentity;
use crate::source::SourceFile;

/// A source of an image: bytes, a name, and an identity.
///
/// [`SourceFile`] is the implementation for local files and block devices, [`NamedReader`] the one for any other
/// [`ReadAt`].
pub trait ImageFile: ReadAt {
    /// The name under which it was opened, for messages and for the names that the image contains.
    fn path(&self) -> &Path;

    /// The identity, regardless of the name: a layer must not be its own ancestor.
    fn identity(&self) -> FileIdentity;

    /// Fails if the contents may have changed since it was opened.
    fn unchanged(&self) -> Result<(), ReadError> {
        Ok(())
    }

    /// Bytes of storage that it occupies.
    fn actual_size(&self) -> u64 {
        self.len()
    }

    /// Whether it is a block device.
    fn is_device(&self) -> bool {
        false
    }

    /// Time of the last change, in seconds since 1970, if it is known.
    fn modified(&self) -> Option<i64> {
        None
    }

    /// Whether a running QEMU has it open for writing.
    fn has_writer(&self) -> bool {
        false
    }
}

impl fmt::Debug for dyn ImageFile + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageFile").field("path", &self.path()).field("len", &self.len()).finish()
    }
}

impl ImageFile for SourceFile {
    fn path(&self) -> &Path {
        self.path()
    }

    fn identity(&self) -> FileIdentity {
        self.identity()
    }

    fn unchanged(&self) -> Result<(), ReadError> {
        self.unchanged()
    }

    fn actual_size(&self) -> u64 {
        self.actual_size()
    }

    fn is_device(&self) -> bool {
        self.is_device()
    }

    fn modified(&self) -> Option<i64> {
        Some(self.modified())
    }

    fn has_writer(&self) -> bool {
        self.has_writer()
    }
}

impl From<SourceFile> for Arc<dyn ImageFile> {
    fn from(file: SourceFile) -> Self {
        Arc::new(file)
    }
}

impl<R: ReadAt + 'static> From<NamedReader<R>> for Arc<dyn ImageFile> {
    fn from(reader: NamedReader<R>) -> Self {
        Arc::new(reader)
    }
}

/// A reader with a name and an identity of its own: bytes in memory, or a source made by the caller.
#[derive(Debug)]
pub struct NamedReader<R> {
    reader: R,
    path: PathBuf,
    identity: FileIdentity,
}

impl<R: ReadAt> NamedReader<R> {
    /// A source with a unique identity. `path` is its name; no file of that name is accessed.
    pub fn new(path: impl Into<PathBuf>, reader: R) -> Self {
        Self { reader, path: path.into(), identity: FileIdentity::unique() }
    }
}

impl<R: ReadAt> ReadAt for NamedReader<R> {
    fn len(&self) -> u64 {
        self.reader.len()
    }

    fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
        self.reader.read_exact_at(buf, at)
    }

    fn read_once_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
        self.reader.read_once_at(buf, at)
    }

    fn mapped(&self, range: Range<u64>) -> Option<&[u8]> {
        self.reader.mapped(range)
    }

    fn will_read(&self, range: Range<u64>) {
        self.reader.will_read(range);
    }

    fn will_read_soon(&self, range: Range<u64>) {
        self.reader.will_read_soon(range);
    }

    fn verify_mapping(&self) -> Result<(), ReadError> {
        self.reader.verify_mapping()
    }

    fn next_data(&self, at: u64) -> u64 {
        self.reader.next_data(at)
    }

    fn next_hole(&self, at: u64) -> u64 {
        self.reader.next_hole(at)
    }
}

impl<R: ReadAt> ImageFile for NamedReader<R> {
    fn path(&self) -> &Path {
        &self.path
    }

    fn identity(&self) -> FileIdentity {
        self.identity
    }
}
