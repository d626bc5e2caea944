//! The work on one chunk, on any thread.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use imgprep_codec::{BlockCompressor, CompressError};
use imgprep_map::{AlignedBuffer, Compression, Encoding, Error};

use super::bitmap::BitmapShape;
use super::writer::{Runs, Writer};
use crate::digest::subtree;
use crate::load::{Chunk, Job, Loaded, Loader, Scratch, data_runs, is_zero};

/// Aligned blocks of zeros of this size are not written to a sparse file: the block size of common file systems.
const SPARSE_GRANULE: u64 = 4096;

pub(crate) struct Done<'a> {
    pub(crate) chunk: u64,
    pub(crate) range: Range<u64>,
    pub(crate) body: Body<'a>,
    /// The parts of the body that are written.
    pub(crate) runs: Runs<'a>,
    /// The blocks in the body, in ascending order. Empty if the output is linear or the body is a part of a block.
    pub(crate) blocks: Vec<StoredBlock>,
    pub(crate) checksum: Option<u32>,
    /// Its part of the tree of BLAKE3.
    pub(crate) subtree: Option<[u8; 32]>,
    /// Bytes of the disk that were read.
    pub(crate) read_len: u64,
    pub(crate) data: Vec<Range<u64>>,
}

pub(crate) enum Body<'a> {
    /// All zeros.
    Zero,
    /// Already written.
    Written,
    Mapped(&'a [u8]),
    /// Blocks as they are on the disk.
    Plain(AlignedBuffer),
    /// Compressed blocks.
    Compressed(Vec<u8>),
}

/// A block of the output that contains data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredBlock {
    pub(crate) number: u64,
    /// Its range in the body.
    pub(crate) range: Range<usize>,
    pub(crate) form: BlockForm,
}

/// How a block is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockForm {
    Plain,
    Compressed,
    /// Marked as zeros, where the backing file has data.
    Zeros,
}

/// Idle compressors and buffers, which are reused.
#[derive(Default)]
pub(crate) struct Compressors {
    idle: Mutex<Vec<BlockCompressor>>,
    plain: Mutex<Vec<AlignedBuffer>>,
    compressed: Mutex<Vec<Vec<u8>>>,
}

impl Compressors {
    pub(crate) fn plain_buffer(&self) -> AlignedBuffer {
        pop(&self.plain).unwrap_or_default()
    }

    pub(crate) fn give_back_plain(&self, buffer: AlignedBuffer) {
        push(&self.plain, buffer);
    }

    pub(crate) fn give_back_compressed(&self, buffer: Vec<u8>) {
        push(&self.compressed, buffer);
    }

    /// Calls `work` with an idle compressor or a new one.
    fn with<T>(
        &self,
        compression: Compression,
        work: impl FnOnce(&mut BlockCompressor) -> Result<T, CompressError>,
    ) -> Result<T, Error> {
        let mut compressor = match pop(&self.idle) {
            Some(compressor) => compressor,
            None => BlockCompressor::new(compression)?,
        };
        let worked = work(&mut compressor).map_err(|error| Error::new(error).while_doing("compressing"))?;
        push(&self.idle, compressor);
        Ok(worked)
    }
}

// A poisoned list only means that another thread panicked: its entries are complete.
fn pop<T>(list: &Mutex<Vec<T>>) -> Option<T> {
    list.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

fn push<T>(list: &Mutex<Vec<T>>, item: T) {
    list.lock().unwrap_or_else(PoisonError::into_inner).push(item);
}

/// Loads, checks and compresses chunks.
pub(crate) struct Worker<'a> {
    pub(crate) loader: Loader<'a>,
    pub(crate) encoding: Encoding,
    pub(crate) chunk: u64,
    /// Size of a block of the output.
    pub(crate) block: u64,
    pub(crate) writer: Writer<'a>,
    /// Whether the output stores the disk contiguously and unchanged.
    pub(crate) is_linear: bool,
    /// Whether zeros need not be written.
    pub(crate) is_sparse: bool,
    pub(crate) with_checksums: bool,
    /// Length of the disk if BLAKE3 is computed.
    pub(crate) blake3_len: Option<u64>,
    pub(crate) bitmap: Option<BitmapShape>,
    pub(crate) compressors: Compressors,
    /// The backing file of the output.
    pub(crate) backing: Option<Loader<'a>>,
    /// Whether zeros over data of the backing file are marked instead of stored.
    pub(crate) marks_zeros: bool,
}

impl<'a> Worker<'a> {
    /// The second scratch is for the backing file.
    pub(crate) fn work(&self, chunk: Chunk, scratches: &mut [Scratch; 2]) -> Result<Done<'a>, Error> {
        if let Some(backing) = &self.backing {
            return self.overlay(&chunk, backing, scratches);
        }
        let [scratch, _] = scratches;
        let read_len = chunk.read_len();
        let Some(job) = chunk.job else { return Ok(self.zero_unit(chunk.range, read_len)) };
        let loaded = self.loader.load(&job.range, &job.stream, scratch)?;
        let mapped = match loaded {
            Loaded::Zero => return Ok(self.zero_unit(job.range, read_len)),
            Loaded::Mapped(bytes) => Some(bytes),
            Loaded::Buffered => None,
        };
        let bytes = mapped.unwrap_or(&scratch.buffer);
        if is_zero(bytes) {
            self.loader.stack.verify_mapping()?;
            return Ok(self.zero_unit(job.range, read_len));
        }
        let subtree = self.subtree(&job.range, Some(bytes));
        let checksum = self.with_checksums.then(|| crc32fast::hash(bytes));
        let data = self.bitmap.map(|shape| data_ranges(bytes, job.range.start, shape)).unwrap_or_default();
        let mut runs = Runs { ranges: self.ranges(bytes, &job.range), borrowed: Vec::new() };
        let is_copy = mapped.is_none() && self.encoding == Encoding::Plain;
        if is_copy && self.writer.sink.can_reflink() {
            runs.borrowed = self.loader.borrowed(&job.range, scratch);
        }
        let (body, blocks) = self.body(&job, mapped, &runs, scratch)?;
        self.loader.stack.verify_mapping()?;
        Ok(Done { chunk: job.chunk, range: job.range, body, runs, blocks, checksum, subtree, read_len, data })
    }

    /// The part of a chunk in the tree of BLAKE3. Without bytes, the chunk is all zeros.
    pub(super) fn subtree(&self, range: &Range<u64>, bytes: Option<&[u8]>) -> Option<[u8; 32]> {
        self.blake3_len.map(|len| subtree(range, len, bytes))
    }

    pub(super) fn zero_unit(&self, range: Range<u64>, read_len: u64) -> Done<'a> {
        Done {
            chunk: range.start / self.chunk,
            subtree: self.subtree(&range, None),
            range,
            body: Body::Zero,
            runs: Runs::default(),
            blocks: Vec::new(),
            checksum: None,
            read_len,
            data: Vec::new(),
        }
    }

    /// The ranges of a chunk that have to be written.
    fn ranges(&self, bytes: &[u8], range: &Range<u64>) -> Vec<Range<usize>> {
        if !self.is_sparse {
            return std::iter::once(0..bytes.len()).collect();
        }
        let mut ranges = Vec::new();
        data_runs(bytes, range.start, SPARSE_GRANULE, |run| ranges.push(run));
        ranges
    }

    fn body(
        &self,
        job: &Job,
        mapped: Option<&'a [u8]>,
        runs: &Runs<'a>,
        scratch: &mut Scratch,
    ) -> Result<(Body<'a>, Vec<StoredBlock>), Error> {
        if let Some(place) = job.place {
            let bytes = mapped.unwrap_or(&scratch.buffer);
            self.writer.write_runs(place, bytes, runs)?;
            return Ok((Body::Written, Vec::new()));
        }
        let mapped = if self.has_blocks() { self.whole_blocks(mapped, scratch) } else { mapped };
        let blocks = self.data_blocks(job, mapped.unwrap_or(&scratch.buffer));
        if let Encoding::PerBlock { compression, keep_if_smaller } = self.encoding {
            let chunk = mapped.unwrap_or(&scratch.buffer);
            let (bytes, blocks) = self.compress(chunk, blocks, compression, keep_if_smaller)?;
            return Ok((Body::Compressed(bytes), blocks));
        }
        let body = match mapped {
            Some(bytes) => Body::Mapped(bytes),
            None => Body::Plain(std::mem::replace(&mut scratch.buffer, self.compressors.plain_buffer())),
        };
        Ok((body, blocks))
    }

    /// Whether chunks consist of blocks: not if the output is linear or a block is larger than a chunk.
    fn has_blocks(&self) -> bool {
        !self.is_linear && self.block <= self.chunk
    }

    /// A chunk of whole blocks: the last block of the disk is padded with zeros.
    fn whole_blocks(&self, mapped: Option<&'a [u8]>, scratch: &mut Scratch) -> Option<&'a [u8]> {
        // OK: a block is at most as large as a chunk.
        let whole = |len: usize| len.next_multiple_of(self.block as usize);
        if let Some(bytes) = mapped {
            if bytes.len() == whole(bytes.len()) {
                return mapped;
            }
            scratch.buffer.copy_from(bytes);
        }
        scratch.buffer.resize(whole(scratch.buffer.len()));
        None
    }

    /// The blocks of a chunk that contain data.
    fn data_blocks(&self, job: &Job, chunk: &[u8]) -> Vec<StoredBlock> {
        if !self.has_blocks() {
            return Vec::new();
        }
        // OK: a block is at most as large as a chunk.
        let (first, len) = (job.range.start / self.block, self.block as usize);
        let data = chunk.chunks(len).enumerate().filter(|(_, block)| !is_zero(block));
        data.map(|(index, block)| StoredBlock {
            number: first + index as u64,
            range: index * len..index * len + block.len(),
            form: BlockForm::Plain,
        })
        .collect()
    }

    /// The stored bytes of the blocks, one after the other.
    pub(super) fn compress(
        &self,
        chunk: &[u8],
        mut blocks: Vec<StoredBlock>,
        compression: Compression,
        keep_if_smaller: bool,
    ) -> Result<(Vec<u8>, Vec<StoredBlock>), Error> {
        let mut stored = pop(&self.compressors.compressed).unwrap_or_default();
        stored.clear();
        self.compressors.with(compression, |compressor| {
            for block in blocks.iter_mut().filter(|block| block.form != BlockForm::Zeros) {
                let (plain, start) = (&chunk[block.range.clone()], stored.len());
                compressor.append(plain, &mut stored)?;
                if !keep_if_smaller || stored.len() - start < plain.len() {
                    block.form = BlockForm::Compressed;
                } else {
                    stored.truncate(start);
                    stored.extend_from_slice(plain);
                }
                block.range = start..stored.len();
            }
            Ok(())
        })?;
        Ok((stored, blocks))
    }
}

/// The runs of blocks that contain data, as disk ranges.
pub(crate) fn data_ranges(bytes: &[u8], at: u64, shape: BitmapShape) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    data_runs(bytes, at, shape.block, |run| ranges.push(at + run.start as u64..at + run.end as u64));
    ranges
}
