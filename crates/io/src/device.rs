//! Block devices that images are written to.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::OnceLock;

use imgprep_map::{Sink, SinkKind, WriteError};

use crate::direct::DirectWriter;
use crate::file_write::{write_parts, write_zeros};
use crate::output::{CacheMode, Sync};
use crate::source::kind_name;
use crate::{CreateError, os};

/// A block device, written in place.
#[derive(Debug)]
pub struct DeviceOutput {
    file: File,
    len: u64,
    cache: CacheMode,
    /// Set by [`Sink::will_write`], if direct I/O is used.
    direct: OnceLock<DirectWriter>,
}

impl DeviceOutput {
    /// Opens a device that is not in use.
    pub fn open(path: &Path, cache: CacheMode) -> Result<Self, CreateError> {
        // On a block device the system refuses O_EXCL while it is mounted or held.
        // OK: a flag of the system fits into its own type.
        let exclusive = i32::try_from(rustix::fs::OFlags::EXCL.bits()).unwrap_or(0);
        let opened = OpenOptions::new().read(true).write(true).custom_flags(exclusive).open(path);
        let file = opened.map_err(|error| match error.kind() {
            io::ErrorKind::ResourceBusy => CreateError::Busy,
            _ => CreateError::failed("opened")(error),
        })?;
        let found = file.metadata().map_err(CreateError::failed("opened"))?;
        if !found.file_type().is_block_device() {
            return Err(CreateError::Special { kind: kind_name(&found) });
        }
        let len = rustix::fs::seek(&file, rustix::fs::SeekFrom::End(0));
        let len = len.map_err(|error| CreateError::failed("measured")(error.into()))?;
        Ok(Self { file, len, cache, direct: OnceLock::new() })
    }

    fn flush(&self) -> Result<(), WriteError> {
        self.direct.get().map_or(Ok(()), |direct| direct.flush(&self.file))
    }

    /// Bytes that it has.
    pub fn capacity(&self) -> u64 {
        self.len
    }

    /// Syncs it.
    pub fn finish(self) -> Result<(), CreateError> {
        self.flush()?;
        self.file.sync_all().map_err(CreateError::failed("synced"))
    }
}

impl Sink for DeviceOutput {
    fn kind(&self) -> SinkKind {
        SinkKind::Random
    }

    fn reads_as_zeros(&self) -> bool {
        false
    }

    fn serializes_writes(&self) -> bool {
        false
    }

    fn write_at(&self, at: u64, parts: &[&[u8]]) -> Result<(), WriteError> {
        match self.direct.get().filter(|direct| !direct.is_refused()) {
            Some(direct) => direct.write(&self.file, at, parts),
            None => write_parts(&self.file, at, parts),
        }
    }

    fn will_write(&self, len: u64) {
        if self.cache.is_direct(len, Sync::Full)
            && let Some(direct) = DirectWriter::open(&self.file)
        {
            // An earlier announcement is still in force.
            let _ = self.direct.set(direct);
        }
    }

    fn zero(&self, range: Range<u64>) -> Result<(), WriteError> {
        self.flush()?;
        os::zero_range(&self.file, range.clone()).or_else(|_| write_zeros(&self.file, range))
    }

    fn set_len(&self, needed: u64) -> Result<(), WriteError> {
        self.flush()?;
        if needed > self.len { Err(WriteError::TooSmall { needed, available: self.len }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_no_device() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = DeviceOutput::open(file.path(), CacheMode::Auto).unwrap_err();
        assert_eq!(error, CreateError::Special { kind: "special file" });
    }
}
