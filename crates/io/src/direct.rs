//! Direct I/O (`O_DIRECT`): large writes bypass the page cache.
//!
//! A direct write begins and ends at a block of the file system, and its memory is aligned. Large aligned writes need no copy,
//! and any number of threads makes them. Other writes that follow each other, such as compressed blocks of any length, are
//! collected in an aligned buffer until it is full. The rest goes through the page cache: small writes, and the partial
//! blocks at both ends of a sequence. The system keeps the two coherent unless both write the same block at the same time.
//! They never do: a direct write consists of whole blocks, and only the thread that writes the tables rewrites any.

use std::fs::{File, OpenOptions};
use std::io::IoSlice;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use imgprep_map::{AlignedBuffer, BUFFER_ALIGNMENT, WriteError};
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::file_write::{write_error, write_parts};
use crate::os;

/// Smallest direct write: on the virtual disk that was measured, such writes reach 1.3 GB/s, and half as long ones 0.9
/// (`docs/performance.md`).
const DIRECT_FROM: u64 = 128 << 10;

/// Bytes that are collected for one write: larger ones were not faster.
const STAGE: usize = 2 << 20;

/// The block size of common file systems. Direct writes of single sectors are possible on many disks, but the file system would
/// have to zero the rest of each block first.
const USUAL_BLOCK: u64 = 4096;

/// Writes to an open file with direct I/O. Its methods also take the file itself, for writes through the page cache.
#[derive(Debug)]
pub(crate) struct DirectWriter {
    direct: File,
    /// Offsets of direct writes are multiples of this.
    block: u64,
    /// Addresses and lengths of their memory are multiples of this.
    memory: usize,
    /// Set once the file system has refused a direct write.
    is_refused: AtomicBool,
    staged: Mutex<Staged>,
}

/// Bytes that follow each other and are not written yet.
#[derive(Debug, Default)]
struct Staged {
    /// The bytes from `start` on.
    buffer: AlignedBuffer,
    /// The file offset of the buffer: a multiple of the block size.
    start: u64,
    /// The first byte that is not written yet. It is in the first block of the buffer.
    from: u64,
    /// The end of the bytes. If nothing is staged, the end of the last write.
    end: u64,
}

impl DirectWriter {
    /// Opens `file` a second time, for direct I/O; `None` if the file system does not support that.
    pub(crate) fn open(file: &File) -> Option<Self> {
        // OK: a flag of the system fits into its own type.
        let flags = i32::try_from(OFlags::DIRECT.bits()).ok()?;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let direct = OpenOptions::new().write(true).custom_flags(flags).open(path).ok()?;
        let (memory, offset) = os::direct_alignment(&direct).unwrap_or((USUAL_BLOCK, USUAL_BLOCK));
        let block = offset.max(USUAL_BLOCK);
        let is_usable =
            (1..=BUFFER_ALIGNMENT as u64).contains(&memory) && (STAGE as u64).is_multiple_of(block);
        is_usable.then_some(())?;
        Some(Self {
            direct,
            block,
            // OK: at most the alignment of a buffer.
            memory: memory as usize,
            is_refused: AtomicBool::new(false),
            staged: Mutex::default(),
        })
    }

    /// Whether the file system has refused a direct write. From then on all writes go through the page cache.
    pub(crate) fn is_refused(&self) -> bool {
        self.is_refused.load(Ordering::Relaxed)
    }

    /// Writes all parts, one after the other. Some bytes are only written by [`flush`](Self::flush).
    pub(crate) fn write(&self, file: &File, at: u64, parts: &[&[u8]]) -> Result<(), WriteError> {
        let len: u64 = parts.iter().map(|part| part.len() as u64).sum();
        let range = at..at.saturating_add(len);
        if len >= DIRECT_FROM && self.is_aligned(&range, parts) {
            self.begin_at(file, &range)?;
            return self.write_direct(file, at, parts);
        }
        let mut staged = self.staged();
        if at != staged.end && len < DIRECT_FROM {
            if staged.touches(&range, self.block) {
                self.drain(file, &mut staged, true)?;
            }
            return write_parts(file, at, parts);
        }
        if at != staged.end {
            self.drain(file, &mut staged, true)?;
        }
        if staged.is_empty() {
            staged.restart(at, self.block);
        }
        parts.iter().try_for_each(|part| self.stage(file, &mut staged, part))
    }

    /// Writes what is collected, and frees the buffer.
    pub(crate) fn flush(&self, file: &File) -> Result<(), WriteError> {
        let mut staged = self.staged();
        self.drain(file, &mut staged, true)?;
        staged.buffer = AlignedBuffer::default();
        Ok(())
    }

    fn staged(&self) -> MutexGuard<'_, Staged> {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_aligned(&self, range: &Range<u64>, parts: &[&[u8]]) -> bool {
        let is_whole = |part: &[u8]| {
            part.as_ptr().addr().is_multiple_of(self.memory) && part.len().is_multiple_of(self.memory)
        };
        range.start.is_multiple_of(self.block)
            && range.end.is_multiple_of(self.block)
            && parts.iter().all(|part| is_whole(part))
    }

    /// Prepares a direct write of `range`: staged bytes that come before it, or lie in its blocks, are written first.
    fn begin_at(&self, file: &File, range: &Range<u64>) -> Result<(), WriteError> {
        let mut staged = self.staged();
        if staged.end == range.start || staged.touches(range, self.block) {
            self.drain(file, &mut staged, true)?;
        }
        if staged.is_empty() {
            staged.restart(range.end, self.block);
        }
        Ok(())
    }

    /// Adds bytes to the staged ones.
    fn stage(&self, file: &File, staged: &mut Staged, mut bytes: &[u8]) -> Result<(), WriteError> {
        staged.buffer.resize(STAGE);
        while !bytes.is_empty() {
            // OK: the buffer holds all staged bytes.
            let filled = (staged.end - staged.start) as usize;
            let (now, later) = bytes.split_at(bytes.len().min(STAGE - filled));
            staged.buffer[filled..filled + now.len()].copy_from_slice(now);
            staged.end += now.len() as u64;
            bytes = later;
            if filled + now.len() == STAGE {
                self.drain(file, staged, false)?;
            }
        }
        Ok(())
    }

    /// Writes the staged bytes up to the last whole block, or all of them.
    fn drain(&self, file: &File, staged: &mut Staged, all: bool) -> Result<(), WriteError> {
        if staged.is_empty() {
            return Ok(());
        }
        let first = staged.from.next_multiple_of(self.block).min(staged.end);
        let last = (staged.end / self.block * self.block).max(first);
        write_parts(file, staged.from, &[staged.bytes(staged.from..first)])?;
        self.write_direct(file, first, &[staged.bytes(first..last)])?;
        if all {
            write_parts(file, last, &[staged.bytes(last..staged.end)])?;
            staged.restart(staged.end, self.block);
        } else {
            // OK: the buffer holds all staged bytes.
            let rest = (last - staged.start) as usize..(staged.end - staged.start) as usize;
            staged.buffer.copy_within(rest, 0);
            (staged.start, staged.from) = (last, last);
        }
        Ok(())
    }

    /// Writes whole blocks. If the file system refuses that, they are written through the page cache.
    fn write_direct(&self, file: &File, at: u64, parts: &[&[u8]]) -> Result<(), WriteError> {
        let total: usize = parts.iter().map(|part| part.len()).sum();
        let mut done = 0;
        while done < total && !self.is_refused() {
            let rest = rest_of(parts, done);
            let slices: Vec<IoSlice<'_>> = rest.iter().map(|part| IoSlice::new(part)).collect();
            match rustix::io::pwritev(&self.direct, &slices, at + done as u64) {
                Ok(0) | Err(Errno::INVAL | Errno::OPNOTSUPP) => {
                    self.is_refused.store(true, Ordering::Relaxed);
                }
                Ok(written) => done += written,
                Err(Errno::INTR) => {}
                Err(error) => return Err(write_error(at + done as u64, &error.into())),
            }
        }
        if done == total {
            return Ok(());
        }
        write_parts(file, at + done as u64, &rest_of(parts, done))
    }
}

/// The parts without their first `skip` bytes.
fn rest_of<'b>(parts: &[&'b [u8]], mut skip: usize) -> Vec<&'b [u8]> {
    let mut rest = Vec::with_capacity(parts.len());
    for part in parts {
        let cut = skip.min(part.len());
        skip -= cut;
        rest.push(&part[cut..]);
    }
    rest.retain(|part| !part.is_empty());
    rest
}

impl Staged {
    fn is_empty(&self) -> bool {
        self.from == self.end
    }

    /// Begins a new sequence at `at`.
    fn restart(&mut self, at: u64, block: u64) {
        (self.start, self.from, self.end) = (at / block * block, at, at);
    }

    /// Whether staged bytes are in a block of `range`.
    fn touches(&self, range: &Range<u64>, block: u64) -> bool {
        !self.is_empty()
            && range.start / block < self.end.div_ceil(block)
            && range.end.div_ceil(block) > self.from / block
    }

    /// Staged bytes, by their offset in the file.
    fn bytes(&self, range: Range<u64>) -> &[u8] {
        // OK: the buffer holds all staged bytes.
        &self.buffer[(range.start - self.start) as usize..(range.end - self.start) as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    fn writer() -> Option<(File, DirectWriter)> {
        let file = tempfile::tempfile().unwrap();
        let writer = DirectWriter::open(&file);
        if writer.is_none() {
            imgprep_tests::skip("direct-io", "direct writes");
        }
        Some((file, writer?))
    }

    /// Writes the same with direct I/O and into memory, and returns both results.
    fn both(writes: &[(u64, Vec<Vec<u8>>)]) -> Option<(Vec<u8>, Vec<u8>)> {
        let (file, writer) = writer()?;
        let mut expected = Vec::new();
        for (at, parts) in writes {
            let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            writer.write(&file, *at, &slices).unwrap();
            let bytes = parts.concat();
            let (start, end) = (*at as usize, *at as usize + bytes.len());
            expected.resize(expected.len().max(end), 0);
            expected[start..end].copy_from_slice(&bytes);
        }
        writer.flush(&file).unwrap();
        assert!(!writer.is_refused());
        let mut found = vec![0; file.metadata().unwrap().len() as usize];
        file.read_exact_at(&mut found, 0).unwrap();
        Some((found, expected))
    }

    /// Numbers that look random: a linear congruential generator.
    fn random(state: &mut u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *state >> 33
    }

    fn noise(state: &mut u64, len: u64) -> Vec<u8> {
        (0..len.div_ceil(4)).flat_map(|_| (random(state) as u32).to_le_bytes()).take(len as usize).collect()
    }

    #[test]
    fn any_sequence_of_writes_has_the_result_of_plain_writes() {
        for seed in 0..8 {
            let (mut state, mut at) = (seed, 0);
            let writes: Vec<_> = (0..40)
                .map(|_| {
                    // Mostly sequential; some writes jump, also back into what was written.
                    at = match random(&mut state) % 8 {
                        0 => random(&mut state) % (8 << 20),
                        1 => random(&mut state) % 2048 * 4096,
                        _ => at,
                    };
                    let len = match random(&mut state) % 4 {
                        0 => random(&mut state) % 600,
                        1 => random(&mut state) % 64 * 4096,
                        2 => 128 << 10,
                        _ => random(&mut state) % (3 << 20),
                    };
                    let cut = random(&mut state) % (len + 1);
                    let parts = vec![noise(&mut state, cut), noise(&mut state, len - cut)];
                    let write = (at, parts);
                    at += len;
                    write
                })
                .collect();
            let Some((found, expected)) = both(&writes) else { return };
            assert!(found == expected, "seed {seed}");
        }
    }

    #[test]
    fn aligned_memory_is_written_without_a_copy() {
        let Some((file, writer)) = writer() else { return };
        let mut buffer = AlignedBuffer::default();
        buffer.resize(1 << 20);
        buffer.fill(5);
        writer.write(&file, 4096, &[&buffer[..512 << 10], &buffer[512 << 10..]]).unwrap();
        assert!(writer.staged().buffer.is_empty(), "nothing is staged");
        let mut found = vec![0; 1 << 20];
        file.read_exact_at(&mut found, 4096).unwrap();
        assert!(found == *buffer);
    }

    #[test]
    fn a_refused_write_goes_through_the_page_cache() {
        let Some((file, mut writer)) = writer() else { return };
        // Half a sector: the file system refuses it, as some refuse all direct writes.
        writer.block = 256;
        writer.memory = 1;
        let bytes = vec![7; (256 << 10) + 256];
        writer.write(&file, 256, &[&bytes]).unwrap();
        assert!(writer.is_refused());
        writer.flush(&file).unwrap();
        let mut found = vec![0; bytes.len() + 256];
        file.read_exact_at(&mut found, 0).unwrap();
        assert!(found[..256].iter().all(|byte| *byte == 0) && found[256..] == bytes);
    }
}
