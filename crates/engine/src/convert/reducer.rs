//! Stores the results in disk order.

use std::ops::Range;

use imgprep_map::{Emit, Error, ImageWriter, Placement, SinkKind, Stored};

use super::bitmap::Bitmap;
use super::block_writes::BlockWrites;
use super::checksum::Checksums;
use super::worker::{BlockForm, Body, Compressors, Done, StoredBlock};
use super::writer::{Runs, Writer};
use crate::Options;

/// The result of a conversion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// Length of the output, in bytes.
    pub len: u64,
    /// Blocks of the format that are stored. If it has no blocks, chunks that contain data.
    pub blocks: u64,
    /// Checksums of the source.
    pub checksums: Option<Checksums>,
    /// The bitmap, if one was requested.
    pub bitmap: Option<Bitmap>,
}

/// Stores the results in disk order.
pub(crate) struct Reducer<'a> {
    writer: Writer<'a>,
    format: &'a mut dyn ImageWriter,
    options: &'a Options<'a>,
    /// File offset of the disk's first byte, if the output is linear.
    linear_at: Option<u64>,
    /// Bytes of a block, if blocks are larger than chunks: a chunk is then a part of one block.
    large_block: Option<u64>,
    /// Number of the large block that was placed last, and the file offset of its first byte.
    placed: Option<(u64, u64)>,
    /// Disk offset up to which the output is complete.
    done_to: u64,
    /// File offset up to which the output is written or zeroed. In a linear output the disk counts once it is complete.
    written_to: u64,
    stored: u64,
    checksums: Option<Checksums>,
    bitmap: Option<Bitmap>,
}

impl<'a> Reducer<'a> {
    pub(crate) fn new(
        writer: Writer<'a>,
        format: &'a mut dyn ImageWriter,
        options: &'a Options<'a>,
        chunk: u64,
        checksums: Option<Checksums>,
        bitmap: Option<Bitmap>,
    ) -> Self {
        let (linear_at, large_block) =
            (format.linear_at(), Some(format.block()).filter(|block| *block > chunk));
        Self {
            writer,
            format,
            options,
            linear_at,
            large_block,
            placed: None,
            done_to: 0,
            written_to: 0,
            stored: 0,
            checksums,
            bitmap,
        }
    }

    pub(crate) fn begin(&mut self) -> Result<(), Error> {
        let runs = Runs::default();
        let mut out = BlockWrites::new(self.writer, &[], &runs, &mut self.written_to);
        self.format.begin(&mut out)?;
        // The disk of a linear output may begin after a gap.
        self.linear_at.map_or(Ok(()), |first| out.zero_to(first))
    }

    pub(crate) fn reduce(&mut self, done: Done<'_>, compressors: &Compressors) -> Result<(), Error> {
        if let (Some(sums), Some(checksum)) = (&mut self.checksums, done.checksum) {
            sums.push(done.chunk, checksum);
        }
        if let (Some(sums), Some(subtree)) = (&mut self.checksums, done.subtree) {
            sums.push_subtree(subtree);
        }
        if let Some(bitmap) = &mut self.bitmap {
            done.data.iter().for_each(|data| bitmap.set(data));
        }
        match done.body {
            Body::Zero => {}
            Body::Written => self.pass(&done.range)?,
            Body::Mapped(bytes) => self.store(&done.range, bytes, &done.runs, &done.blocks)?,
            Body::Plain(bytes) => {
                self.store(&done.range, &bytes, &done.runs, &done.blocks)?;
                compressors.give_back_plain(bytes);
            }
            Body::Compressed(bytes) => {
                self.store(&done.range, &bytes, &done.runs, &done.blocks)?;
                compressors.give_back_compressed(bytes);
            }
        }
        self.options.progress.did_disk(done.read_len);
        (self.options.observe)(self.options.progress);
        Ok(())
    }

    /// Fills the output with zeros up to `range`, which is stored.
    fn pass(&mut self, range: &Range<u64>) -> Result<(), Error> {
        self.zero_to(range.start)?;
        self.done_to = range.end;
        self.stored += u64::from(self.linear_at.is_some());
        Ok(())
    }

    fn store(
        &mut self,
        range: &Range<u64>,
        bytes: &[u8],
        runs: &Runs<'_>,
        blocks: &[StoredBlock],
    ) -> Result<(), Error> {
        self.pass(range)?;
        if let Some(first) = self.linear_at {
            return self.writer.write_runs(first + range.start, bytes, runs);
        }
        let mut out = BlockWrites::new(self.writer, bytes, runs, &mut self.written_to);
        if let Some(block) = self.large_block {
            let first = match self.placed {
                Some((number, first)) if number == range.start / block => first,
                _ => {
                    self.stored += 1;
                    place_large(self.format, range.start / block, block, &mut out)?
                }
            };
            self.placed = Some((range.start / block, first));
            let at = first + range.start % block;
            runs.ranges
                .iter()
                .try_for_each(|run| out.store(Placement::bare(at + run.start as u64), run.clone()))?;
            return out.flush();
        }
        for block in blocks {
            if block.form == BlockForm::Zeros {
                self.format.mark_zeros(block.number, &mut out)?;
                continue;
            }
            let is_compressed = block.form == BlockForm::Compressed;
            let stored = Stored { len: block.range.len() as u64, is_compressed };
            let placement = self.format.place(block.number, stored, &mut out)?;
            self.stored += 1;
            out.store(placement, block.range.clone())?;
        }
        out.flush()
    }

    /// Fills a linear output with zeros up to `end`, unless it reads as zeros by itself.
    fn zero_to(&mut self, end: u64) -> Result<(), Error> {
        let Some(first) = self.linear_at else { return Ok(()) };
        let needs_zeros = !self.writer.sink.reads_as_zeros() || self.writer.sink.kind() == SinkKind::Append;
        if needs_zeros && self.done_to < end {
            let zeroed = self.writer.sink.zero(first + self.done_to..first + end);
            zeroed.map_err(|error| Error::new(error).while_doing("writing"))?;
        }
        Ok(())
    }

    pub(crate) fn finish(mut self, size: u64) -> Result<Converted, Error> {
        self.zero_to(size)?;
        if let Some(first) = self.linear_at {
            self.written_to = first + size;
        }
        let runs = Runs::default();
        let mut out = BlockWrites::new(self.writer, &[], &runs, &mut self.written_to);
        let len = self.format.finish(&mut out)?;
        out.zero_to(len)?;
        self.writer.sink.set_len(len).map_err(|error| Error::new(error).while_doing("writing"))?;
        Ok(Converted { len, blocks: self.stored, checksums: self.checksums, bitmap: self.bitmap })
    }
}

/// Places a block of which chunks are parts, and writes what surrounds it. Returns the file offset of its first byte.
///
/// Its chunks are written later: a gap between them, or after the last one, reads as zeros or is zeroed before them.
fn place_large(
    format: &mut dyn ImageWriter,
    number: u64,
    len: u64,
    out: &mut BlockWrites<'_>,
) -> Result<u64, Error> {
    let Placement { at, head, tail } = format.place(number, Stored { len, is_compressed: false }, out)?;
    out.write(at, &head)?;
    let first = at + head.len() as u64;
    out.write(first + len, &tail)?;
    Ok(first)
}
