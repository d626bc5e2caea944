//! What happens to the results, in the order of the disk.

use std::ops::Range;

use imgprep_map::{Error, Layout, Sink, SinkKind, WriteError};

use crate::convert::Converted;
use crate::worker::{Body, Done, Packers};
use crate::{Bitmap, Checksums, Meter, Options, Stack};

/// Writes; if it was the mapped source that failed, says so with the source's own place.
pub(crate) fn write(
    sink: &dyn Sink,
    stack: &Stack,
    meter: &Meter,
    at: u64,
    parts: &[&[u8]],
) -> Result<(), Error> {
    match sink.write_at(at, parts) {
        Ok(()) => {
            meter.did_write(parts.iter().map(|part| part.len() as u64).sum());
            Ok(())
        }
        Err(error) => {
            if matches!(error, WriteError::SourceFault { .. }) {
                parts.iter().for_each(|part| touch(part));
            }
            stack.sound()?;
            Err(Error::new(error).while_doing("writing"))
        }
    }
}

/// Looks at every page: the system could not read one of them for a write, and only a look
/// of our own tells which.
fn touch(bytes: &[u8]) {
    const PAGE: usize = 4096;
    let seen = bytes.iter().step_by(PAGE).chain(bytes.last()).fold(0, |seen, byte| seen ^ byte);
    std::hint::black_box(seen);
}

/// What happens to the results, in the order of the disk.
pub(crate) struct Reducer<'a> {
    pub(crate) stack: &'a Stack,
    pub(crate) layout: &'a mut dyn Layout,
    pub(crate) sink: &'a dyn Sink,
    pub(crate) options: &'a Options<'a>,
    /// File offset of the disk's first byte, in layouts that store the disk as it is.
    pub(crate) first_place: Option<u64>,
    /// Disk offset up to which the output is what it shall be.
    pub(crate) done_to: u64,
    pub(crate) stored: u64,
    pub(crate) checksums: Option<Checksums>,
    pub(crate) bitmap: Option<Bitmap>,
}

impl Reducer<'_> {
    pub(crate) fn reduce(&mut self, done: Done<'_>, packers: &Packers) -> Result<(), Error> {
        if let (Some(sums), Some(checksum)) = (&mut self.checksums, done.checksum) {
            sums.push(done.unit, checksum);
        }
        if let Some(bitmap) = &mut self.bitmap {
            done.data.iter().for_each(|data| bitmap.set(data));
        }
        match done.body {
            Body::Zero => {}
            Body::Written => self.pass(&done.range)?,
            Body::Mapped(bytes) => self.place(done.unit, &done.range, bytes, &done.runs)?,
            Body::Owned(bytes) => {
                self.place(done.unit, &done.range, &bytes, &done.runs)?;
                packers.give_back(bytes);
            }
        }
        self.options.meter.did_disk(done.range.end - done.range.start);
        (self.options.observe)(self.options.meter);
        Ok(())
    }

    /// Zeros up to `range`, which is stored.
    fn pass(&mut self, range: &Range<u64>) -> Result<(), Error> {
        self.zero_to(range.start)?;
        self.done_to = range.end;
        self.stored += 1;
        Ok(())
    }

    fn place(
        &mut self,
        unit: u64,
        range: &Range<u64>,
        bytes: &[u8],
        runs: &[Range<usize>],
    ) -> Result<(), Error> {
        self.pass(range)?;
        let (stack, sink, meter) = (self.stack, self.sink, self.options.meter);
        if let Some(first) = self.first_place {
            write_runs(sink, stack, meter, first + range.start, bytes, runs)
        } else {
            let placement = self.layout.place(unit, bytes.len() as u64)?;
            write(sink, stack, meter, placement.at, &[&placement.head, bytes, &placement.tail])
        }
    }

    /// Where the output stores the disk as it is and does not read as zeros by itself.
    fn zero_to(&mut self, end: u64) -> Result<(), Error> {
        let Some(first) = self.first_place else { return Ok(()) };
        let needs_zeros = !self.sink.is_blank() || self.sink.kind() == SinkKind::Append;
        if needs_zeros && self.done_to < end {
            let zeroed = self.sink.zero(first + self.done_to..first + end);
            zeroed.map_err(|error| Error::new(error).while_doing("writing"))?;
        }
        Ok(())
    }

    pub(crate) fn finish(mut self, size: u64) -> Result<Converted, Error> {
        self.zero_to(size)?;
        let ending = self.layout.finish()?;
        for patch in &ending.patches {
            write(self.sink, self.stack, self.options.meter, patch.at, &[&patch.bytes])?;
        }
        self.sink.set_len(ending.len).map_err(|error| Error::new(error).while_doing("writing"))?;
        Ok(Converted { len: ending.len, units: self.stored, checksums: self.checksums, bitmap: self.bitmap })
    }
}

pub(crate) fn write_runs(
    sink: &dyn Sink,
    stack: &Stack,
    meter: &Meter,
    place: u64,
    bytes: &[u8],
    runs: &[Range<usize>],
) -> Result<(), Error> {
    runs.iter()
        .try_for_each(|run| write(sink, stack, meter, place + run.start as u64, &[&bytes[run.clone()]]))
}
