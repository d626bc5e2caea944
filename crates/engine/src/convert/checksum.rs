//! CRC-32 of every chunk that is not all zeros, to compare the output with the source.

use std::ops::Range;

use crc32fast::Hasher;
use imgprep_map::Error;

use crate::load::{Job, Loaded, Loader, Scratch, jobs, reading_share};
use crate::{EngineError, Losses, Options, Stack, TableScan, is_zero, pipeline};

/// Checksums of the chunks of a disk that are not all zeros, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checksums {
    chunk: u64,
    size: u64,
    chunks: Vec<(u64, u32)>,
}

impl Checksums {
    pub(crate) fn new(chunk: u64, size: u64) -> Self {
        Self { chunk, size, chunks: Vec::new() }
    }

    pub(crate) fn push(&mut self, chunk: u64, checksum: u32) {
        self.chunks.push((chunk, checksum));
    }

    /// Number of chunks that are not all zeros.
    pub fn len(&self) -> usize {
        self.chunks.len()
    }

    /// Whether the disk is all zeros.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// CRC-32 of the whole disk including zeros, as of a RAW file with the same contents.
    pub fn disk_crc32(&self) -> u32 {
        let mut whole = Hasher::new();
        let mut at = 0;
        for (chunk, checksum) in &self.chunks {
            let start = chunk * self.chunk;
            let len = self.chunk.min(self.size.saturating_sub(start));
            whole.combine(&zeros(start - at));
            whole.combine(&Hasher::new_with_initial_len(*checksum, len));
            at = start + len;
        }
        whole.combine(&zeros(self.size.saturating_sub(at)));
        whole.finalize()
    }

    /// Fails at the first chunk in which the two disks differ.
    pub fn compare(&self, output: &Self) -> Result<(), Error> {
        if self.chunks == output.chunks {
            return Ok(());
        }
        let equal = self.chunks.iter().zip(&output.chunks).take_while(|(a, b)| a == b).count();
        let (source, output) = (self.chunks.get(equal), output.chunks.get(equal));
        let chunk = source.into_iter().chain(output).map(|(chunk, _)| *chunk).min().unwrap_or_default();
        let crc = |side: Option<&(u64, u32)>| {
            side.filter(|(at, _)| *at == chunk).map_or("zeros".into(), |(_, crc)| format!("CRC-32 {crc:08x}"))
        };
        let what = format!("{} went in, {} came out", crc(source), crc(output));
        let start = chunk * self.chunk;
        let range: Range<u64> = start..(start + self.chunk).min(self.size);
        Err(Error::new(EngineError::Differs { what }).hitting(range))
    }
}

/// Data that may follow the disk when it is read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrailingData {
    /// Zeros: a format rounded the disk's size up.
    Zeros,
    /// Anything: the disk is on a device that is longer.
    Anything,
}

/// Reads a disk and checksums its first `size` bytes.
///
/// `table_scan` must be of the same stack.
pub fn checksum(
    stack: &Stack,
    table_scan: &TableScan,
    (size, trailing): (u64, TrailingData),
    options: &Options<'_>,
) -> Result<Checksums, Error> {
    if stack.size() < size {
        let what = format!("{size} bytes went in, {} came out", stack.size());
        return Err(EngineError::Differs { what }.into());
    }
    options.progress.begin(table_scan.total());
    let losses = Losses::default();
    let loader = Loader { stack, on_loss: options.on_loss, losses: &losses, progress: options.progress };
    let share = reading_share(stack, table_scan, options)?;
    let mut sums = Checksums::new(table_scan.chunk, size);
    let work = |job: Job, scratch: &mut Scratch| {
        if trailing == TrailingData::Anything && job.range.start >= size {
            return Ok((job, None));
        }
        let loaded = loader.load(&job.range, &job.stream, scratch)?;
        let bytes: &[u8] = match loaded {
            Loaded::Zero => &[],
            Loaded::Mapped(bytes) => bytes,
            Loaded::Buffered => &scratch.buffer,
        };
        // OK: clipped to the slice's length.
        let inside = size.saturating_sub(job.range.start).min(bytes.len() as u64) as usize;
        let (inside, rest) = bytes.split_at(inside);
        if trailing == TrailingData::Zeros && !is_zero(rest) {
            let what = format!("bytes after the end of the disk at {size} are not zero");
            return Err(Error::new(EngineError::Differs { what }).hitting(job.range));
        }
        let sum = (!is_zero(inside)).then(|| crc32fast::hash(inside));
        stack.verify_mapping()?;
        Ok((job, sum))
    };
    pipeline::run(
        share,
        options.interrupt,
        jobs(stack, table_scan.chunk, options, &losses, None),
        Scratch::new,
        work,
        |(job, sum)| {
            sums.chunks.extend(sum.map(|sum| (job.chunk, sum)));
            options.progress.did_disk(job.range.end - job.range.start);
            (options.observe)(options.progress);
            Ok(())
        },
    )?;
    // For the walk after the last chunk.
    stack.verify_mapping()?;
    Ok(sums)
}

/// The state after `len` zeros, computed by doubling: a hole of 1 TiB takes forty steps.
fn zeros(len: u64) -> Hasher {
    let mut power = Hasher::new();
    power.update(&[0]);
    let mut sum = Hasher::new();
    let mut left = len;
    while left > 0 {
        if left & 1 == 1 {
            sum.combine(&power);
        }
        let half = power.clone();
        power.combine(&half);
        left >>= 1;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crc_of_a_disk_is_that_of_its_bytes() {
        let mut disk = vec![0u8; 95];
        disk[20..30].fill(7);
        disk[90..].fill(9);
        let chunks = [(2, crc32fast::hash(&disk[20..30])), (9, crc32fast::hash(&disk[90..]))];
        assert_eq!(sums(&chunks).disk_crc32(), crc32fast::hash(&disk));
        assert_eq!(sums(&[]).disk_crc32(), crc32fast::hash(&[0; 95]));
    }

    fn sums(chunks: &[(u64, u32)]) -> Checksums {
        Checksums { chunk: 10, size: 95, chunks: chunks.to_vec() }
    }

    fn differs(a: &[(u64, u32)], b: &[(u64, u32)]) -> (Range<u64>, String) {
        let error = sums(a).compare(&sums(b)).unwrap_err();
        (error.disk().unwrap(), error.to_string())
    }

    #[test]
    fn equal_disks_compare_equal() {
        assert!(sums(&[(1, 5), (2, 6)]).compare(&sums(&[(1, 5), (2, 6)])).is_ok());
    }

    #[test]
    fn the_first_difference_is_named() {
        let (range, text) = differs(&[(1, 5), (9, 6)], &[(1, 5), (9, 7)]);
        assert_eq!(range, 90..95);
        assert!(text.contains("CRC-32 00000006 went in, CRC-32 00000007 came out"), "{text}");
        let (range, text) = differs(&[(1, 5), (9, 6)], &[(9, 6)]);
        assert_eq!(range, 10..20);
        assert!(text.contains("CRC-32 00000005 went in, zeros came out"), "{text}");
        let (range, text) = differs(&[], &[(3, 6)]);
        assert_eq!(range, 30..40);
        assert!(text.contains("zeros went in, CRC-32 00000006 came out"), "{text}");
    }
}
