//! Converts a disk into an output, or computes only its bitmap.

use imgprep_codec::{compress_bound, context_bytes};
use imgprep_map::{Encoding, Error, ImageWriter, Sink, SinkKind};

use super::bitmap::{Bitmap, BitmapShape};
use super::checksum::Checksums;
use super::reducer::{Converted, Reducer};
use super::worker::{Compressors, Worker, data_ranges};
use super::writer::Writer;
use crate::compare::ScannedDisk;
use crate::load::{
    Chunk, Job, Loaded, Loader, Reads, Scratch, jobs, reading_memory, reading_share, with_backing,
    with_zeros, without_zeros,
};
use crate::pipeline::Share;
use crate::{Losses, OnLoss, Options, Stack, TableScan, pipeline};

/// The destination of a conversion.
pub struct Output<'a> {
    /// The format's writer.
    pub format: &'a mut dyn ImageWriter,
    /// The file, device or pipe.
    pub sink: &'a dyn Sink,
    /// Whether [`Converted::checksums`] are computed.
    pub with_checksums: bool,
    /// Whether they include BLAKE3. The chunks of the table scan must then have a power of two of bytes.
    pub with_blake3: bool,
    /// The layout of the bitmap that is computed in the same pass, if any.
    pub bitmap: Option<BitmapShape>,
    /// The backing file of the output: blocks that are the same there are not stored. Its scan must have chunks of the same
    /// size, and the format must store blocks that are no larger than a chunk.
    pub backing: Option<ScannedDisk<'a>>,
}

/// Size of a chunk in bytes of the disk, unless the compressed blocks of the output format are larger.
pub const CHUNK: u64 = 2 << 20;

/// Size of a chunk in bytes of the disk, for the output of this writer. A chunk is one block or more; a larger block that is
/// stored uncompressed has several chunks, so that memory does not depend on its size.
pub fn chunk_size(format: &dyn ImageWriter) -> u64 {
    match format.encoding() {
        Encoding::Plain => CHUNK,
        Encoding::PerBlock { .. } => format.block().max(CHUNK),
    }
}

/// Converts a stack into an output. `table_scan` must be of the same stack, in chunks of [`chunk_size`].
///
/// The sink is not synced at the end. After an error it is incomplete.
pub fn convert(
    stack: &Stack,
    table_scan: &TableScan,
    output: Output<'_>,
    options: &Options<'_>,
    losses: &Losses,
) -> Result<Converted, Error> {
    let Output { format, sink, with_checksums, with_blake3, bitmap, backing } = output;
    let total = table_scan.total() + backing.map_or(0, |disk| disk.table_scan.total());
    options.progress.begin(total);
    sink.will_write(table_scan.total());
    let (encoding, linear_at) = (format.encoding(), format.linear_at());
    let is_direct = linear_at.is_some() && sink.kind() == SinkKind::Random && !sink.serializes_writes();
    let share = writing_share(ScannedDisk { stack, table_scan }, backing, encoding, is_direct, options)?;
    let writer = Writer { sink, stack, progress: options.progress };
    let worker = Worker {
        loader: Loader {
            stack,
            reads: Reads::Mapped,
            on_loss: options.on_loss,
            losses,
            progress: options.progress,
        },
        encoding,
        chunk: table_scan.chunk,
        block: format.block(),
        writer,
        is_linear: linear_at.is_some(),
        is_sparse: (linear_at.is_some() || format.block() > table_scan.chunk)
            && sink.kind() == SinkKind::Random
            && sink.reads_as_zeros(),
        with_checksums,
        blake3_len: with_blake3.then_some(table_scan.size),
        bitmap,
        compressors: Compressors::default(),
        backing: backing.map(|disk| Loader {
            stack: disk.stack,
            reads: Reads::Mapped,
            on_loss: OnLoss::Stop,
            losses,
            progress: options.progress,
        }),
        marks_zeros: format.marks_zeros(),
    };
    let checksums = with_checksums.then(|| Checksums::new(worker.chunk, table_scan.size, with_blake3));
    let bitmap = bitmap.map(|shape| Bitmap::new(shape, table_scan.size));
    let mut reducer = Reducer::new(writer, format, options, worker.chunk, checksums, bitmap);
    reducer.begin()?;
    let feed = jobs(stack, worker.chunk, options, losses, linear_at.filter(|_| is_direct));
    let feed: Box<Chunks<'_>> = if with_blake3 {
        Box::new(with_zeros(feed, worker.chunk, table_scan.size))
    } else {
        Box::new(without_zeros(feed))
    };
    let feed: Box<Chunks<'_>> = match backing {
        None => feed,
        Some(disk) => {
            let below = jobs(disk.stack, worker.chunk, options, losses, None);
            Box::new(with_backing(feed, below, table_scan.size))
        }
    };
    let work = |chunk, scratches: &mut [Scratch; 2]| worker.work(chunk, scratches);
    let reduce = |done| reducer.reduce(done, &worker.compressors);
    let scratches = || [Scratch::new(), Scratch::new()];
    pipeline::run(share, options.interrupt, feed, scratches, work, reduce)?;
    if let Some(disk) = backing {
        disk.stack.verify_mapping()?;
    }
    stack.verify_mapping()?;
    reducer.finish(table_scan.size)
}

/// Computes the bitmap of a disk.
pub fn scan(
    stack: &Stack,
    table_scan: &TableScan,
    shape: BitmapShape,
    options: &Options<'_>,
    losses: &Losses,
) -> Result<Bitmap, Error> {
    options.progress.begin(table_scan.total());
    let loader =
        Loader { stack, reads: Reads::Mapped, on_loss: options.on_loss, losses, progress: options.progress };
    let share = reading_share(stack, table_scan, options)?;
    let mut bitmap = Bitmap::new(shape, table_scan.size);
    let work = |job: Job, scratch: &mut Scratch| {
        let data = match loader.load(&job.range, &job.stream, scratch)? {
            Loaded::Zero => Vec::new(),
            Loaded::Mapped(bytes) => data_ranges(bytes, job.range.start, shape),
            Loaded::Buffered => data_ranges(&scratch.buffer, job.range.start, shape),
        };
        stack.verify_mapping()?;
        Ok((job.range, data))
    };
    pipeline::run(
        share,
        options.interrupt,
        jobs(stack, table_scan.chunk, options, losses, None),
        Scratch::new,
        work,
        |(range, data)| {
            data.iter().for_each(|data| bitmap.set(data));
            options.progress.did_disk(range.end - range.start);
            (options.observe)(options.progress);
            Ok(())
        },
    )?;
    // For the walk after the last chunk.
    stack.verify_mapping()?;
    Ok(bitmap)
}

/// Returns the chunks of a conversion, one for each call.
type Chunks<'a> = dyn FnMut() -> Result<Option<Chunk>, Error> + 'a;

fn writing_share(
    ScannedDisk { stack, table_scan }: ScannedDisk<'_>,
    backing: Option<ScannedDisk<'_>>,
    encoding: Encoding,
    is_direct: bool,
    options: &Options<'_>,
) -> Result<Share, Error> {
    let read = reading_share(stack, table_scan, options)?;
    if is_direct {
        return Ok(read);
    }
    let (context, stored) = match encoding {
        Encoding::Plain => (0, table_scan.chunk),
        Encoding::PerBlock { compression, .. } => {
            (context_bytes(compression), compress_bound(compression, table_scan.chunk))
        }
    };
    let below = backing.map_or((0, 0), |disk| reading_memory(disk.stack, disk.table_scan));
    let per_thread = table_scan.chunk + table_scan.largest_compressed + context + below.0;
    let per_chunk = stored + table_scan.largest_compressed + below.1;
    Ok(Share::plan(options.threads, options.memory, per_thread, per_chunk)?)
}
