//! CRC-32 of every chunk that is not all zeros, to compare the output with the source.

use std::ops::Range;

use crc32fast::Hasher;
use imgprep_map::Error;

use crate::digest::{Blake3Tree, Subtree, subtree};
use crate::load::{
    Chunk, ChunkForm, Loader, PIECE, Reads, Scratch, jobs, pieces_of, reading_share, with_zeros,
    without_zeros,
};
use crate::{EngineError, Losses, Options, Stack, TableScan, is_zero, pipeline};

/// Checksums of the chunks of a disk that are not all zeros, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checksums {
    chunk: u64,
    size: u64,
    chunks: Vec<(u64, u32)>,
    /// The tree of BLAKE3 over all chunks, if it was requested.
    tree: Option<Blake3Tree>,
}

impl Checksums {
    pub(crate) fn new(chunk: u64, size: u64, with_blake3: bool) -> Self {
        Self { chunk, size, chunks: Vec::new(), tree: with_blake3.then(Blake3Tree::default) }
    }

    pub(crate) fn push_subtree(&mut self, value: [u8; 32]) {
        self.tree.iter_mut().for_each(|tree| tree.push(value));
    }

    /// BLAKE3 of the whole disk including zeros, if it was requested.
    pub fn blake3(&self) -> Option<[u8; 32]> {
        self.tree.clone().map(Blake3Tree::finish)
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

/// The part of a disk that is checksummed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChecksumRange {
    /// Bytes at the beginning of the disk.
    pub size: u64,
    /// What may follow.
    pub trailing: TrailingData,
    /// Length of the disk for which BLAKE3 is computed, if it is. The chunks of the table scan must then have a power of two of
    /// bytes.
    pub blake3_len: Option<u64>,
}

/// Reads a disk and checksums its beginning.
///
/// `table_scan` must be of the same stack.
pub fn checksum(
    stack: &Stack,
    table_scan: &TableScan,
    range: ChecksumRange,
    options: &Options<'_>,
) -> Result<Checksums, Error> {
    let ChecksumRange { size, blake3_len, .. } = range;
    if stack.size() < size {
        let what = format!("{size} bytes went in, {} came out", stack.size());
        return Err(EngineError::Differs { what }.into());
    }
    options.progress.begin(table_scan.total());
    let losses = Losses::default();
    let loader = Loader {
        stack,
        reads: Reads::Copied,
        on_loss: options.on_loss,
        losses: &losses,
        progress: options.progress,
    };
    let share = reading_share(stack, table_scan, options)?;
    let mut sums = Checksums::new(table_scan.chunk, size, blake3_len.is_some());
    let reader = Reader { loader, range };
    let data = jobs(stack, table_scan.chunk, options, &losses, None);
    let work = |chunk: Chunk, scratch: &mut Scratch| reader.work(&chunk, scratch);
    let reduce = |done: ReadChunk| {
        sums.chunks.extend(done.checksum.map(|sum| (done.start / table_scan.chunk, sum)));
        done.subtree.into_iter().for_each(|value| sums.push_subtree(value));
        options.progress.did_disk(done.read_len);
        (options.observe)(options.progress);
        Ok(())
    };
    match blake3_len {
        Some(_) => {
            let feed = with_zeros(data, table_scan.chunk, stack.size());
            pipeline::run(share, options.interrupt, feed, Scratch::new, work, reduce)?;
        }
        None => {
            pipeline::run(share, options.interrupt, without_zeros(data), Scratch::new, work, reduce)?;
        }
    }
    // For the walk after the last chunk.
    stack.verify_mapping()?;
    Ok(sums)
}

/// Reads and checksums chunks.
struct Reader<'a> {
    loader: Loader<'a>,
    range: ChecksumRange,
}

/// A chunk that was read.
struct ReadChunk {
    start: u64,
    read_len: u64,
    checksum: Option<u32>,
    subtree: Option<[u8; 32]>,
}

/// A piece of zeros.
const ZEROS: &[u8] = &[0; PIECE as usize];

impl Reader<'_> {
    fn work(&self, chunk: &Chunk, scratch: &mut Scratch) -> Result<ReadChunk, Error> {
        let ChecksumRange { size, trailing, blake3_len } = self.range;
        let blake3_len = blake3_len.unwrap_or_default();
        let start = chunk.range.start;
        let mut done = ReadChunk { start, read_len: chunk.read_len(), checksum: None, subtree: None };
        if trailing == TrailingData::Anything && start >= size {
            return Ok(done);
        }
        let form = self.loader.open_chunk(chunk.job.as_ref(), scratch)?;
        if form == ChunkForm::Zero {
            done.subtree = self.hashed(&chunk.range).map(|range| subtree(&range, blake3_len, None));
            return Ok(done);
        }
        let mut subtree = self.hashed(&chunk.range).map(|range| Subtree::new(&range, blake3_len));
        let (mut crc32, mut has_data) = (Hasher::new(), false);
        for piece in pieces_of(&chunk.range, PIECE) {
            let bytes = match self.loader.piece(form, &piece, scratch)? {
                // OK: at most the length of the constant.
                [] => &ZEROS[..(piece.end - piece.start) as usize],
                bytes => bytes,
            };
            // OK: clipped to the slice's length.
            let before = |end: u64| end.saturating_sub(piece.start).min(bytes.len() as u64) as usize;
            let (inside, rest) = bytes.split_at(before(size));
            if trailing == TrailingData::Zeros && !is_zero(rest) {
                let what = format!("bytes after the end of the disk at {size} are not zero");
                return Err(Error::new(EngineError::Differs { what }).hitting(chunk.range.clone()));
            }
            has_data |= !is_zero(inside);
            crc32.update(inside);
            if let Some(subtree) = &mut subtree {
                subtree.update(&bytes[..before(blake3_len)]);
            }
        }
        done.checksum = has_data.then(|| crc32.finalize());
        done.subtree = subtree.map(Subtree::finish);
        self.loader.stack.verify_mapping()?;
        Ok(done)
    }

    /// The part of a chunk that is in the tree of BLAKE3.
    fn hashed(&self, chunk: &Range<u64>) -> Option<Range<u64>> {
        let range = chunk.start..chunk.end.min(self.range.blake3_len?);
        (!range.is_empty()).then_some(range)
    }
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
        Checksums { chunk: 10, size: 95, chunks: chunks.to_vec(), tree: None }
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
