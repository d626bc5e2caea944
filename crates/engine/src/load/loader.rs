//! Loads the bytes of one chunk.

use std::ops::{ControlFlow, Range};

use imgprep_map::{Codec, Error, FileId, ReadAt, Source};

use super::jobs::Job;
use super::payload::{check_block, payload};
use super::prefetch::prefetch;
use super::scratch::Scratch;
use super::stream::StreamBlock;
use crate::{Layer, Losses, OnLoss, Progress, ResolvedExtent, Stack};

/// Smallest extent that is written from its mapping: the usual cluster size.
const BORROWED_FROM: u64 = 64 << 10;

/// Size of the reads from a failing disk when a whole extent cannot be read.
const SALVAGE_STEP: usize = 4096;

/// The bytes of a chunk.
pub(crate) enum Loaded<'a> {
    /// All zeros, according to the maps.
    Zero,
    /// Contiguous in a mapping.
    Mapped(&'a [u8]),
    /// In [`Scratch::buffer`].
    Buffered,
}

/// How stored data is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Through the mapping of a file: contiguous data needs no copy.
    Mapped,
    /// With positioned reads into the buffer of a thread: for data that is only read, the copy costs less than the page tables
    /// of a mapping (`docs/performance.md`).
    Copied,
}

/// Reads chunks of one stack.
pub(crate) struct Loader<'a> {
    pub(crate) stack: &'a Stack,
    pub(crate) reads: Reads,
    pub(crate) on_loss: OnLoss,
    pub(crate) losses: &'a Losses,
    pub(crate) progress: &'a Progress,
}

/// The bytes of a chunk; none if it is all zeros.
pub(crate) fn load_chunk<'s>(
    loader: &Loader<'s>,
    job: Option<&Job>,
    scratch: &'s mut Scratch,
) -> Result<&'s [u8], Error> {
    let Some(job) = job else { return Ok(&[]) };
    Ok(match loader.load(&job.range, &job.stream, scratch)? {
        Loaded::Zero => &[],
        Loaded::Mapped(bytes) => bytes,
        Loaded::Buffered => &scratch.buffer,
    })
}

impl<'a> Loader<'a> {
    /// Loads the bytes of `range`. `stream` contains the records of streams that it overlaps.
    pub(crate) fn load(
        &self,
        range: &Range<u64>,
        stream: &[StreamBlock],
        scratch: &mut Scratch,
    ) -> Result<Loaded<'a>, Error> {
        let mut extents = std::mem::take(&mut scratch.extents);
        extents.clear();
        self.collect(range, &mut extents)?;
        let loaded = self.load_extents(range, &extents, stream, scratch);
        scratch.extents = extents;
        loaded
    }

    pub(super) fn load_extents(
        &self,
        range: &Range<u64>,
        extents: &[ResolvedExtent],
        stream: &[StreamBlock],
        scratch: &mut Scratch,
    ) -> Result<Loaded<'a>, Error> {
        if extents.iter().all(ResolvedExtent::is_zero) {
            return Ok(Loaded::Zero);
        }
        if let [extent] = extents
            && self.reads == Reads::Mapped
            && let Some(bytes) = self.mapped(extent)
        {
            self.progress.did_read(extent.len());
            return Ok(Loaded::Mapped(bytes));
        }
        prefetch(self.stack, extents);
        let mut buffer = std::mem::take(&mut scratch.buffer);
        // OK: a chunk is a few MiB, set by the writer's layout.
        buffer.resize((range.end - range.start) as usize);
        let filled = extents.iter().try_for_each(|extent| {
            // OK: the extents tile the range, which is as long as the buffer.
            let target = (extent.disk.start - range.start) as usize..(extent.disk.end - range.start) as usize;
            self.fill(extent, &mut buffer[target], stream, scratch)
        });
        scratch.buffer = buffer;
        filled.map(|()| Loaded::Buffered)
    }

    /// Collects the extents of `range`; with [`OnLoss::Zero`] zeros where a table is invalid.
    pub(super) fn collect(&self, range: &Range<u64>, extents: &mut Vec<ResolvedExtent>) -> Result<(), Error> {
        let mut at = range.start;
        loop {
            let walked = self.stack.visit(at..range.end, &mut |extent| {
                extents.push(extent);
                ControlFlow::Continue(())
            });
            let Err(error) = walked else { return Ok(()) };
            let done = extents.last().map_or(range.start, |extent| extent.disk.end);
            match error.disk() {
                Some(lost) if self.on_loss == OnLoss::Zero && lost.end > done => {
                    let lost = done..lost.end.min(range.end);
                    self.losses.add(lost.clone(), &error);
                    at = lost.end;
                    extents.push(ResolvedExtent {
                        disk: lost,
                        layer: 0,
                        source: Source::Zero { explicit: false },
                    });
                    if at == range.end {
                        return Ok(());
                    }
                }
                _ => return Err(error),
            }
        }
    }

    fn mapped(&self, extent: &ResolvedExtent) -> Option<&'a [u8]> {
        let (file, range) = self.stored(extent)?;
        file.will_read(range.clone());
        file.mapped(range)
    }

    /// File and range of an extent of data.
    fn stored(&self, extent: &ResolvedExtent) -> Option<(&'a dyn ReadAt, Range<u64>)> {
        let (file, range) = extent.stored().filter(|_| matches!(extent.source, Source::Data { .. }))?;
        Some((self.stack.layers()[extent.layer].file(file).ok()?, range))
    }

    /// The parts of the chunk in the buffer that are mapped, too, by their offset in the chunk.
    pub(crate) fn borrowed(&self, range: &Range<u64>, scratch: &Scratch) -> Vec<(usize, &'a [u8])> {
        let large = scratch.extents.iter().filter(|extent| extent.len() >= BORROWED_FROM);
        large
            .filter_map(|extent| {
                let (file, place) = self.stored(extent)?;
                // OK: the extents tile the chunk, which is a few MiB.
                Some(((extent.disk.start - range.start) as usize, file.mapped(place)?))
            })
            .collect()
    }

    pub(super) fn fill(
        &self,
        extent: &ResolvedExtent,
        target: &mut [u8],
        stream: &[StreamBlock],
        scratch: &mut Scratch,
    ) -> Result<(), Error> {
        let layer = &self.stack.layers()[extent.layer];
        let (file, at, filled) = match &extent.source {
            Source::Zero { .. } | Source::Parent => {
                target.fill(0);
                return Ok(());
            }
            Source::Data { file, at } => (*file, *at, self.copy(layer, extent, *file, *at, target)),
            Source::Compressed { codec: Codec::ZlibContinued, file, at, block, .. } => {
                (*file, *at, self.take_streamed(extent, block, stream, target))
            }
            Source::Compressed { file, at, .. } => {
                (*file, *at, self.decompress(layer, extent, target, scratch))
            }
        };
        filled.or_else(|error| {
            let error = error.in_file(file).at_offset(at).hitting(extent.disk.clone());
            let error = layer.name(error).while_doing("reading");
            if self.on_loss == OnLoss::Stop {
                return Err(error);
            }
            target.fill(0);
            self.losses.add(extent.disk.clone(), &error);
            Ok(())
        })
    }

    fn copy(
        &self,
        layer: &Layer,
        extent: &ResolvedExtent,
        id: FileId,
        at: u64,
        target: &mut [u8],
    ) -> Result<(), Error> {
        let file = layer.file(id)?;
        self.progress.did_read(extent.len());
        let read = match self.reads {
            Reads::Mapped => {
                file.will_read(at..at.saturating_add(extent.len()));
                if let Some(bytes) = at.checked_add(extent.len()).and_then(|end| file.mapped(at..end)) {
                    target.copy_from_slice(bytes);
                    return Ok(());
                }
                file.read_exact_at(target, at)
            }
            Reads::Copied => file.read_once_at(target, at),
        };
        match read {
            Err(_) if self.on_loss == OnLoss::Zero => self.copy_in_steps(layer, extent, (id, at), target),
            done => done.map_err(Error::from),
        }
    }

    /// Reads in small steps, so that only those are lost that cannot be read.
    fn copy_in_steps(
        &self,
        layer: &Layer,
        extent: &ResolvedExtent,
        (id, at): (FileId, u64),
        target: &mut [u8],
    ) -> Result<(), Error> {
        let file = layer.file(id)?;
        for (index, step) in target.chunks_mut(SALVAGE_STEP).enumerate() {
            let done = (index * SALVAGE_STEP) as u64;
            if let Err(error) = file.read_exact_at(step, at + done) {
                step.fill(0);
                let disk = extent.disk.start + done;
                let error = layer.name(Error::new(error).in_file(id)).while_doing("reading");
                self.losses.add(disk..disk + step.len() as u64, &error);
            }
        }
        Ok(())
    }

    /// Copies from a record that the feeder decompressed. The feeder has listed missing records as lost.
    fn take_streamed(
        &self,
        extent: &ResolvedExtent,
        block: &Range<u64>,
        stream: &[StreamBlock],
        target: &mut [u8],
    ) -> Result<(), Error> {
        match stream.iter().find(|held| held.layer == extent.layer && held.block == *block) {
            Some(held) => target.copy_from_slice(part_of(&held.bytes, block, &extent.disk)),
            None if self.on_loss == OnLoss::Zero => target.fill(0),
            None => return Err(imgprep_codec::DecompressError::BrokenStream.into()),
        }
        Ok(())
    }

    fn decompress(
        &self,
        layer: &Layer,
        extent: &ResolvedExtent,
        target: &mut [u8],
        scratch: &mut Scratch,
    ) -> Result<(), Error> {
        let Source::Compressed { file, at, len, codec, block } = &extent.source else {
            unreachable!("only compressed extents are decompressed")
        };
        let block_len = check_block(block)?;
        let key = (extent.layer, *file, *at);
        // OK: inside the block, whose length is a `usize`.
        let least = (extent.disk.end - block.start) as usize;
        if extent.disk != *block && scratch.cached == Some(key) && scratch.cache.len() >= least {
            target.copy_from_slice(part_of(&scratch.cache, block, &extent.disk));
            return Ok(());
        }
        let stored = payload(layer, *file, *at, *len)?;
        self.progress.did_read(stored.len() as u64);
        if extent.disk == *block {
            return Ok(scratch.decompressor.decompress(*codec, &stored, *len, target)?);
        }
        scratch.cached = None;
        scratch.cache.resize(block_len, 0);
        // The payload of the last block may end where the disk does.
        let produced =
            scratch.decompressor.decompress_some(*codec, &stored, *len, &mut scratch.cache, least)?;
        scratch.cache.truncate(produced);
        scratch.cached = Some(key);
        target.copy_from_slice(part_of(&scratch.cache, block, &extent.disk));
        Ok(())
    }
}

/// The part of a decompressed block that `disk` covers.
fn part_of<'b>(decompressed: &'b [u8], block: &Range<u64>, disk: &Range<u64>) -> &'b [u8] {
    // OK: a format's extent lies in its block (held by the conformance tests), and `decompressed` reaches to the extent's end.
    &decompressed[(disk.start - block.start) as usize..(disk.end - block.start) as usize]
}
