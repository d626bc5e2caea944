//! A disk into an output file, or only into its bitmap.

use std::ops::Range;

use imgprep_codec::{Packer, context_bytes, packed_bound};
use imgprep_map::{Error, Layout, Packing, Sink, SinkKind, WriteError};

use crate::frontier::Frontier;
use crate::load::{Loaded, Loader, Scratch};
use crate::pipeline::{self, Share};
use crate::stream::{StreamUnit, Streams};
use crate::zeros::data_runs;
use crate::{Bitmap, BitmapShape, Checksums, Losses, Meter, Options, Stack, Survey, is_zero};

/// Zeros of this many bytes at a multiple of it are left out of a sparse file: the
/// block of every common file system.
const SPARSE_GRANULE: u64 = 4096;

/// Where a conversion goes.
pub struct Output<'a> {
    /// The writer's plan.
    pub layout: &'a mut dyn Layout,
    /// The file, device or pipe.
    pub sink: &'a dyn Sink,
    /// Whether [`Converted::checksums`] are wanted.
    pub with_checksums: bool,
    /// Which bitmap is wanted along with it.
    pub bitmap: Option<BitmapShape>,
}

/// What a conversion did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// Length of the output, in bytes.
    pub len: u64,
    /// Units that were stored: the others are zeros.
    pub units: u64,
    /// Checksums of what went in.
    pub checksums: Option<Checksums>,
    /// The bitmap of the same pass.
    pub bitmap: Option<Bitmap>,
}

/// One unit to be worked on.
pub(crate) struct Job {
    pub(crate) unit: u64,
    pub(crate) range: Range<u64>,
    pub(crate) stream: Vec<StreamUnit>,
    /// Where its bytes go, if that depends on nothing else.
    place: Option<u64>,
}

struct Done<'a> {
    unit: u64,
    range: Range<u64>,
    body: Body<'a>,
    checksum: Option<u32>,
    data: Vec<Range<u64>>,
}

enum Body<'a> {
    /// All zeros.
    Zero,
    /// Already at its place.
    Written,
    Mapped(&'a [u8]),
    Owned(Vec<u8>),
}

/// A feeder of all units that may hold data.
pub(crate) fn jobs<'a>(
    stack: &'a Stack,
    unit: u64,
    options: &Options<'_>,
    losses: &'a Losses,
    first_place: Option<u64>,
) -> impl FnMut() -> Result<Option<Job>, Error> + 'a {
    let mut frontier = Frontier::new(stack, unit, options.on_loss, losses);
    let mut streams = Streams::new(stack, options.on_loss, losses);
    move || {
        let Some(number) = frontier.next()? else { return Ok(None) };
        let range = frontier.range(number);
        let stream = streams.advance(&range)?;
        let place = first_place.map(|first| first + range.start);
        Ok(Some(Job { unit: number, range, stream, place }))
    }
}

/// The share of a run that only reads.
pub(crate) fn reading_share(stack: &Stack, survey: &Survey, options: &Options<'_>) -> Result<Share, Error> {
    let streamed =
        if stack.layers().iter().any(|layer| layer.map.is_stream()) { survey.largest_packed } else { 0 };
    let per_thread = survey.unit + survey.largest_packed + context_bytes(Packing::Plain);
    Ok(Share::plan(options.threads, options.memory, per_thread, streamed.max(1))?)
}

/// Converts a stack into an output. `survey` must be of the same stack, with the layout's unit.
///
/// The sink is left without its final sync; an error leaves it unfinished.
pub fn convert(
    stack: &Stack,
    survey: &Survey,
    output: Output<'_>,
    options: &Options<'_>,
    losses: &Losses,
) -> Result<Converted, Error> {
    let Output { layout, sink, with_checksums, bitmap } = output;
    options.meter.begin(survey.total());
    let is_direct = sink.kind() == SinkKind::Random && layout.packing() == Packing::Plain;
    let first_place = layout.fixed_place(0).filter(|_| is_direct);
    let share = writing_share(stack, survey, layout.packing(), is_direct, options)?;
    for patch in layout.begin() {
        write(sink, stack, options.meter, patch.at, &[&patch.bytes])?;
    }
    let worker = Worker {
        loader: Loader { stack, on_loss: options.on_loss, losses, meter: options.meter },
        packing: layout.packing(),
        unit: layout.unit(),
        sink,
        with_checksums,
        bitmap,
        packers: Packers::default(),
    };
    let mut reducer = Reducer {
        stack,
        sink,
        options,
        first_place: layout.fixed_place(0),
        layout,
        done_to: 0,
        stored: 0,
        checksums: with_checksums.then(|| Checksums::new(worker.unit, survey.size)),
        bitmap: bitmap.map(|shape| Bitmap::new(shape, survey.size)),
    };
    let feed = jobs(stack, worker.unit, options, losses, first_place);
    pipeline::run(
        share,
        options.interrupt,
        feed,
        |job, scratch| worker.work(job, scratch),
        |done| reducer.reduce(done, &worker.packers),
    )?;
    stack.sound()?;
    reducer.finish(survey.size)
}

/// Only the bitmap of a disk.
pub fn scan(
    stack: &Stack,
    survey: &Survey,
    shape: BitmapShape,
    options: &Options<'_>,
    losses: &Losses,
) -> Result<Bitmap, Error> {
    options.meter.begin(survey.total());
    let loader = Loader { stack, on_loss: options.on_loss, losses, meter: options.meter };
    let share = reading_share(stack, survey, options)?;
    let mut bitmap = Bitmap::new(shape, survey.size);
    let work = |job: Job, scratch: &mut Scratch| {
        let data = match loader.load(&job.range, &job.stream, scratch)? {
            Loaded::Zero => Vec::new(),
            Loaded::Mapped(bytes) => data_ranges(bytes, job.range.start, shape),
            Loaded::Buffered => data_ranges(&scratch.buffer, job.range.start, shape),
        };
        stack.sound()?;
        Ok((job.range, data))
    };
    pipeline::run(
        share,
        options.interrupt,
        jobs(stack, survey.unit, options, losses, None),
        work,
        |(range, data)| {
            data.iter().for_each(|data| bitmap.set(data));
            options.meter.did_disk(range.end - range.start);
            (options.observe)(options.meter);
            Ok(())
        },
    )?;
    Ok(bitmap)
}

/// The runs of blocks that hold data, as disk ranges.
fn data_ranges(bytes: &[u8], at: u64, shape: BitmapShape) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    data_runs(bytes, at, shape.block, |run| ranges.push(at + run.start as u64..at + run.end as u64));
    ranges
}

fn writing_share(
    stack: &Stack,
    survey: &Survey,
    packing: Packing,
    is_direct: bool,
    options: &Options<'_>,
) -> Result<Share, Error> {
    let read = reading_share(stack, survey, options)?;
    if is_direct {
        return Ok(read);
    }
    let per_thread = survey.unit + survey.largest_packed + context_bytes(packing);
    let per_unit = packed_bound(packing, survey.unit) + survey.largest_packed;
    Ok(Share::plan(options.threads, options.memory, per_thread, per_unit)?)
}

/// Packers that wait for the next unit, and buffers that wait for the next payload.
#[derive(Default)]
struct Packers {
    idle: std::sync::Mutex<Vec<Packer>>,
    buffers: std::sync::Mutex<Vec<Vec<u8>>>,
}

impl Packers {
    fn buffer(&self) -> Vec<u8> {
        pop(&self.buffers).unwrap_or_default()
    }

    fn give_back(&self, buffer: Vec<u8>) {
        push(&self.buffers, buffer);
    }

    fn pack(&self, packing: Packing, unit: &[u8]) -> Result<Vec<u8>, Error> {
        let mut packer = match pop(&self.idle) {
            Some(packer) => packer,
            None => Packer::new(packing)?,
        };
        let mut out = self.buffer();
        packer.pack(unit, &mut out).map_err(|error| Error::new(error).while_doing("packing"))?;
        push(&self.idle, packer);
        Ok(out)
    }
}

// A poisoned list only means that another thread died: what is in it is whole.
fn pop<T>(list: &std::sync::Mutex<Vec<T>>) -> Option<T> {
    list.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop()
}

fn push<T>(list: &std::sync::Mutex<Vec<T>>, item: T) {
    list.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(item);
}

/// What happens to a unit on any thread.
struct Worker<'a> {
    loader: Loader<'a>,
    packing: Packing,
    unit: u64,
    sink: &'a dyn Sink,
    with_checksums: bool,
    bitmap: Option<BitmapShape>,
    packers: Packers,
}

impl<'a> Worker<'a> {
    fn work(&self, job: Job, scratch: &mut Scratch) -> Result<Done<'a>, Error> {
        let loaded = self.loader.load(&job.range, &job.stream, scratch)?;
        let mapped = match loaded {
            Loaded::Zero => return Ok(zero_unit(job)),
            Loaded::Mapped(bytes) => Some(bytes),
            Loaded::Buffered => None,
        };
        let bytes = mapped.unwrap_or(&scratch.buffer);
        if is_zero(bytes) {
            self.loader.stack.sound()?;
            return Ok(zero_unit(job));
        }
        let checksum = self.with_checksums.then(|| crc32fast::hash(bytes));
        let data = self.bitmap.map(|shape| data_ranges(bytes, job.range.start, shape)).unwrap_or_default();
        let body = self.body(&job, mapped, scratch)?;
        self.loader.stack.sound()?;
        Ok(Done { unit: job.unit, range: job.range, body, checksum, data })
    }

    fn body(&self, job: &Job, mapped: Option<&'a [u8]>, scratch: &mut Scratch) -> Result<Body<'a>, Error> {
        if self.packing != Packing::Plain {
            return self.pack(mapped, scratch).map(Body::Owned);
        }
        if let Some(place) = job.place {
            let bytes = mapped.unwrap_or(&scratch.buffer);
            self.write_runs(place, bytes, &job.range)?;
            return Ok(Body::Written);
        }
        Ok(match mapped {
            Some(bytes) => Body::Mapped(bytes),
            None => Body::Owned(std::mem::replace(&mut scratch.buffer, self.packers.buffer())),
        })
    }

    /// A packed unit is whole: zeros follow where the disk ends in it.
    fn pack(&self, mapped: Option<&[u8]>, scratch: &mut Scratch) -> Result<Vec<u8>, Error> {
        // OK: a unit is a few MiB, set by the writer's layout.
        let whole = self.unit as usize;
        if let Some(bytes) = mapped {
            if bytes.len() == whole {
                return self.packers.pack(self.packing, bytes);
            }
            scratch.buffer.clear();
            scratch.buffer.extend_from_slice(bytes);
        }
        scratch.buffer.resize(whole, 0);
        self.packers.pack(self.packing, &scratch.buffer)
    }

    fn write_runs(&self, place: u64, bytes: &[u8], range: &Range<u64>) -> Result<(), Error> {
        if !self.sink.is_blank() {
            return write(self.sink, self.loader.stack, self.loader.meter, place, &[bytes]);
        }
        let mut result = Ok(());
        data_runs(bytes, range.start, SPARSE_GRANULE, |run| {
            if result.is_ok() {
                let at = place + run.start as u64;
                result = write(self.sink, self.loader.stack, self.loader.meter, at, &[&bytes[run]]);
            }
        });
        result
    }
}

fn zero_unit<'a>(job: Job) -> Done<'a> {
    Done { unit: job.unit, range: job.range, body: Body::Zero, checksum: None, data: Vec::new() }
}

/// Writes; if it was the mapped source that failed, says so with the source's own place.
fn write(sink: &dyn Sink, stack: &Stack, meter: &Meter, at: u64, parts: &[&[u8]]) -> Result<(), Error> {
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
struct Reducer<'a> {
    stack: &'a Stack,
    layout: &'a mut dyn Layout,
    sink: &'a dyn Sink,
    options: &'a Options<'a>,
    /// File offset of the disk's first byte, in layouts that store the disk as it is.
    first_place: Option<u64>,
    /// Disk offset up to which the output is what it shall be.
    done_to: u64,
    stored: u64,
    checksums: Option<Checksums>,
    bitmap: Option<Bitmap>,
}

impl Reducer<'_> {
    fn reduce(&mut self, done: Done<'_>, packers: &Packers) -> Result<(), Error> {
        if let (Some(sums), Some(checksum)) = (&mut self.checksums, done.checksum) {
            sums.push(done.unit, checksum);
        }
        if let Some(bitmap) = &mut self.bitmap {
            done.data.iter().for_each(|data| bitmap.set(data));
        }
        match done.body {
            Body::Zero => {}
            Body::Written => self.pass(&done.range)?,
            Body::Mapped(bytes) => self.place(done.unit, &done.range, bytes)?,
            Body::Owned(bytes) => {
                self.place(done.unit, &done.range, &bytes)?;
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

    fn place(&mut self, unit: u64, range: &Range<u64>, bytes: &[u8]) -> Result<(), Error> {
        self.pass(range)?;
        let (stack, sink, meter) = (self.stack, self.sink, self.options.meter);
        if let Some(first) = self.first_place {
            write(sink, stack, meter, first + range.start, &[bytes])
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

    fn finish(mut self, size: u64) -> Result<Converted, Error> {
        self.zero_to(size)?;
        let ending = self.layout.finish()?;
        for patch in &ending.patches {
            write(self.sink, self.stack, self.options.meter, patch.at, &[&patch.bytes])?;
        }
        self.sink.set_len(ending.len).map_err(|error| Error::new(error).while_doing("writing"))?;
        Ok(Converted { len: ending.len, units: self.stored, checksums: self.checksums, bitmap: self.bitmap })
    }
}
