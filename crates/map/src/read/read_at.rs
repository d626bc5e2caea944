//! Sources of images.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec;
use core::ops::Range;

use crate::codes;
use crate::{Class, Code, Detail, ErrorKind};

/// A file, a device or a slice that many threads can read at any offset.
pub trait ReadAt: Send + Sync {
    /// Length in bytes, as it was when the file was opened.
    fn len(&self) -> u64;

    /// Fills `buf` from offset `at`, or fails; never fills it in part.
    fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError>;

    /// Like [`read_exact_at`](Self::read_exact_at), for large pieces that are read once: no page of them is mapped, and they
    /// can be dropped from the page cache later.
    fn read_once_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
        self.read_exact_at(buf, at)
    }

    /// The bytes without a copy, if the file is mapped and `range` lies
    /// inside it. A page that cannot be read appears as zeros: call [`verify_mapping`](Self::verify_mapping)
    /// before a result that depends on the bytes is returned.
    fn mapped(&self, range: Range<u64>) -> Option<&[u8]> {
        let _ = range;
        None
    }

    /// Announces that this range is read next, so that it can be fetched in one request and dropped
    /// from the page cache later. Only a hint.
    fn will_read(&self, range: Range<u64>) {
        let _ = range;
    }

    /// Announces that this range is read later, so that it can be prefetched. Only a hint.
    fn will_read_soon(&self, range: Range<u64>) {
        let _ = range;
    }

    /// Fails if a page of [`mapped`](Self::mapped) could not be read, or if the
    /// file has become shorter.
    fn verify_mapping(&self) -> Result<(), ReadError> {
        Ok(())
    }

    /// The first offset at or after `at` that is not in a hole; `len()` if only a
    /// hole follows. If holes are unknown, `at`.
    fn next_data(&self, at: u64) -> u64 {
        at.min(self.len())
    }

    /// The first offset at or after `at` that is in a hole; `len()` if none follows.
    fn next_hole(&self, at: u64) -> u64 {
        let _ = at;
        self.len()
    }

    /// Whether the file is empty.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Bytes that are not worth a word before they are looked at: a page.
const ONE_LOOK: usize = 4096;

impl dyn ReadAt + '_ {
    /// `len` bytes from `at` on: borrowed from the mapping if there is one, otherwise
    /// read. The caller must have compared `len` with a limit of its own.
    pub fn slice(&self, at: u64, len: usize) -> Result<Cow<'_, [u8]>, ReadError> {
        let past_end = ReadError::PastEnd { at, len: len as u64, file_len: self.len() };
        let end = at.checked_add(len as u64).filter(|end| *end <= self.len()).ok_or(past_end)?;
        if len > ONE_LOOK {
            self.will_read(at..end);
        }
        if let Some(bytes) = self.mapped(at..end) {
            return Ok(Cow::Borrowed(bytes));
        }
        let mut buf = vec![0; len];
        self.read_exact_at(&mut buf, at)?;
        Ok(Cow::Owned(buf))
    }

    /// `N` bytes from `at` on.
    pub fn array<const N: usize>(&self, at: u64) -> Result<[u8; N], ReadError> {
        let end = at.checked_add(N as u64);
        if let Some(bytes) = end.and_then(|end| self.mapped(at..end)).and_then(|bytes| bytes.first_chunk()) {
            return Ok(*bytes);
        }
        let mut buf = [0; N];
        self.read_exact_at(&mut buf, at)?;
        Ok(buf)
    }
}

/// Images in memory, for tests and fuzzing.
impl ReadAt for [u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
        let len = buf.len() as u64;
        let past_end = ReadError::PastEnd { at, len, file_len: ReadAt::len(self) };
        let found = at.checked_add(len).and_then(|end| self.mapped(at..end)).ok_or(past_end)?;
        buf.copy_from_slice(found);
        Ok(())
    }

    fn mapped(&self, range: Range<u64>) -> Option<&[u8]> {
        self.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
    }
}

impl ReadAt for alloc::vec::Vec<u8> {
    fn len(&self) -> u64 {
        ReadAt::len(self.as_slice())
    }

    fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
        self.as_slice().read_exact_at(buf, at)
    }

    fn mapped(&self, range: Range<u64>) -> Option<&[u8]> {
        self.as_slice().mapped(range)
    }
}

/// Why bytes could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The range does not lie inside the file.
    #[error("{len} bytes at {at} extend past the end of the file at {file_len}")]
    PastEnd {
        /// File offset of the read.
        at: u64,
        /// Requested bytes.
        len: u64,
        /// Length of the file.
        file_len: u64,
    },
    /// An I/O error.
    #[error("read failed: {reason}")]
    Failed {
        /// File offset of the read, or of the page that failed.
        at: u64,
        /// The message of the operating system.
        reason: String,
    },
    /// The file was modified after it was opened.
    #[error("the file changed during reading: {what}")]
    Changed {
        /// File offset of the first missing bytes, if there are any.
        at: Option<u64>,
        /// What changed: its length, its times.
        what: String,
    },
}

impl Detail for ReadError {
    fn code(&self) -> &'static Code {
        match self {
            Self::PastEnd { .. } => codes::READ_PAST_END,
            Self::Failed { .. } => codes::READ_FAILED,
            Self::Changed { .. } => codes::READ_CHANGED,
        }
    }

    fn class(&self) -> Class {
        Class::Io
    }

    fn is_transient(&self) -> bool {
        !matches!(self, Self::PastEnd { .. })
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Changed { .. } => ErrorKind::Changed,
            Self::PastEnd { .. } | Self::Failed { .. } => self.class().kind(),
        }
    }

    fn at(&self) -> Option<u64> {
        match self {
            Self::PastEnd { at, .. } | Self::Failed { at, .. } => Some(*at),
            Self::Changed { at, .. } => *at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_reads_its_own_bytes() {
        let file: &dyn ReadAt = &vec![1u8, 2, 3, 4];
        assert_eq!(file.array::<2>(1), Ok([2, 3]));
        assert_eq!(file.slice(2, 2).as_deref(), Ok(&[3u8, 4][..]));
    }

    #[test]
    fn a_read_past_the_end_is_reported_with_its_offset() {
        let file: &dyn ReadAt = &vec![1u8, 2, 3, 4];
        let want = ReadError::PastEnd { at: 3, len: 2, file_len: 4 };
        assert_eq!(file.array::<2>(3), Err(want.clone()));
        assert_eq!(file.slice(3, 2), Err(want));
    }

    #[test]
    fn an_offset_that_overflows_is_past_the_end() {
        let file: &dyn ReadAt = &vec![1u8];
        assert_eq!(file.array::<2>(u64::MAX), Err(ReadError::PastEnd { at: u64::MAX, len: 2, file_len: 1 }));
    }
}
