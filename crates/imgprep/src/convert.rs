//! A disk into an output, and the proof that it is the same disk.

use std::path::PathBuf;

use imgprep_codec::compress_bound;
use imgprep_engine::{
    Bitmap, Checksums, Loss, Losses, Options, Output as EngineOutput, TableScan, TrailingData, checksum,
    chunk_size, convert as run, scan_tables,
};
use imgprep_io::{DeviceOutput, Existing, OutputFile, OutputOptions, PipeOutput, Sync};
use imgprep_map::{Encoding, Error, ImageWriter, ParseOptions, SinkKind, SizeChoice, WriteError};
use imgprep_open::{FollowPolicy, OpenOptions};

use crate::bitmap_file::Made;
use crate::local_output::{DeviceTarget, FileTarget, PipeTarget};
use crate::{BitmapMaker, Disk, Files, Output, RequestError, Role, Target};

/// The destination of a conversion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A file or a block device.
    Path(PathBuf),
    /// Standard output.
    Stdout,
}

/// Whether the output is read back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// No.
    #[default]
    Skip,
    /// It is read back, decompressed and compared, before it gets its name.
    ReadBack,
}

/// Whether a conversion computes the checksum of the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksum {
    /// No.
    #[default]
    Skip,
    /// CRC-32, in [`Converted::crc32`].
    Crc32,
}

/// What a conversion makes, and how.
#[derive(Clone, Debug)]
pub struct ConvertOptions {
    /// The format.
    pub target: Target,
    /// What is done about an existing output.
    pub existing: Existing,
    /// Whether the output is synced.
    pub sync: Sync,
    /// Whether it is read back.
    pub verify: Verify,
    /// Whether the disk's checksum is wanted.
    pub checksum: Checksum,
    /// The bitmap to write along with a RAW file, and where.
    pub bitmap: Option<(BitmapMaker, PathBuf)>,
    /// The output's uuid, if its format has one.
    pub uuid: [u8; 16],
    /// The output's time stamp, in seconds since 1970.
    pub unix_time: u64,
}

/// What a conversion did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// What was found before it began.
    pub table_scan: TableScan,
    /// Length of the output, in bytes.
    pub len: u64,
    /// Blocks of 2 MiB that hold data.
    pub data_blocks: u64,
    /// Ranges that could not be read and are zeros now.
    pub losses: Vec<Loss>,
    /// The bitmap's file, if one was written.
    pub bitmap: Option<PathBuf>,
    /// Whether the output was read back and found equal.
    pub is_verified: bool,
    /// CRC-32 of the disk, all of its bytes, where it was wanted.
    pub crc32: Option<u32>,
}

/// What a conversion would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The result of the table scan.
    pub table_scan: TableScan,
    /// Length of the output: exact for RAW, else at most this.
    pub len: u64,
    /// Whether the length is exact.
    pub is_exact: bool,
    /// Ranges that cannot be read.
    pub losses: Vec<Loss>,
}

/// Walks all tables, as a conversion does before it begins. No payload is read, nothing is written.
pub fn plan(disk: &Disk, options: &ConvertOptions, run: &Options<'_>) -> Result<Plan, Error> {
    disk.check_readable()?;
    let losses = Losses::default();
    let format = options.target.writer(disk.size(), options.uuid, options.unix_time)?;
    let block = format.block();
    let table_scan = scan_tables(disk.stack(), chunk_size(block), run, &losses)?;
    let stored = match format.encoding() {
        Encoding::PerBlock { compression, keep_if_smaller: false } => compress_bound(compression, block),
        Encoding::Plain | Encoding::PerBlock { .. } => block,
    };
    let blocks = table_scan.chunks * (chunk_size(block) / block);
    let len = format.max_len(blocks.min(disk.size().div_ceil(block)), stored);
    Ok(Plan { table_scan, len, is_exact: options.target.has_exact_len(), losses: losses.into_sorted() })
}

/// Converts a disk. What fails leaves no file behind; a device or a pipe is left as far as it was written.
pub fn convert(
    disk: &Disk,
    destination: &Destination,
    options: &ConvertOptions,
    run: &Options<'_>,
) -> Result<Converted, Error> {
    check_request(disk, destination, options)?;
    let kind = match destination {
        Destination::Stdout => SinkKind::Append,
        Destination::Path(_) => SinkKind::Random,
    };
    convert_into(disk, kind, || create(destination, options, disk.size()), options, run)
}

/// Converts a disk into any output: in memory, or one that the caller implements. A bitmap needs a path and is rejected.
pub fn convert_to(
    disk: &Disk,
    output: impl Output,
    options: &ConvertOptions,
    run: &Options<'_>,
) -> Result<Converted, Error> {
    disk.check_readable()?;
    if options.bitmap.is_some() {
        return Err(RequestError::BitmapNeedsRaw.into());
    }
    // Rejected before hours of work.
    if options.verify == Verify::ReadBack && output.reopen()?.is_none() {
        return Err(Error::new(RequestError::NotReadable).in_path(output.label()));
    }
    convert_into(disk, output.sink().kind(), || Ok(Box::new(output)), options, run)
}

/// Converts into the output of this kind that `create` makes once the tables have been scanned.
fn convert_into<'o>(
    disk: &Disk,
    kind: SinkKind,
    create: impl FnOnce() -> Result<Box<dyn Output + 'o>, Error>,
    options: &ConvertOptions,
    run: &Options<'_>,
) -> Result<Converted, Error> {
    let losses = Losses::default();
    let mut format = options.target.writer(disk.size(), options.uuid, options.unix_time)?;
    if kind < format.needs() {
        return Err(RequestError::TargetNeedsFile { format: options.target.name() }.into());
    }
    let table_scan = scan_tables(disk.stack(), chunk_size(format.block()), run, &losses)?;
    let opened = create()?;
    let job = Job { disk, table_scan: &table_scan, options, run, losses: &losses };
    let done = job.write(&*opened, &mut *format)?;
    disk.check_unchanged()?;
    let is_verified = job.verify(&*opened, done.checksums.as_ref())?;
    let bitmap = job.bitmap(&*opened, done.bitmap.as_ref())?;
    publish(opened, bitmap)?;
    Ok(Converted {
        table_scan,
        len: done.len,
        data_blocks: done.chunks,
        losses: losses.into_sorted(),
        bitmap: options.bitmap.as_ref().map(|(_, path)| path.clone()),
        is_verified,
        crc32: done.checksums.as_ref().map(Checksums::disk_crc32),
    })
}

fn check_request(disk: &Disk, destination: &Destination, options: &ConvertOptions) -> Result<(), Error> {
    disk.check_readable()?;
    let mut files = Files::default();
    files.reads_disk(disk);
    match destination {
        Destination::Stdout if options.verify == Verify::ReadBack => {
            return Err(RequestError::VerifyPipe.into());
        }
        Destination::Stdout if options.bitmap.is_some() => return Err(RequestError::BitmapNeedsRaw.into()),
        Destination::Stdout => files.writes_stdout(),
        Destination::Path(path) => files.writes(Role::Output, path),
    }
    let Some((_, bitmap)) = &options.bitmap else { return files.check() };
    if !options.target.takes_bitmap() {
        return Err(RequestError::BitmapNeedsRaw.into());
    }
    files.writes(Role::Bitmap, bitmap);
    files.check()?;
    let in_path = |error: Error| error.in_path(bitmap.display().to_string());
    let raw_exists = matches!(destination, Destination::Path(path) if path.symlink_metadata().is_ok());
    if options.existing == Existing::Refuse && !raw_exists {
        // A bitmap without its RAW, left by a run that was killed between the two.
        let removed = imgprep_io::remove_unfinished(bitmap);
        removed.map_err(|error| in_path(imgprep_io::OpenError::from(error).into()))?;
    }
    // Refused before hours of work, and again when it gets its name.
    if options.existing == Existing::Refuse && bitmap.symlink_metadata().is_ok() {
        return Err(in_path(imgprep_io::CreateError::Exists.into()));
    }
    Ok(())
}

/// Gives the output and its bitmap their names: the bitmap first, so that a RAW that appears is complete. A RAW that is
/// replaced must not be seen beside a bitmap of the other one, whatever ends the process: then the old bitmap goes
/// first and the new one comes last.
fn publish(opened: Box<dyn Output + '_>, bitmap: Option<Made>) -> Result<(), Error> {
    let Some(bitmap) = bitmap else { return opened.publish() };
    if opened.is_new() {
        let published = bitmap.publish_before()?;
        opened.publish()?;
        published.keep();
        return Ok(());
    }
    bitmap.remove_replaced()?;
    opened.publish()?;
    bitmap.publish()
}

fn output_options(options: &ConvertOptions) -> OutputOptions {
    OutputOptions { existing: options.existing, sync: options.sync }
}

/// Creates the file or opens the device or standard output.
fn create(destination: &Destination, options: &ConvertOptions, size: u64) -> Result<Box<dyn Output>, Error> {
    let Destination::Path(path) = destination else {
        return Ok(Box::new(PipeTarget(PipeOutput::stdout()?)));
    };
    let in_path = |error: Error| error.in_path(path.display().to_string());
    if !imgprep_io::is_block_device(path) {
        let create = match options.bitmap {
            Some((BitmapMaker::Command(_), _)) => OutputFile::create_hidden,
            _ => OutputFile::create,
        };
        let file = create(path, output_options(options)).map_err(|error| in_path(error.into()))?;
        return Ok(Box::new(FileTarget { file, path: path.clone() }));
    }
    if options.existing == Existing::Refuse {
        return Err(in_path(RequestError::DeviceNeedsForce.into()));
    }
    let device = DeviceOutput::open(path).map_err(|error| in_path(error.into()))?;
    if device.capacity() < size && options.target.has_exact_len() {
        let available = device.capacity();
        return Err(in_path(WriteError::TooSmall { needed: size, available }.into()));
    }
    Ok(Box::new(DeviceTarget { device, path: path.clone() }))
}

struct Job<'a> {
    disk: &'a Disk,
    table_scan: &'a TableScan,
    options: &'a ConvertOptions,
    run: &'a Options<'a>,
    losses: &'a Losses,
}

impl Job<'_> {
    fn write(
        &self,
        opened: &dyn Output,
        format: &mut dyn ImageWriter,
    ) -> Result<imgprep_engine::Converted, Error> {
        let output = EngineOutput {
            format,
            sink: opened.sink(),
            with_checksums: self.options.verify == Verify::ReadBack
                || self.options.checksum == Checksum::Crc32,
            bitmap: self.options.bitmap.as_ref().and_then(|(maker, _)| match maker {
                BitmapMaker::Ours(shape) => Some(*shape),
                BitmapMaker::Command(_) => None,
            }),
        };
        run(self.disk.stack(), self.table_scan, output, self.run, self.losses).map_err(|error| {
            // What the source's layers are to blame for has their name already.
            if error.format() == "io" { error.in_path(opened.label()) } else { error }
        })
    }

    /// The bitmap, whole and without its name.
    fn bitmap(&self, opened: &dyn Output, ours: Option<&Bitmap>) -> Result<Option<Made>, Error> {
        let Some((maker, path)) = &self.options.bitmap else { return Ok(None) };
        let options = output_options(self.options);
        match (maker, ours, opened.readable_paths()) {
            (BitmapMaker::Command(command), _, Some((raw, name))) => command.make(raw, name, path, options),
            (BitmapMaker::Ours(_), Some(bitmap), _) => Made::ours(bitmap, path, options),
            // OK: `check_request` lets a bitmap only beside a file or a device pass.
            _ => Err(RequestError::BitmapNeedsRaw.into()),
        }
        .map(Some)
    }

    /// Reads the output back as anybody would, from its file, and compares.
    fn verify(&self, opened: &dyn Output, source: Option<&Checksums>) -> Result<bool, Error> {
        if self.options.verify == Verify::Skip {
            return Ok(false);
        }
        let (Some(file), Some(source)) = (opened.reopen()?, source) else { return Ok(false) };
        let name = opened.label();
        let open = OpenOptions {
            from: imgprep_catalog::by_name(self.options.target.name()),
            // What lies behind the disk's end is on the cloud's disk, too: it is read as far as the format rounds up.
            parse: ParseOptions { size: SizeChoice::Current, ..ParseOptions::default() },
            follow: FollowPolicy::None,
            ..OpenOptions::default()
        };
        let output = Disk::from_chain(imgprep_open::open_source(name.clone(), file, &open)?);
        let options = Options { on_loss: imgprep_engine::OnLoss::Stop, ..*self.run };
        let losses = Losses::default();
        let in_path = |error: Error| error.in_path(&name).while_doing("verifying");
        let seen = scan_tables(output.stack(), self.table_scan.chunk, &options, &losses).map_err(in_path)?;
        let trailing = if opened.has_exact_len() { TrailingData::Zeros } else { TrailingData::Anything };
        let size = (self.table_scan.size, trailing);
        let back = checksum(output.stack(), &seen, size, &options).map_err(in_path)?;
        source.compare(&back).map_err(in_path)?;
        Ok(true)
    }
}
