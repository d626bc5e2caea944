//! An output in memory.

use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use imgprep_io::{ImageFile, NamedReader};
use imgprep_map::{Error, ReadAt, ReadError, Sink, SinkKind, WriteError};

use crate::Output;

/// An output in memory, which can be read as a source, too.
///
/// Clones share the same bytes. The memory needed is the length of the output: of a RAW that is the size of the disk,
/// holes included.
#[derive(Clone, Debug, Default)]
pub struct MemoryOutput(Arc<RwLock<Vec<u8>>>);

impl MemoryOutput {
    /// An empty output.
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of the bytes written so far.
    pub fn to_vec(&self) -> Vec<u8> {
        self.bytes().clone()
    }

    // A poisoned lock only means that another thread panicked: the bytes are those that were written.
    fn bytes(&self) -> RwLockReadGuard<'_, Vec<u8>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn bytes_mut(&self) -> RwLockWriteGuard<'_, Vec<u8>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Extends `bytes` with zeros to at least `len`.
fn grow(bytes: &mut Vec<u8>, len: usize, at: u64) -> Result<(), WriteError> {
    if let Some(more) = len.checked_sub(bytes.len()) {
        bytes.try_reserve(more).map_err(|_| WriteError::NoSpace { at })?;
        bytes.resize(len, 0);
    }
    Ok(())
}

/// The offset in memory.
fn offset(at: u64) -> Result<usize, WriteError> {
    usize::try_from(at).map_err(|_| WriteError::NoSpace { at })
}

impl Sink for MemoryOutput {
    fn kind(&self) -> SinkKind {
        SinkKind::Random
    }

    /// Only while it is empty: it may hold an earlier output.
    fn reads_as_zeros(&self) -> bool {
        self.bytes().is_empty()
    }

    fn write_at(&self, at: u64, parts: &[&[u8]]) -> Result<(), WriteError> {
        let mut bytes = self.bytes_mut();
        let mut start = offset(at)?;
        for part in parts {
            let end = start.checked_add(part.len()).ok_or(WriteError::NoSpace { at })?;
            grow(&mut bytes, end, at)?;
            // OK: `grow` made it at least `end` bytes long.
            bytes[start..end].copy_from_slice(part);
            start = end;
        }
        Ok(())
    }

    fn zero(&self, range: Range<u64>) -> Result<(), WriteError> {
        let mut bytes = self.bytes_mut();
        let (start, end) = (offset(range.start)?, offset(range.end)?);
        // Bytes past the end are zeros as soon as they exist.
        let end = end.min(bytes.len());
        if let Some(written) = bytes.get_mut(start..end) {
            written.fill(0);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), WriteError> {
        let mut bytes = self.bytes_mut();
        let new = offset(len)?;
        grow(&mut bytes, new, len)?;
        bytes.truncate(new);
        Ok(())
    }
}

impl ReadAt for MemoryOutput {
    fn len(&self) -> u64 {
        self.bytes().len() as u64
    }

    fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
        self.bytes().read_exact_at(buf, at)
    }
}

impl Output for MemoryOutput {
    fn sink(&self) -> &dyn Sink {
        self
    }

    fn label(&self) -> String {
        "memory".into()
    }

    fn reopen(&self) -> Result<Option<Arc<dyn ImageFile>>, Error> {
        Ok(Some(NamedReader::new(self.label(), self.clone()).into()))
    }
}

/// The caller keeps the output and reads it after the conversion.
impl Output for &MemoryOutput {
    fn sink(&self) -> &dyn Sink {
        *self
    }

    fn label(&self) -> String {
        Output::label(*self)
    }

    fn reopen(&self) -> Result<Option<Arc<dyn ImageFile>>, Error> {
        Output::reopen(*self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_and_zeroed_ranges_read_as_zeros() {
        let output = MemoryOutput::new();
        output.write_at(4, &[b"ab", b"cd"]).unwrap();
        output.zero(5..7).unwrap();
        output.zero(100..200).unwrap();
        assert_eq!(output.to_vec(), b"\0\0\0\0a\0\0d");
        output.set_len(10).unwrap();
        output.set_len(5).unwrap();
        assert_eq!(output.to_vec(), b"\0\0\0\0a");
        assert_eq!(ReadAt::len(&output), 5);
    }

    #[test]
    fn a_second_conversion_replaces_the_first() {
        let output = MemoryOutput::new();
        let convert = |disk: Vec<u8>, target| {
            let converted = crate::open_reader(disk).unwrap().convert(target).verify(true).write_to(&output);
            converted.unwrap();
        };
        convert(vec![0xee; 6 << 20], crate::Target::Raw);
        let mut disk = vec![0; 5 << 20];
        disk[3 << 20] = 1;
        for target in ["raw", "qcow2", "raw"] {
            convert(disk.clone(), crate::Target::from_name(target).unwrap());
        }
        assert!(output.to_vec() == disk);
    }

    #[test]
    fn an_offset_beyond_the_address_space_is_no_space() {
        let output = MemoryOutput::new();
        assert_eq!(output.write_at(u64::MAX, &[b"x"]), Err(WriteError::NoSpace { at: u64::MAX }));
        assert_eq!(output.set_len(u64::MAX), Err(WriteError::NoSpace { at: u64::MAX }));
    }
}
