//! The walks of a check over the compressed blocks of a layer.

use std::ops::{ControlFlow, Range};

use imgprep_map::{Codec, CompressedLen, Error, Files as _, Source};

use super::jobs::jobs;
use super::scratch::{Decompressed, Scratch};
use crate::pipeline::Share;
use crate::{Layer, Losses, OnLoss, Options, ResolvedExtent, Stack, is_zero, pipeline};

/// Bytes of the disk that are decompressed in one step of a stream.
const STREAM_STEP: u64 = 2 << 20;

/// Receives the result of each block; `Break` ends the walk.
pub type DecompressVisitor<'f> =
    &'f mut dyn FnMut(&ResolvedExtent, Result<Decompressed, Error>) -> ControlFlow<()>;

/// Decompresses every compressed block of the layer `index` and reports the results in disk order. A stream below the
/// top layer is not decompressed.
pub fn decompress_all(
    stack: &Stack,
    index: usize,
    options: &Options<'_>,
    visitor: DecompressVisitor<'_>,
) -> Result<(), Error> {
    let Some(layer) = stack.layers().get(index) else { return Ok(()) };
    if layer.map.is_stream() {
        return if index == 0 { decompress_stream(stack, options, visitor) } else { Ok(()) };
    }
    let mut extents = Compressed { layer, at: 0, found: Vec::new().into_iter(), last: None };
    // A block of the largest kind, its payload and a decoder.
    let share = Share::plan(options.threads, options.memory.max(160 << 20), 72 << 20, 1)?;
    let mut is_enough = false;
    let mut visitor = |(extent, result): (ResolvedExtent, Result<Decompressed, Error>)| {
        if !is_enough {
            is_enough = visitor(&extent, result).is_break();
        }
        Ok(())
    };
    pipeline::run(
        share,
        options.interrupt,
        || Ok(extents.next()),
        Scratch::new,
        |extent, scratch| {
            let decompressed = scratch.decompress_whole(layer, &extent);
            stack.verify_mapping()?;
            Ok((extent, decompressed))
        },
        &mut visitor,
    )
}

/// Decompresses the records in order. After the first error no more can be decompressed.
fn decompress_stream(
    stack: &Stack,
    options: &Options<'_>,
    visitor: DecompressVisitor<'_>,
) -> Result<(), Error> {
    let losses = Losses::default();
    let options = Options { on_loss: OnLoss::Stop, ..*options };
    let mut feed = jobs(stack, STREAM_STEP, &options, &losses, None);
    loop {
        options.interrupt.check()?;
        match feed() {
            Ok(Some(job)) => {
                for block in job.stream.iter().filter(|block| block.block.start >= job.range.start) {
                    let extent = extent_of(block.block.clone());
                    let decompressed = Decompressed { ending: block.ending, is_zero: is_zero(&block.bytes) };
                    if visitor(&extent, Ok(decompressed)).is_break() {
                        return Ok(());
                    }
                }
            }
            Ok(None) => return Ok(()),
            Err(error) => {
                let extent = extent_of(error.disk().unwrap_or(0..0));
                let _ = visitor(&extent, Err(error));
                return Ok(());
            }
        }
    }
}

/// The last bytes of a zlib payload that was flushed: the length of an empty stored block and its complement (RFC 1951
/// 3.2.4). No finished stream ends so: its Adler-32 is never 0x0000ffff, since both halves are below 65521 (RFC 1950 9).
const FLUSHED: [u8; 4] = [0, 0, 0xff, 0xff];

/// Decompresses the zlib payloads of the layer `index` that may be finished streams, where they should only be flushed ones:
/// those that do not end in a flush. Costs what a walk over the tables does where there are none.
pub fn decompress_unflushed(
    stack: &Stack,
    index: usize,
    options: &Options<'_>,
    visitor: DecompressVisitor<'_>,
) -> Result<(), Error> {
    let Some(layer) = stack.layers().get(index) else { return Ok(()) };
    let extents = Compressed { layer, at: 0, found: Vec::new().into_iter(), last: None };
    if layer.map.is_stream() {
        // Only its last record can end a stream.
        let is_unflushed = extents.last().is_some_and(|extent| may_be_finished(layer, &extent));
        return if index == 0 && is_unflushed { decompress_stream(stack, options, visitor) } else { Ok(()) };
    }
    let mut scratch = Scratch::new();
    for extent in extents.filter(|extent| may_be_finished(layer, extent)) {
        options.interrupt.check()?;
        let decompressed = scratch.decompress_whole(layer, &extent);
        stack.verify_mapping()?;
        if visitor(&extent, decompressed).is_break() {
            break;
        }
    }
    options.interrupt.check()
}

/// Whether a payload is zlib and does not end in a flush.
fn may_be_finished(layer: &Layer, extent: &ResolvedExtent) -> bool {
    let Source::Compressed { file, at, len: CompressedLen::Exact(len), codec, .. } = &extent.source else {
        return false;
    };
    let tail = at.saturating_add(u64::from(len.saturating_sub(4)));
    matches!(codec, Codec::ZlibOpen | Codec::ZlibContinued)
        // What cannot be read is reported by the walk over the tables.
        && layer.files.get(*file).and_then(|file| file.array(tail).ok()).is_some_and(|tail| tail != FLUSHED)
}

fn extent_of(disk: Range<u64>) -> ResolvedExtent {
    ResolvedExtent { disk, layer: 0, source: Source::Zero { explicit: false } }
}

/// Blocks that are collected by one walk: the next walk has to find its start again.
const BLOCKS_AT_ONCE: usize = 4096;

/// The compressed blocks of a layer, each once. Invalid entries are skipped: [`gaps`](crate::gaps) reports them.
struct Compressed<'a> {
    layer: &'a Layer,
    at: u64,
    found: std::vec::IntoIter<ResolvedExtent>,
    last: Option<Range<u64>>,
}

impl Iterator for Compressed<'_> {
    type Item = ResolvedExtent;

    fn next(&mut self) -> Option<ResolvedExtent> {
        loop {
            if let Some(extent) = self.found.next() {
                return Some(extent);
            }
            let size = self.layer.map.size();
            if self.at >= size {
                return None;
            }
            let (mut found, mut reached) = (Vec::new(), size);
            let last = &mut self.last;
            let walked = self.layer.map.visit(&self.layer.files, self.at..size, &mut |extent| {
                let end = extent.disk.end;
                if let Source::Compressed { block, .. } = &extent.source
                    && last.as_ref() != Some(block)
                {
                    *last = Some(block.clone());
                    found.push(ResolvedExtent { disk: extent.disk, layer: 0, source: extent.source });
                }
                if found.len() < BLOCKS_AT_ONCE {
                    return ControlFlow::Continue(());
                }
                reached = end;
                ControlFlow::Break(())
            });
            // An error without a range of the disk ends the walk, because the next walk would fail in the same way.
            let lost = walked.err().map(|error| error.disk().map_or(size, |lost| lost.end));
            self.at = lost.unwrap_or(reached).clamp(self.at + 1, size);
            self.found = found.into_iter();
        }
    }
}
