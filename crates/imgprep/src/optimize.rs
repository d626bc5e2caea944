//! Makes an image smaller: the same disk in the same format.

use std::cell::Cell;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgprep_engine::{BitmapShape, Options, PunchHoles, punch_zeros};
use imgprep_io::{
    CacheMode, Existing, FileIdentity, ImageFile, InPlaceFile, OpenError, OutputFile, OutputOptions, Sync,
    UnknownUse, WriterExclusion,
};
use imgprep_map::{Error, Facts, Sink, Value};

use crate::bitmap_file::Made;
use crate::discard::Discard;
use crate::local_output::FileTarget;
use crate::{
    BitmapMaker, Checksum, ConvertOptions, Converted, Destination, Disk, Output, Plan, RequestError, Target,
    Verify, convert_planned, convert_planned_to, parse_uuid, plan,
};

/// Options of an optimization.
#[derive(Clone, Debug, Default)]
pub struct OptimizeOptions {
    /// Options of the format, each as `KEY=VALUE`, that replace those of the image.
    pub changes: Vec<String>,
    /// Whether the result is synced.
    pub sync: Sync,
    /// Whether a rewritten image is written through the page cache.
    pub cache: CacheMode,
    /// How a file system is handled that does not report whether another program has the file open.
    pub unknown_use: UnknownUse,
    /// The bitmap of a RAW that is written in the same pass, and its path.
    pub bitmap: Option<(BitmapShape, PathBuf)>,
    /// How an existing bitmap, or an existing new file, is handled.
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
    /// The rest of what is saved, in bytes: better compression where the payload is compressed, shorter tables, and space
    /// between structures that is no leak.
    pub other: u64,
    /// Whether the rewritten image is compressed.
    pub is_compressed: bool,
    /// The fragmentation that is removed, for formats that count it.
    pub fragmentation: Option<Fragmentation>,
}

/// The fragmentation of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragmentation {
    /// Clusters that do not follow their predecessor in the file.
    pub fragmented: u64,
    /// All stored clusters.
    pub stored: u64,
}

impl Optimized {
    /// Whether the file becomes smaller.
    pub fn has_gain(&self) -> bool {
        self.after < self.before
    }
}

/// Computes what [`optimize_in_place`] would gain. Nothing is changed.
pub fn plan_optimize(
    path: &Path,
    disk: Disk,
    options: &OptimizeOptions,
    run: &Options<'_>,
) -> Result<Optimized, Error> {
    let (rewriting, plan) = rewriting(&disk, options, Some([0; 16]), run)?;
    if plan.is_exact {
        drop(disk);
        return punch(&InPlaceFile::open_read_only(path)?, None, run);
    }
    check_rewritable(&disk)?;
    let before = disk.layers()[0].file_len(); // OK: a disk has a layer.
    let rewriting = ConvertOptions { verify: Verify::Skip, ..rewriting };
    let done = convert_planned_to(&disk, Some(plan), Discard, &rewriting, run)?;
    rewritten(&disk, before, done.len.min(before), &rewriting, &done)
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
    let uuid = uuid(top_facts(&disk)?);
    let (rewriting, plan) = rewriting(&disk, options, uuid, run)?;
    if plan.is_exact {
        let identity = top_identity(&disk)?;
        // An open mapping of this process would count as another user of the file.
        drop(disk);
        return punch_in_place(path, identity, options, run).map_err(in_path(path));
    }
    check_rewritable(&disk)?;
    let exclusion = WriterExclusion::new(path, options.unknown_use).map_err(in_path(path))?;
    let before = disk.layers()[0].file_len(); // OK: a disk has a layer.
    let output_options =
        OutputOptions { existing: Existing::Replace, sync: options.sync, cache: options.cache };
    let file = OutputFile::create(path, output_options).map_err(|error| in_path(path)(error.into()))?;
    let after = Cell::new(before);
    let inner = FileTarget { file, path: path.to_path_buf() };
    let output = Replacement { inner, exclusion, before, after: &after };
    let done = convert_planned_to(&disk, Some(plan), output, &rewriting, run)?;
    rewritten(&disk, before, after.get(), &rewriting, &done)
}

/// Writes an optimized image to a new file: a sparse copy, or a rewritten image with a new UUID.
pub fn optimize_to(
    disk: &Disk,
    path: &Path,
    options: &OptimizeOptions,
    run: &Options<'_>,
) -> Result<Optimized, Error> {
    let (rewriting, plan) = rewriting(disk, options, None, run)?;
    let is_linear = plan.is_exact;
    let top = &disk.layers()[0]; // OK: a disk has a layer.
    let before = if is_linear { top.actual_size() } else { top.file_len() };
    let bitmap = options.bitmap.clone().map(|(shape, path)| (BitmapMaker::Ours(shape), path));
    let rewriting = ConvertOptions { bitmap, ..rewriting };
    let done = convert_planned(disk, Some(plan), &Destination::Path(path.into()), &rewriting, run)?;
    if is_linear {
        let after = imgprep_io::space_taken(path).unwrap_or(done.len);
        return Ok(with_holes(before, after, 0));
    }
    rewritten(disk, before, done.len, &rewriting, &done)
}

/// The conversion of an image into its own format, with its table scan. Without a UUID it gets a random one.
fn rewriting(
    disk: &Disk,
    options: &OptimizeOptions,
    uuid: Option<[u8; 16]>,
    run: &Options<'_>,
) -> Result<(ConvertOptions, Plan), Error> {
    let facts = top_facts(disk)?;
    if options.bitmap.is_some() && facts.format != imgprep_raw::NAME {
        return Err(RequestError::BitmapNeedsRaw.into());
    }
    let mut rewriting = ConvertOptions {
        target: Target::same_as(facts, false, &options.changes)?,
        existing: options.existing,
        sync: options.sync,
        cache: options.cache,
        verify: Verify::ReadBack,
        checksum: Checksum::Skip,
        bitmap: None,
        uuid: uuid.map_or_else(imgprep_io::random_uuid, Ok).map_err(OpenError::from)?,
        unix_time: options.unix_time,
    };
    let plan = plan(disk, &rewriting, run)?;
    rewriting.target = Target::same_as(facts, plan.table_scan.compressed > 0, &options.changes)?;
    Ok((rewriting, plan))
}

/// The result of a conversion that rewrote an image, or would have.
fn rewritten(
    disk: &Disk,
    before: u64,
    after: u64,
    rewriting: &ConvertOptions,
    done: &Converted,
) -> Result<Optimized, Error> {
    let stored = done.table_scan.data + done.table_scan.compressed;
    let needed = done.data_blocks.saturating_mul(done.block.unwrap_or(0));
    let unit = top_facts(disk)?.cluster_size.unwrap_or(0);
    let counts = disk.check_structure(0, &mut |_| ControlFlow::Continue(()))?;
    let zeros = stored.saturating_sub(needed);
    let leaks = counts.leaks.saturating_mul(unit);
    // Zeros that are stored compressed take next to no space.
    let named = zeros.min(done.table_scan.data).saturating_add(leaks);
    let fragmentation = counts.fragmented.zip(counts.allocated);
    Ok(Optimized {
        punches: false,
        before,
        after,
        zeros,
        leaks,
        other: before.saturating_sub(after).saturating_sub(named),
        is_compressed: rewriting.target.compression().is_some(),
        fragmentation: fragmentation.map(|(fragmented, stored)| Fragmentation { fragmented, stored }),
    })
}

/// The result for an image of which nothing but zeros is removed.
fn with_holes(before: u64, after: u64, zeros: u64) -> Optimized {
    let (leaks, other) = (0, 0);
    let (is_compressed, fragmentation) = (false, None);
    Optimized { punches: true, before, after, zeros, leaks, other, is_compressed, fragmentation }
}

fn in_path(path: &Path) -> impl Fn(Error) -> Error {
    move |error| error.in_path(path.display().to_string())
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

/// A rewritten image contains the disk, and nothing else that the old one contains.
fn check_rewritable(disk: &Disk) -> Result<(), Error> {
    if top_facts(disk)?.snapshots.is_empty() {
        return Ok(());
    }
    Err(RequestError::NotOptimized { reason: "it contains snapshots, which would be lost" }.into())
}

/// Whether a rewritten image has everything but comments and identities of the old one.
pub(crate) fn is_rewritable(disk: &Disk) -> bool {
    let has_bitmaps = || {
        disk.layers()
            .iter()
            .flat_map(|layer| &layer.findings)
            .any(|it| it.code == imgprep_qcow2::codes::BITMAPS)
    };
    let is_writable = |facts: &Facts| Target::same_as(facts, false, &[]).is_ok();
    check_rewritable(disk).is_ok() && top_facts(disk).is_ok_and(is_writable) && !has_bitmaps()
}

fn punch_in_place(
    path: &Path,
    identity: FileIdentity,
    options: &OptimizeOptions,
    run: &Options<'_>,
) -> Result<Optimized, Error> {
    let file = InPlaceFile::open(path, identity, options.unknown_use)?;
    let optimized = punch(&file, Some(options), run)?;
    if options.sync == Sync::Full {
        file.sync()?;
    }
    Ok(Optimized { after: file.space_taken()?.min(optimized.before), ..optimized })
}

/// Punches holes, and writes the bitmap that is requested.
fn punch(
    file: &InPlaceFile,
    options: Option<&OptimizeOptions>,
    run: &Options<'_>,
) -> Result<Optimized, Error> {
    let before = file.space_taken()?;
    let bitmap = options.and_then(|options| options.bitmap.as_ref());
    let punched = punch_zeros(&Holes(file), bitmap.map(|(shape, _)| *shape), run)?;
    if let (Some(options), Some((_, path)), Some(bitmap)) = (options, bitmap, &punched.bitmap) {
        let options =
            OutputOptions { existing: options.existing, sync: options.sync, ..OutputOptions::default() };
        Made::ours(bitmap, path, options)?.publish()?;
    }
    let after = before.saturating_sub(punched.zeros);
    Ok(with_holes(before, after, punched.zeros))
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

    fn next_data(&self, at: u64) -> Result<Option<Range<u64>>, Error> {
        Ok(self.0.next_data(at)?)
    }

    fn read(&self, at: u64, bytes: &mut [u8]) -> Result<(), Error> {
        Ok(self.0.read(at, bytes)?)
    }

    fn punch(&self, range: Range<u64>) -> Result<(), Error> {
        Ok(self.0.punch(range)?)
    }
}

/// The identity of the image, which the rewritten one keeps.
fn uuid(facts: &Facts) -> Option<[u8; 16]> {
    let (_, value) = facts.details.iter().find(|(name, _)| ["uuid", "virtual-disk-id"].contains(name))?;
    let Value::Text(text) = value else { return None };
    // A VMDK stores pairs of digits.
    parse_uuid(&text.replace(' ', ""))
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
