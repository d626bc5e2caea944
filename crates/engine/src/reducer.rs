//! What happens to the results, in the order of the disk.

use std::ops::Range;

use imgprep_map::{Error, Layout, SinkKind};

use crate::worker::{Body, Compressors, Done};
use crate::writer::{Runs, Writer};
use crate::{Bitmap, Checksums, Options};

/// What a conversion did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// Length of the output, in bytes.
    pub len: u64,
    /// Chunks that were stored: the others are zeros.
    pub chunks: u64,
    /// Checksums of what went in.
    pub checksums: Option<Checksums>,
    /// The bitmap of the same pass.
    pub bitmap: Option<Bitmap>,
}

/// What happens to the results, in the order of the disk.
pub(crate) struct Reducer<'a> {
    pub(crate) writer: Writer<'a>,
    pub(crate) layout: &'a mut dyn Layout,
    pub(crate) options: &'a Options<'a>,
    /// File offset of the disk's first byte, in layouts that store the disk as it is.
    pub(crate) first_place: Option<u64>,
    /// Disk offset up to which the output is complete.
    pub(crate) done_to: u64,
    pub(crate) stored: u64,
    pub(crate) checksums: Option<Checksums>,
    pub(crate) bitmap: Option<Bitmap>,
}

impl Reducer<'_> {
    pub(crate) fn reduce(&mut self, done: Done<'_>, compressors: &Compressors) -> Result<(), Error> {
        if let (Some(sums), Some(checksum)) = (&mut self.checksums, done.checksum) {
            sums.push(done.chunk, checksum);
        }
        if let Some(bitmap) = &mut self.bitmap {
            done.data.iter().for_each(|data| bitmap.set(data));
        }
        match done.body {
            Body::Zero => {}
            Body::Written => self.pass(&done.range)?,
            Body::Mapped(bytes) => self.place(done.chunk, &done.range, bytes, &done.runs)?,
            Body::Owned(bytes) => {
                self.place(done.chunk, &done.range, &bytes, &done.runs)?;
                compressors.give_back(bytes);
            }
        }
        self.options.progress.did_disk(done.range.end - done.range.start);
        (self.options.observe)(self.options.progress);
        Ok(())
    }

    /// Zeros up to `range`, which is stored.
    fn pass(&mut self, range: &Range<u64>) -> Result<(), Error> {
        self.zero_to(range.start)?;
        self.done_to = range.end;
        self.stored += 1;
        Ok(())
    }

    fn place(&mut self, chunk: u64, range: &Range<u64>, bytes: &[u8], runs: &Runs<'_>) -> Result<(), Error> {
        self.pass(range)?;
        if let Some(first) = self.first_place {
            self.writer.write_runs(first + range.start, bytes, runs)
        } else {
            let placement = self.layout.place(chunk, bytes.len() as u64)?;
            self.writer.write(placement.at, &[&placement.head, bytes, &placement.tail])
        }
    }

    /// Where the output stores the disk as it is and does not read as zeros by itself.
    fn zero_to(&mut self, end: u64) -> Result<(), Error> {
        let Some(first) = self.first_place else { return Ok(()) };
        let needs_zeros = !self.writer.sink.reads_as_zeros() || self.writer.sink.kind() == SinkKind::Append;
        if needs_zeros && self.done_to < end {
            let zeroed = self.writer.sink.zero(first + self.done_to..first + end);
            zeroed.map_err(|error| Error::new(error).while_doing("writing"))?;
        }
        Ok(())
    }

    pub(crate) fn finish(mut self, size: u64) -> Result<Converted, Error> {
        self.zero_to(size)?;
        let finish = self.layout.finish()?;
        for write in &finish.writes {
            self.writer.write(write.at, &[&write.bytes])?;
        }
        self.writer.sink.set_len(finish.len).map_err(|error| Error::new(error).while_doing("writing"))?;
        Ok(Converted { len: finish.len, chunks: self.stored, checksums: self.checksums, bitmap: self.bitmap })
    }
}
