//! Writes blocks and tables at the offsets that the format determines.

use std::ops::Range;

use imgprep_map::{Emit, Error, Placement, SinkKind};

use super::writer::{Runs, Writer};

/// Writes the blocks of one chunk and the tables between them. Blocks that are adjacent in the chunk and in the file
/// are combined into one write.
pub(crate) struct BlockWrites<'a> {
    writer: Writer<'a>,
    chunk: &'a [u8],
    runs: &'a Runs<'a>,
    /// File offset up to which the output is written or zeroed.
    written_to: &'a mut u64,
    /// Blocks that are placed but not written yet: their file offset, and their range in the chunk.
    pending: Option<(u64, Range<usize>)>,
}

impl<'a> BlockWrites<'a> {
    pub(crate) fn new(
        writer: Writer<'a>,
        chunk: &'a [u8],
        runs: &'a Runs<'a>,
        written_to: &'a mut u64,
    ) -> Self {
        Self { writer, chunk, runs, written_to, pending: None }
    }

    /// Stores the block at `range` of the chunk.
    pub(crate) fn store(&mut self, placement: Placement, range: Range<usize>) -> Result<(), Error> {
        let Placement { at, head, tail } = placement;
        if !head.is_empty() || !tail.is_empty() {
            self.flush()?;
            let body = self.runs.parts(self.chunk, &range);
            let parts: Vec<_> = [&head[..]].into_iter().chain(body).chain([&tail[..]]).collect();
            return self.write_parts(at, &parts);
        }
        if let Some((start, bytes)) = &mut self.pending
            && *start + bytes.len() as u64 == at
            && bytes.end == range.start
        {
            bytes.end = range.end;
            return Ok(());
        }
        self.flush()?;
        self.pending = Some((at, range));
        Ok(())
    }

    /// Writes the blocks that are placed.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        let Some((at, range)) = self.pending.take() else { return Ok(()) };
        let parts = self.runs.parts(self.chunk, &range);
        self.write_parts(at, &parts)
    }

    /// Zeros the gap up to `end`, where it does not read as zeros by itself.
    pub(crate) fn zero_to(&mut self, end: u64) -> Result<(), Error> {
        let sink = self.writer.sink;
        let needs_zeros = !sink.reads_as_zeros() || sink.kind() == SinkKind::Append;
        if needs_zeros && *self.written_to < end {
            let zeroed = self.writer.sink.zero(*self.written_to..end);
            zeroed.map_err(|error| Error::new(error).while_doing("writing"))?;
        }
        *self.written_to = end.max(*self.written_to);
        Ok(())
    }

    fn write_parts(&mut self, at: u64, parts: &[&[u8]]) -> Result<(), Error> {
        self.zero_to(at)?;
        self.writer.write(at, parts)?;
        let len: usize = parts.iter().map(|part| part.len()).sum();
        *self.written_to = (at + len as u64).max(*self.written_to);
        Ok(())
    }
}

impl Emit for BlockWrites<'_> {
    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Error> {
        self.flush()?;
        if bytes.is_empty() { Ok(()) } else { self.write_parts(at, &[bytes]) }
    }
}
