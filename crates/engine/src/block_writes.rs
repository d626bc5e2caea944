//! Blocks and tables into an output whose format decides where they go.

use std::ops::Range;

use imgprep_map::{Emit, Error, Placement, SinkKind};

use crate::writer::{Runs, Writer};

/// Writes blocks of one chunk, and the tables between them. Blocks that lie next to each other in the chunk and in
/// the file are one write.
pub(crate) struct BlockWrites<'a> {
    writer: Writer<'a>,
    chunk: &'a [u8],
    runs: &'a Runs<'a>,
    /// File offset up to which the output is written, or zeroed.
    written_to: &'a mut u64,
    /// What is placed and not yet written: its file offset and its bytes in the chunk.
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

    /// Stores the block that stands at `range` in the chunk.
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

    /// Writes what is placed.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        let Some((at, range)) = self.pending.take() else { return Ok(()) };
        let parts = self.runs.parts(self.chunk, &range);
        self.write_parts(at, &parts)
    }

    /// A file's gaps read as zeros. Those of a device are zeroed, and a pipe has none.
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use imgprep_map::{Sink, SinkKind, WriteError};

    use super::*;
    use crate::{Layer, Progress, Stack};

    /// A device: what was never written is not zero.
    struct Device {
        bytes: Mutex<Vec<u8>>,
        writes: Mutex<Vec<(u64, usize)>>,
    }

    impl Sink for Device {
        fn kind(&self) -> SinkKind {
            SinkKind::Random
        }

        fn reads_as_zeros(&self) -> bool {
            false
        }

        fn write_at(&self, at: u64, parts: &[&[u8]]) -> Result<(), WriteError> {
            let whole = parts.concat();
            self.writes.lock().unwrap().push((at, whole.len()));
            self.bytes.lock().unwrap()[at as usize..at as usize + whole.len()].copy_from_slice(&whole);
            Ok(())
        }

        fn zero(&self, range: Range<u64>) -> Result<(), WriteError> {
            self.bytes.lock().unwrap()[range.start as usize..range.end as usize].fill(0);
            Ok(())
        }

        fn set_len(&self, _: u64) -> Result<(), WriteError> {
            Ok(())
        }
    }

    struct Empty;

    impl imgprep_map::DiskMap for Empty {
        fn size(&self) -> u64 {
            0
        }

        fn stride(&self) -> u64 {
            1
        }

        fn visit(
            &self,
            _: &dyn imgprep_map::Files,
            _: Range<u64>,
            _: imgprep_map::Visitor<'_>,
        ) -> Result<(), Error> {
            Ok(())
        }

        fn file_usage(
            &self,
            _: &dyn imgprep_map::Files,
            _: &mut dyn FnMut(imgprep_map::FileUse) -> std::ops::ControlFlow<()>,
        ) -> Result<(), Error> {
            Ok(())
        }
    }

    #[test]
    fn neighbours_are_one_write_and_gaps_of_a_device_are_zeroed() {
        let device = Device { bytes: Mutex::new(vec![0xee; 64]), writes: Mutex::default() };
        let layer = Layer { map: Box::new(Empty), files: Vec::new(), names: Vec::new() };
        let (stack, progress) = (Stack::new(layer, Vec::new()), Progress::default());
        let writer = Writer { sink: &device, stack: &stack, progress: &progress };
        let (chunk, runs, mut written_to) = ((1..=20).collect::<Vec<u8>>(), Runs::default(), 0);
        let mut out = BlockWrites::new(writer, &chunk, &runs, &mut written_to);
        out.store(Placement::bare(8), 0..4).unwrap();
        out.store(Placement::bare(12), 4..8).unwrap();
        // Adjacent in the file, not in the chunk; then the other way round.
        out.store(Placement::bare(16), 12..16).unwrap();
        out.store(Placement::bare(24), 16..20).unwrap();
        out.write(28, &[0xaa]).unwrap();
        out.store(Placement { at: 29, head: vec![0xbb], tail: vec![0xcc, 0xdd] }, 8..9).unwrap();
        out.store(Placement::bare(40), 9..10).unwrap();
        out.flush().unwrap();
        out.write(0, &[0xff]).unwrap();
        out.zero_to(44).unwrap();
        let mut want = vec![0; 64];
        want[44..].fill(0xee);
        want[0] = 0xff;
        want[8..16].copy_from_slice(&chunk[..8]);
        want[16..20].copy_from_slice(&chunk[12..16]);
        want[24..33].copy_from_slice(&[17, 18, 19, 20, 0xaa, 0xbb, 9, 0xcc, 0xdd]);
        want[40] = 10;
        assert_eq!(*device.bytes.lock().unwrap(), want);
        let writes = [(8, 8), (16, 4), (24, 4), (28, 1), (29, 4), (40, 1), (0, 1)];
        assert_eq!(*device.writes.lock().unwrap(), writes);
    }
}
