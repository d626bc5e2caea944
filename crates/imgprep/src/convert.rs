//! Converts a disk into an output and reads the output back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgprep_engine::{
    Bitmap, ChecksumRange, Checksums, Digest, DigestAlgorithm, Loss, Losses, OnLoss, Options,
    Output as EngineOutput, TableScan, TrailingData, checksum, convert as run, digest, scan_tables,
};
use imgprep_io::{DeviceOutput, Existing, OutputFile, OutputOptions, PipeOutput};
use imgprep_map::{Error, FilePart, ImageWriter, ParseOptions, SinkKind, SizeChoice, WriteError};
use imgprep_open::{FollowPolicy, MemoryFiles, OpenOptions};

use crate::backing::{OpenBacking, backing_path};
use crate::bitmap_file::Made;
use crate::joined_output::{JoinedTarget, extents_of, paths_of};
use crate::local_output::{DeviceTarget, FileTarget, PipeTarget};
use crate::plan::tables_of;
use crate::{
    BitmapMaker, Checksum, ConvertOptions, Destination, Disk, Files, Output, Plan, RequestError, Role,
    Target, Verify,
};

/// The result of a conversion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// The result of the table scan, without its losses.
    pub table_scan: TableScan,
    /// Length of the output, in bytes.
    pub len: u64,
    /// Blocks of the format that are stored; in a format without blocks, ranges of 2 MiB that contain data.
    pub data_blocks: u64,
    /// Further files of the output, whose names its file contains.
    pub extents: Vec<PathBuf>,
    /// Bytes of a block; `None` if the output stores the disk contiguously.
    pub block: Option<u64>,
    /// Ranges that could not be read and are zeros in the output, of the table scan and of the conversion.
    pub losses: Vec<Loss>,
    /// The bitmap's file, if one was written.
    pub bitmap: Option<PathBuf>,
    /// Whether the output was read back and compared.
    pub is_verified: bool,
    /// CRC-32 of all bytes of the disk, if it was computed.
    pub crc32: Option<u32>,
    /// Digests of source and output, if they were requested.
    pub digests: Option<ConversionDigests>,
}

/// Digests of source and output of a conversion, all with one algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversionDigests {
    /// The algorithm.
    pub algorithm: DigestAlgorithm,
    /// Of the contents of the source; `None` if unreadable ranges are replaced by zeros.
    pub source: Option<Digest>,
    /// Of the contents of the output, if it was read back.
    pub output: Option<Digest>,
    /// Of the output's file, which is read for it. A RAW file that was not read back is the exception: its digest is that of the
    /// bytes that were written. `None` for devices and pipes.
    pub file: Option<Digest>,
}

/// Converts a disk. If it fails, no file is left behind; a device or a pipe keeps what was written.
pub fn convert(
    disk: &Disk,
    destination: &Destination,
    options: &ConvertOptions,
    run: &Options<'_>,
) -> Result<Converted, Error> {
    convert_planned(disk, None, destination, options, run)
}

/// Like [`convert`], with the table scan of a plan: the tables are not scanned a second time.
///
/// A plan that was made of another disk, for other blocks or for another handling of losses is ignored.
pub fn convert_planned(
    disk: &Disk,
    plan: Option<Plan>,
    destination: &Destination,
    options: &ConvertOptions,
    run: &Options<'_>,
) -> Result<Converted, Error> {
    check_request(disk, destination, options)?;
    let (kind, path) = match destination {
        Destination::Stdout => (SinkKind::Append, None),
        Destination::Path(path) => (SinkKind::Random, Some(path)),
    };
    let name = path.and_then(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned());
    let takes_files = path.is_some_and(|path| !imgprep_io::is_block_device(path));
    let folder = path.and_then(|path| path.parent()).map(Path::to_path_buf).unwrap_or_default();
    let place = Place { kind, takes_files, name: name.unwrap_or_else(|| "disk".into()), folder };
    convert_into(disk, plan, place, |parts| create(destination, options, disk, parts), options, run)
}

/// Converts a disk into any output: in memory, or one that the caller implements. A bitmap needs a path and is rejected.
pub fn convert_to(
    disk: &Disk,
    output: impl Output,
    options: &ConvertOptions,
    run: &Options<'_>,
) -> Result<Converted, Error> {
    convert_planned_to(disk, None, output, options, run)
}

/// [`convert_to`] with the table scan of a plan, as in [`convert_planned`].
pub fn convert_planned_to(
    disk: &Disk,
    plan: Option<Plan>,
    output: impl Output,
    options: &ConvertOptions,
    run: &Options<'_>,
) -> Result<Converted, Error> {
    disk.check_readable()?;
    if options.bitmap.is_some() {
        return Err(RequestError::BitmapNeedsRaw.into());
    }
    // Rejected before the conversion, which may take hours.
    if options.verify == Verify::ReadBack && output.reopen()?.is_none() {
        return Err(Error::new(RequestError::NotReadable).in_path(output.label()));
    }
    let (kind, takes_files) = (output.sink().kind(), output.takes_files());
    let place = Place { kind, takes_files, name: "disk".into(), folder: PathBuf::new() };
    convert_into(disk, plan, place, |_| Ok(Box::new(output)), options, run)
}

/// The properties of an output that does not exist yet.
struct Place {
    kind: SinkKind,
    /// Whether it can consist of several files.
    takes_files: bool,
    name: String,
    /// The folder that the name of a backing file is relative to.
    folder: PathBuf,
}

/// Converts into the output that `create` makes once the tables have been scanned.
fn convert_into<'o>(
    disk: &Disk,
    plan: Option<Plan>,
    place: Place,
    create: impl FnOnce(&[FilePart]) -> Result<Box<dyn Output + 'o>, Error>,
    options: &ConvertOptions,
    run: &Options<'_>,
) -> Result<Converted, Error> {
    let target = options.target.clone();
    let mut format = target.writer_of(disk.size(), options.uuid, options.unix_time, place.name.clone())?;
    if place.kind < format.needs() {
        return Err(RequestError::TargetNeedsFile { format: options.target.name() }.into());
    }
    let parts = format.files();
    let extents = extents_of(&place.folder.join(&place.name), &parts);
    if !parts.is_empty() && !place.takes_files {
        return Err(RequestError::TargetNeedsNames.into());
    }
    let mut table_scan = tables_of(disk, plan, &*format, run)?;
    let backing = OpenBacking::open(&target, &place.folder, table_scan.chunk, run)?;
    if let Some(backing) = &backing {
        // Its format, if it was detected, is stored in the output.
        let target = target.with_backing_format(backing.format());
        format = target.writer_of(disk.size(), options.uuid, options.unix_time, place.name)?;
    }
    let losses = Losses::from(std::mem::take(&mut table_scan.losses));
    let opened = create(&parts)?;
    let job = Job { disk, table_scan: &table_scan, options, run, losses: &losses, backing: backing.as_ref() };
    let done = job.write(&*opened, &mut *format)?;
    disk.check_unchanged()?;
    backing.as_ref().map_or(Ok(()), OpenBacking::check_unchanged)?;
    let back = job.verify(&*opened, done.checksums.as_ref())?;
    let is_verified = back.is_some();
    let digests = job.digests(&*opened, &done, back.as_ref())?;
    let bitmap = job.bitmap(&*opened, done.bitmap.as_ref())?;
    publish(opened, bitmap)?;
    Ok(Converted {
        table_scan,
        len: done.len,
        data_blocks: done.blocks,
        extents,
        block: format.linear_at().is_none().then(|| format.block()),
        losses: losses.into_sorted(),
        bitmap: options.bitmap.as_ref().map(|(_, path)| path.clone()),
        is_verified,
        crc32: done.checksums.as_ref().map(Checksums::disk_crc32),
        digests,
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
        Destination::Path(path) => {
            files.writes(Role::Output, path);
            let folder = path.parent().unwrap_or(Path::new(""));
            backing_path(&options.target, folder).iter().for_each(|path| files.reads(path));
        }
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
    // Rejected before the conversion, and again when it gets its name.
    if options.existing == Existing::Refuse && bitmap.symlink_metadata().is_ok() {
        return Err(in_path(imgprep_io::CreateError::Exists.into()));
    }
    Ok(())
}

/// Gives the output and its bitmap their names: the bitmap first, so that a new RAW has its bitmap. If a RAW is replaced, it
/// must never be next to the bitmap of the other one, even if the process is killed: then the old bitmap is removed first,
/// and the new one is added last.
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
    OutputOptions { existing: options.existing, sync: options.sync, cache: options.cache }
}

/// Creates the file or opens the device or standard output.
fn create(
    destination: &Destination,
    options: &ConvertOptions,
    disk: &Disk,
    parts: &[FilePart],
) -> Result<Box<dyn Output>, Error> {
    let Destination::Path(path) = destination else {
        return Ok(Box::new(PipeTarget(PipeOutput::stdout()?)));
    };
    let in_path = |error: Error| error.in_path(path.display().to_string());
    if !parts.is_empty() {
        let mut files = Files::default();
        files.reads_disk(disk);
        paths_of(path, parts).iter().for_each(|path| files.writes(Role::Output, path));
        files.check()?;
        return Ok(Box::new(JoinedTarget::create(path, parts, output_options(options))?));
    }
    let size = disk.size();
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
    let device = DeviceOutput::open(path, options.cache).map_err(|error| in_path(error.into()))?;
    if device.capacity() < size && options.target.has_exact_len() {
        let available = device.capacity();
        return Err(in_path(WriteError::TooSmall { needed: size, available }.into()));
    }
    let capacity = device.capacity();
    if let Some(len) = options.target.device_len(size).filter(|len| *len != capacity) {
        let format = options.target.name();
        return Err(in_path(RequestError::DeviceLength { format, len, capacity }.into()));
    }
    Ok(Box::new(DeviceTarget { device, path: path.clone() }))
}

struct Job<'a> {
    disk: &'a Disk,
    table_scan: &'a TableScan,
    options: &'a ConvertOptions,
    run: &'a Options<'a>,
    losses: &'a Losses,
    backing: Option<&'a OpenBacking>,
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
                || self.options.checksum != Checksum::Skip,
            with_blake3: self.with_blake3(),
            bitmap: self.options.bitmap.as_ref().and_then(|(maker, _)| match maker {
                BitmapMaker::Ours(shape) => Some(*shape),
                BitmapMaker::Command(_) => None,
            }),
            backing: self.backing.map(OpenBacking::scanned),
        };
        run(self.disk.stack(), self.table_scan, output, self.run, self.losses).map_err(|error| {
            // Errors of the source contain the name of the layer already.
            if error.detail::<WriteError>().is_some() { error.in_path(opened.label()) } else { error }
        })
    }

    /// The complete bitmap, not published yet.
    fn bitmap(&self, opened: &dyn Output, ours: Option<&Bitmap>) -> Result<Option<Made>, Error> {
        let Some((maker, path)) = &self.options.bitmap else { return Ok(None) };
        let options = output_options(self.options);
        match (maker, ours, opened.readable_paths()) {
            (BitmapMaker::Command(command), _, Some((raw, name))) => command.make(raw, name, path, options),
            (BitmapMaker::Ours(_), Some(bitmap), _) => Made::ours(bitmap, path, options),
            // OK: `check_request` accepts a bitmap only next to a file or a device.
            _ => Err(RequestError::BitmapNeedsRaw.into()),
        }
        .map(Some)
    }

    fn reopen(&self, opened: &dyn Output, format: &str, size: SizeChoice) -> Result<Option<Disk>, Error> {
        // The file itself has no backing file.
        let backing = self.backing.filter(|_| format == self.options.target.name());
        reopen(opened, format, size, backing.map(|backing| &*backing.path))
    }

    /// Whether BLAKE3 is computed in the passes over source and output: their chunks are subtrees.
    fn with_blake3(&self) -> bool {
        self.options.checksum == Checksum::Digest(DigestAlgorithm::Blake3)
    }

    /// Reads the output back from its file, like any other image, and compares it. Returns its checksums.
    fn verify(&self, opened: &dyn Output, source: Option<&Checksums>) -> Result<Option<Checksums>, Error> {
        if self.options.verify == Verify::Skip {
            return Ok(None);
        }
        let format = self.options.target.name();
        // The part after the end of the disk is read, too, as far as the format rounds the size up.
        let (Some(source), Some(output)) = (source, self.reopen(opened, format, SizeChoice::Current)?) else {
            return Ok(None);
        };
        let original =
            if self.with_blake3() { self.reopen(opened, format, SizeChoice::Original)? } else { None };
        let options = Options { on_loss: OnLoss::Stop, ..*self.run };
        let in_path = |error: Error| error.in_path(opened.label()).while_doing("verifying");
        let chunk = self.table_scan.chunk;
        let seen = scan_tables(output.stack(), chunk, chunk, &options).map_err(in_path)?;
        let is_exact = opened.has_exact_len();
        let range = ChecksumRange {
            size: self.table_scan.size,
            trailing: if is_exact { TrailingData::Zeros } else { TrailingData::Anything },
            blake3_len: original.filter(|_| is_exact).map(|disk| disk.size()),
        };
        let back = checksum(output.stack(), &seen, range, &options).map_err(in_path)?;
        source.compare(&back).map_err(in_path)?;
        Ok(Some(back))
    }

    /// The digests of a conversion whose output is complete. `back` has the checksums of an output that was read back.
    fn digests(
        &self,
        opened: &dyn Output,
        done: &imgprep_engine::Converted,
        back: Option<&Checksums>,
    ) -> Result<Option<ConversionDigests>, Error> {
        let Checksum::Digest(algorithm) = self.options.checksum else { return Ok(None) };
        // The checksums of the passes are those of BLAKE3.
        let in_pass = |sums: Option<&Checksums>| {
            let bytes = sums.filter(|_| self.with_blake3()).and_then(Checksums::blake3);
            bytes.map(|bytes| Digest { algorithm, bytes })
        };
        let mut written = in_pass(done.checksums.as_ref());
        let is_lossy = self.run.on_loss == OnLoss::Zero;
        if !is_lossy && written.is_none() {
            let found = digest(self.disk.stack(), self.table_scan, &[algorithm], self.run)?;
            written = found.first().copied();
        }
        let mut output = in_pass(back);
        if output.is_none() && back.is_some() {
            output = self.digest_of(opened, self.options.target.name(), algorithm)?;
        }
        // A RAW file is the disk.
        let is_disk = self.options.target == Target::Raw && done.len == self.disk.size();
        let of_file = output.or(written).filter(|_| is_disk);
        let file = self.digest_of_file(opened, of_file, algorithm)?;
        // Zeros in place of what was lost are not the contents of the source.
        let source = written.filter(|_| !is_lossy);
        Ok(Some(ConversionDigests { algorithm, source, output, file }))
    }

    /// The digest of the file: `known`, or else the file is read. `None` for an image of several files, and as in
    /// [`digest_of`](Self::digest_of).
    fn digest_of_file(
        &self,
        opened: &dyn Output,
        known: Option<Digest>,
        algorithm: DigestAlgorithm,
    ) -> Result<Option<Digest>, Error> {
        if opened.takes_files() {
            return Ok(None);
        }
        match known {
            Some(_) if !opened.has_exact_len() || opened.reopen()?.is_none() => Ok(None),
            Some(digest) => Ok(Some(digest)),
            None => self.digest_of(opened, imgprep_raw::NAME, algorithm),
        }
    }

    /// The digest of an output that is read in this format; `None` if it cannot be read, or if it is a device, which does not end
    /// with the output.
    fn digest_of(
        &self,
        opened: &dyn Output,
        format: &str,
        algorithm: DigestAlgorithm,
    ) -> Result<Option<Digest>, Error> {
        if !opened.has_exact_len() {
            return Ok(None);
        }
        let Some(disk) = self.reopen(opened, format, SizeChoice::Original)? else { return Ok(None) };
        let options = Options { on_loss: OnLoss::Stop, ..*self.run };
        Ok(crate::digest(&disk, &[algorithm], &options)?.first().copied())
    }
}

/// Opens a written output for reading, like any other image; `None` if it cannot be read back.
fn reopen(
    opened: &dyn Output,
    format: &str,
    size: SizeChoice,
    backing: Option<&Path>,
) -> Result<Option<Disk>, Error> {
    let Some(file) = opened.reopen()? else { return Ok(None) };
    let open = OpenOptions {
        from: imgprep_catalog::by_name(format),
        parse: ParseOptions { size, ..ParseOptions::default() },
        ..OpenOptions::default()
    };
    let open = if let Some(backing) = backing {
        // The images below it are in its folder.
        OpenOptions { follow: FollowPolicy::Beside, parents: vec![backing.to_path_buf()], ..open }
    } else {
        let mut files = MemoryFiles::new();
        opened.reopen_named()?.into_iter().for_each(|file| files.add_file(file));
        // Only the files of the output itself exist for it.
        let follow = if files.is_empty() { FollowPolicy::None } else { FollowPolicy::Beside };
        OpenOptions { follow, namespace: Some(Arc::new(files)), ..open }
    };
    Ok(Some(Disk::from_chain(imgprep_open::open_source(opened.label(), file, &open)?)))
}
