//! Computes the digests of a disk.

use std::ops::Range;

use blake3::hazmat::ChainingValue;
use imgprep_map::{AlignedBuffer, Error};
use sha2::{Digest as _, Sha256};

use super::algorithm::{Digest, DigestAlgorithm};
use super::blake3_tree::{Blake3Tree, Subtree, pieces_of_zeros, subtree};
use crate::load::{
    Chunk, Loaded, Loader, PIECE, Reads, Scratch, jobs, pieces_of, reading_memory, with_zeros,
};
use crate::pipeline::Share;
use crate::{Losses, OnLoss, Options, Stack, TableScan, pipeline};

/// Computes digests of all bytes of a disk, including zeros: those of a RAW file with the same contents.
///
/// `table_scan` must be of the same stack, and its chunks must have a power of two of bytes. Zeros are not read, but hashed. The
/// first range that cannot be read ends the run, whatever the options request.
pub fn digest(
    stack: &Stack,
    table_scan: &TableScan,
    algorithms: &[DigestAlgorithm],
    options: &Options<'_>,
) -> Result<Vec<Digest>, Error> {
    let options = &Options { on_loss: OnLoss::Stop, ..*options };
    let losses = Losses::default();
    options.progress.begin(stack.size());
    let has = |algorithm| algorithms.contains(&algorithm);
    let with_bytes = has(DigestAlgorithm::Sha256);
    // Bytes in a mapping are passed on without a buffer.
    let reads = if with_bytes { Reads::Mapped } else { Reads::Copied };
    let worker = Worker {
        loader: Loader { stack, reads, on_loss: OnLoss::Stop, losses: &losses, progress: options.progress },
        with_blake3: has(DigestAlgorithm::Blake3),
        with_bytes,
    };
    let (mut tree, mut sha256) = (Blake3Tree::default(), Sha256::new());
    pipeline::run(
        share(stack, table_scan, worker.with_bytes, options)?,
        options.interrupt,
        with_zeros(jobs(stack, table_scan.chunk, options, &losses, None), table_scan.chunk, stack.size()),
        Scratch::new,
        |chunk, scratch| worker.work(&chunk, scratch),
        |hashed| {
            hashed.subtree.into_iter().for_each(|value| tree.push(value));
            if worker.with_bytes {
                hashed.body.update(&mut sha256, &hashed.range);
            }
            options.progress.did_disk(hashed.range.end - hashed.range.start);
            (options.observe)(options.progress);
            Ok(())
        },
    )?;
    // For the walk after the last chunk, and for what was hashed after its chunk was loaded.
    stack.verify_mapping()?;
    let bytes = |algorithm| match algorithm {
        DigestAlgorithm::Blake3 => tree.clone().finish(),
        DigestAlgorithm::Sha256 => sha256.clone().finalize().into(),
    };
    Ok(algorithms
        .iter()
        .map(|algorithm| Digest { algorithm: *algorithm, bytes: bytes(*algorithm) })
        .collect())
}

/// `keeps_bytes`: the bytes of a chunk are kept until it is reduced.
fn share(
    stack: &Stack,
    table_scan: &TableScan,
    keeps_bytes: bool,
    options: &Options<'_>,
) -> Result<Share, Error> {
    let (per_thread, streamed) = reading_memory(stack, table_scan);
    let per_chunk = streamed + if keeps_bytes { table_scan.chunk } else { 0 };
    Ok(Share::plan(options.threads, options.memory, per_thread, per_chunk.max(1))?)
}

/// Loads and hashes chunks.
struct Worker<'a> {
    loader: Loader<'a>,
    with_blake3: bool,
    /// Whether the bytes are passed on, for SHA-256.
    with_bytes: bool,
}

/// A chunk that was hashed.
struct Hashed<'a> {
    range: Range<u64>,
    subtree: Option<ChainingValue>,
    body: Body<'a>,
}

/// The bytes of a chunk.
enum Body<'a> {
    Zero,
    Mapped(&'a [u8]),
    Owned(AlignedBuffer),
}

impl<'a> Worker<'a> {
    fn work(&self, chunk: &Chunk, scratch: &mut Scratch) -> Result<Hashed<'a>, Error> {
        let hashed =
            if self.with_bytes { self.load(chunk, scratch)? } else { self.hash_pieces(chunk, scratch)? };
        self.loader.stack.verify_mapping()?;
        Ok(hashed)
    }

    /// Hashes a chunk whose bytes are not needed afterwards.
    fn hash_pieces(&self, chunk: &Chunk, scratch: &mut Scratch) -> Result<Hashed<'a>, Error> {
        let range = chunk.range.clone();
        let mut subtree = Subtree::new(&range, self.loader.stack.size());
        let form = self.loader.open_chunk(chunk.job.as_ref(), scratch)?;
        for piece in pieces_of(&range, PIECE) {
            match self.loader.piece(form, &piece, scratch)? {
                [] => subtree.update_zeros(piece.end - piece.start),
                bytes => subtree.update(bytes),
            }
        }
        Ok(Hashed { range, subtree: Some(subtree.finish()), body: Body::Zero })
    }

    /// Hashes a chunk, and passes its bytes on.
    fn load(&self, chunk: &Chunk, scratch: &mut Scratch) -> Result<Hashed<'a>, Error> {
        let loaded = match &chunk.job {
            Some(job) => self.loader.load(&job.range, &job.stream, scratch)?,
            None => Loaded::Zero,
        };
        let bytes = match loaded {
            Loaded::Zero => None,
            Loaded::Mapped(bytes) => Some(bytes),
            Loaded::Buffered => Some(&scratch.buffer[..]),
        };
        let size = self.loader.stack.size();
        let subtree = self.with_blake3.then(|| subtree(&chunk.range, size, bytes));
        let body = match loaded {
            Loaded::Mapped(bytes) => Body::Mapped(bytes),
            Loaded::Buffered => Body::Owned(std::mem::take(&mut scratch.buffer)),
            Loaded::Zero => Body::Zero,
        };
        Ok(Hashed { range: chunk.range.clone(), subtree, body })
    }
}

impl Body<'_> {
    fn update(&self, sha256: &mut Sha256, range: &Range<u64>) {
        match self {
            Self::Zero => pieces_of_zeros(range.end - range.start, |zeros| sha256.update(zeros)),
            Self::Mapped(bytes) => sha256.update(bytes),
            Self::Owned(bytes) => sha256.update(&**bytes),
        }
    }
}
