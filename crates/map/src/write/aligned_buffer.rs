//! Memory for direct I/O.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};

/// Alignment of an [`AlignedBuffer`] in bytes: no block device asks for more for direct I/O.
pub const BUFFER_ALIGNMENT: usize = 4096;

/// Size of a huge page, to which large buffers are aligned: a device gets such a page as one segment instead of 512.
pub const HUGE_PAGE: usize = 2 << 20;

/// Bytes whose address is a multiple of [`BUFFER_ALIGNMENT`], so that an output can write them with direct I/O.
#[derive(Debug, Default)]
pub struct AlignedBuffer {
    bytes: Vec<u8>,
    /// Index of the first aligned byte.
    start: usize,
    len: usize,
}

impl AlignedBuffer {
    /// Makes it `len` bytes long. Bytes that are added are zeros.
    pub fn resize(&mut self, len: usize) {
        if len > self.capacity() {
            self.reserve(len);
        } else if len > self.len {
            // OK: inside the memory, as compared above.
            self.bytes[self.start + self.len..self.start + len].fill(0);
        }
        self.len = len;
    }

    /// Allocates memory for `len` bytes, without a change of its length.
    pub fn reserve(&mut self, len: usize) {
        if len <= self.capacity() {
            return;
        }
        // Zeroed by the system, and moved at most once: a buffer grows to the size of a chunk.
        let alignment = if len < HUGE_PAGE { BUFFER_ALIGNMENT } else { HUGE_PAGE };
        let bytes = vec![0; len.saturating_add(alignment - 1)];
        let start = bytes.as_ptr().align_offset(alignment);
        let old = core::mem::replace(self, Self { bytes, start, len: 0 });
        // OK: the new memory is longer than the old contents.
        self.bytes[start..start + old.len].copy_from_slice(&old);
        self.len = old.len;
    }

    fn capacity(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Makes it a copy of `bytes`.
    pub fn copy_from(&mut self, bytes: &[u8]) {
        if bytes.len() > self.capacity() {
            *self = Self::default();
            self.resize(bytes.len());
        }
        self.len = bytes.len();
        self.deref_mut().copy_from_slice(bytes);
    }
}

impl Deref for AlignedBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // OK: `len` bytes follow `start`, since `resize`.
        &self.bytes[self.start..self.start + self.len]
    }
}

impl DerefMut for AlignedBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        // OK: `len` bytes follow `start`, since `resize`.
        &mut self.bytes[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_aligned_and_kept_when_the_length_changes() {
        let mut buffer = AlignedBuffer::default();
        assert!(buffer.is_empty());
        for (len, kept) in [(3, 0), (5000, 3), (4096, 4096), (9000, 4096), (9000, 9000), (2 << 20, 9000)] {
            buffer.resize(len);
            assert_eq!(buffer.len(), len);
            assert!(buffer.as_ptr().addr().is_multiple_of(BUFFER_ALIGNMENT));
            assert!(buffer[..kept].iter().all(|byte| *byte == 7), "{len}");
            assert!(buffer[kept..].iter().all(|byte| *byte == 0), "{len}");
            buffer.fill(7);
        }
    }

    #[test]
    fn a_copy_has_the_length_of_its_origin() {
        let mut buffer = AlignedBuffer::default();
        for bytes in [&[1; 100][..], &[2; 10], &[], &[3; 10_000]] {
            buffer.copy_from(bytes);
            assert_eq!(&*buffer, bytes);
        }
    }
}
