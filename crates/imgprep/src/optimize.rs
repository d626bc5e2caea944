//! Makes an image smaller: the same disk in the same format.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgprep_engine::{BitmapShape, CHUNK, Options, PunchHoles, punch_zeros, scan_tables};
use imgprep_io::{
    Existing, FileIdentity, ImageFile, InPlaceFile, OutputFile, OutputOptions, Sync, UnknownUse,
    WriterExclusion,
};
use imgprep_map::{Error, Facts, Sink, Value};

use crate::bitmap_file::Made;
use crate::local_output::FileTarget;
use crate::{
    Checksum, ConvertOptions, Disk, Measure, Output, RequestError, Target, Verify, convert_to, measure,
    parse_uuid,
};

/// Options of [`optimize_in_place`] and [`plan_optimize`].
#[derive(Clone, Debug, Default)]
pub struct OptimizeOptions {
    /// Options of the format, each as `KEY=VALUE`, that replace those of the image.
    pub changes: Vec<String>,
    /// Whether the result is synced.
    pub sync: Sync,
    /// How a file system is handled that does not report whether another program has the file open.
    pub unknown_use: UnknownUse,
    /// The bitmap of a RAW that is written in the same pass, and its path.
    pub bitmap: Option<(BitmapShape, PathBuf)>,
    /// How an existing bitmap is handled.
    pub existing: Existing,
    /// The time stamp of formats that have one, in seconds since 1970.
    pub unix_time: u64,
}

/// The result of an optimization, or its plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Optimized {
    /// Whether zeros become holes in the file. Otherwise the image is rewritten.
    pub punches: bool,
    /// Before: bytes that the file takes, or its length if it is rewritten.
    pub before: u64,
    /// The same afterwards. It is `before` if nothing is gained.
    pub after: u64,
    /// Bytes of the disk that are stored although they are zeros.
    pub zeros: u64,
    /// Bytes of allocation units of the file that nothing refers to.
    pub leaks: u64,
}

impl Optimized {
    /// Whether the file becomes smaller.
    pub fn has_gain(&self) -> bool {
        self.after < self.before
    }
}

/// The target that a disk is rewritten as.
pub fn optimize_target(disk: &Disk, changes: &[String], run: &Options<'_>) -> Result<Target, Error> {
    let facts = top_facts(disk)?;
    let scan = scan_tables(disk.stack(), CHUNK, CHUNK, run)?;
    Ok(Target::same_as(facts, scan.compressed > 0, changes)?)
}

/// Computes what [`optimize_in_place`] would gain. Nothing is changed.
pub fn plan_optimize(
    path: &Path,
    disk: Disk,
    options: &OptimizeOptions,
    run: &Options<'_>,
) -> Result<Optimized, Error> {
    let target = optimize_target(&disk, &options.changes, run)?;
    if is_linear(&target, &disk)? {
        check_request(&disk, options)?;
        drop(disk);
        return punch(&InPlaceFile::open_read_only(path)?, None, run);
    }
    check_rewritable(&disk, options)?;
    let (zeros, leaks) = stored_in_vain(&disk, run)?;
    let before = disk.layers()[0].file_len(); // OK: a disk has a layer.
    let after = measure(&disk, &target, Measure::Contents, run)?.required.min(before);
    Ok(Optimized { punches: false, before, after, zeros, leaks })
}

/// Optimizes an image in place.
///
/// Formats that store the disk contiguously: ranges of zeros become holes, and no other byte is touched. All other
/// formats are rewritten next to the file, verified, and replace it atomically, unless that gains nothing.
///
/// Fails if another program has the file open.
pub fn optimize_in_place(
    path: &Path,
    disk: Disk,
    options: &OptimizeOptions,
    run: &Options<'_>,
) -> Result<Optimized, Error> {
    let target = optimize_target(&disk, &options.changes, run)?;
    disk.check_readable()?;
    if !is_linear(&target, &disk)? {
        check_rewritable(&disk, options)?;
        return rewrite(path, &disk, target, options, run);
    }
    check_request(&disk, options)?;
    let identity = top_identity(&disk)?;
    // An open mapping of this process would count as another user of the file.
    drop(disk);
    let punched = || {
        let file = InPlaceFile::open(path, identity, options.unknown_use)?;
        let optimized = punch(&file, options.bitmap.as_ref().map(|bitmap| (bitmap, options)), run)?;
        if options.sync == Sync::Full {
            file.sync()?;
        }
        Ok(Optimized { after: file.space_taken()?.min(optimized.before), ..optimized })
    };
    punched().map_err(in_path(path))
}

fn in_path(path: &Path) -> impl Fn(Error) -> Error {
    move |error| error.in_path(path.display().to_string())
}

fn is_linear(target: &Target, disk: &Disk) -> Result<bool, Error> {
    Ok(target.writer(disk.size(), [0; 16], 0)?.linear_at().is_some())
}

fn top_facts(disk: &Disk) -> Result<&Facts, Error> {
    let refuse = |reason| Err(RequestError::NotOptimized { reason }.into());
    match disk.layers() {
        [layer] if layer.parent.is_some() => refuse("it has a backing file"),
        [layer] if !layer.associated_files.is_empty() => refuse("it consists of several files"),
        [layer] if layer.is_device() => refuse("it is a device"),
        [layer] => disk.check_complete().map(|()| &layer.facts),
        _ => refuse("it has a backing file"),
    }
}

fn top_identity(disk: &Disk) -> Result<FileIdentity, Error> {
    disk.identities()
        .next()
        .ok_or_else(|| RequestError::NotOptimized { reason: "it is not a local file" }.into())
}

fn check_request(disk: &Disk, options: &OptimizeOptions) -> Result<(), Error> {
    let is_raw = top_facts(disk)?.format == imgprep_raw::NAME;
    if options.bitmap.is_some() && !is_raw { Err(RequestError::BitmapNeedsRaw.into()) } else { Ok(()) }
}

/// A rewritten image contains the disk, and nothing else that the old one contains.
fn check_rewritable(disk: &Disk, options: &OptimizeOptions) -> Result<(), Error> {
    check_request(disk, options)?;
    if top_facts(disk)?.snapshots.is_empty() {
        return Ok(());
    }
    Err(RequestError::NotOptimized { reason: "it contains snapshots, which would be lost" }.into())
}

/// Bytes of stored zeros, and of leaked allocation units.
fn stored_in_vain(disk: &Disk, run: &Options<'_>) -> Result<(u64, u64), Error> {
    let unit = top_facts(disk)?.cluster_size.unwrap_or(512);
    let shape = BitmapShape { block: unit.max(512), ..BitmapShape::default() };
    let scan = scan_tables(disk.stack(), CHUNK, CHUNK, run)?;
    let losses = imgprep_engine::Losses::default();
    let bitmap = imgprep_engine::scan(disk.stack(), &scan, shape, run, &losses)?;
    let needed = bitmap.data_blocks().saturating_mul(shape.block);
    let counts = disk.check_structure(0, &mut |_| std::ops::ControlFlow::Continue(()))?;
    Ok(((scan.data + scan.compressed).saturating_sub(needed), counts.leaks.saturating_mul(unit)))
}

fn punch(
    file: &InPlaceFile,
    bitmap: Option<(&(BitmapShape, PathBuf), &OptimizeOptions)>,
    run: &Options<'_>,
) -> Result<Optimized, Error> {
    let before = file.space_taken()?;
    let shape = bitmap.map(|((shape, _), _)| *shape);
    let punched = punch_zeros(&Holes(file), shape, run)?;
    if let (Some(((_, path), options)), Some(bitmap)) = (bitmap, &punched.bitmap) {
        let options = OutputOptions { existing: options.existing, sync: options.sync };
        Made::ours(bitmap, path, options)?.publish()?;
    }
    let after = before.saturating_sub(punched.zeros);
    Ok(Optimized { punches: true, before, after, zeros: punched.zeros, leaks: 0 })
}

/// A file for the engine.
struct Holes<'a>(&'a InPlaceFile);

impl PunchHoles for Holes<'_> {
    fn size(&self) -> u64 {
        self.0.len()
    }

    fn granule(&self) -> u64 {
        self.0.granule()
    }

    fn next_data(&self, at: u64) -> Result<Option<std::ops::Range<u64>>, Error> {
        Ok(self.0.next_data(at)?)
    }

    fn read(&self, at: u64, bytes: &mut [u8]) -> Result<(), Error> {
        Ok(self.0.read(at, bytes)?)
    }

    fn punch(&self, range: std::ops::Range<u64>) -> Result<(), Error> {
        Ok(self.0.punch(range)?)
    }
}

fn rewrite(
    path: &Path,
    disk: &Disk,
    target: Target,
    options: &OptimizeOptions,
    run: &Options<'_>,
) -> Result<Optimized, Error> {
    let exclusion = WriterExclusion::new(path, options.unknown_use).map_err(in_path(path))?;
    let (zeros, leaks) = stored_in_vain(disk, run)?;
    let before = disk.layers()[0].file_len(); // OK: a disk has a layer.
    let output_options = OutputOptions { existing: Existing::Replace, sync: options.sync };
    let file = OutputFile::create(path, output_options).map_err(|error| in_path(path)(error.into()))?;
    let after = Cell::new(before);
    let inner = FileTarget { file, path: path.to_path_buf() };
    let output = Replacement { inner, exclusion, before, after: &after };
    let convert_options = ConvertOptions {
        target,
        existing: Existing::Replace,
        sync: options.sync,
        verify: Verify::ReadBack,
        checksum: Checksum::Skip,
        bitmap: None,
        uuid: uuid(top_facts(disk)?)
            .map_or_else(imgprep_io::random_uuid, Ok)
            .map_err(imgprep_io::OpenError::from)?,
        unix_time: options.unix_time,
    };
    convert_to(disk, output, &convert_options, run)?;
    Ok(Optimized { punches: false, before, after: after.get(), zeros, leaks })
}

/// The identity of the image, which the rewritten one keeps.
fn uuid(facts: &Facts) -> Option<[u8; 16]> {
    let (_, value) = facts.details.iter().find(|(name, _)| ["uuid", "virtual-disk-id"].contains(name))?;
    let Value::Text(text) = value else { return None };
    parse_uuid(text)
}

/// An output that replaces the image it was made of, if it is smaller.
struct Replacement<'a> {
    inner: FileTarget,
    exclusion: WriterExclusion,
    before: u64,
    /// Length of the image that has the name at the end.
    after: &'a Cell<u64>,
}

impl Output for Replacement<'_> {
    fn sink(&self) -> &dyn Sink {
        self.inner.sink()
    }

    fn label(&self) -> String {
        self.inner.label()
    }

    fn reopen(&self) -> Result<Option<Arc<dyn ImageFile>>, Error> {
        self.inner.reopen()
    }

    fn publish(self: Box<Self>) -> Result<(), Error> {
        let len = self.inner.reopen()?.map_or(u64::MAX, |file| file.len());
        if len >= self.before {
            return Ok(());
        }
        self.exclusion.verify().map_err(|error| Error::new(error).in_path(self.inner.label()))?;
        Box::new(self.inner).publish()?;
        self.after.set(len);
        Ok(())
    }
}
