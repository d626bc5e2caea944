//! A builder for conversions.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use imgprep_engine::{Interrupt, OnLoss, Options, Progress, ProgressReading};
use imgprep_io::{CacheMode, Existing, OpenError, Sync};
use imgprep_map::Error;

use crate::resources::Resources;
use crate::{
    Checksum, ConvertOptions, Converted, Destination, Disk, Output, Plan, Target, Verify, convert_planned,
    convert_planned_to, plan,
};

/// A conversion that is being set up: created by [`Disk::convert`], run by [`write_to_path`](Self::write_to_path) or
/// [`write_to`](Self::write_to).
///
/// By default all cores are used, buffers are limited to 256 MiB, an existing file is not replaced, the output is synced but not
/// read back, and the first unreadable range ends the conversion.
#[must_use = "a conversion does nothing until it is written"]
pub struct Conversion<'a> {
    disk: &'a Disk,
    target: Result<Target, Error>,
    existing: Existing,
    sync: Sync,
    cache: CacheMode,
    verify: Verify,
    checksum: Checksum,
    uuid: Option<[u8; 16]>,
    unix_time: Option<u64>,
    on_loss: OnLoss,
    plan: Option<Plan>,
    resources: Resources,
    on_progress: Box<dyn Fn(ProgressReading) + 'a>,
}

impl Disk {
    /// Sets up a conversion into the format `target`.
    pub fn convert(&self, target: Target) -> Conversion<'_> {
        Conversion {
            disk: self,
            target: Ok(target),
            existing: Existing::Refuse,
            sync: Sync::Full,
            cache: CacheMode::Auto,
            verify: Verify::Skip,
            checksum: Checksum::Skip,
            uuid: None,
            unix_time: None,
            on_loss: OnLoss::Stop,
            plan: None,
            resources: Resources::default(),
            on_progress: Box::new(|_| {}),
        }
    }
}

impl<'a> Conversion<'a> {
    /// Sets the compression level: 1 to 22 for zstd, 1 to 9 for zlib. A level that the target does not have is an error of the
    /// conversion.
    pub fn compression_level(mut self, level: u32) -> Self {
        self.target = self.target.and_then(|target| target.with_level(level));
        self
    }

    /// Selects whether the output is read back, decompressed and compared before it is published.
    pub fn verify(mut self, verify: bool) -> Self {
        self.verify = if verify { Verify::ReadBack } else { Verify::Skip };
        self
    }

    /// Selects what happens if the output file exists already.
    pub fn existing(mut self, existing: Existing) -> Self {
        self.existing = existing;
        self
    }

    /// Selects whether the output is written through the page cache.
    pub fn cache(mut self, cache: CacheMode) -> Self {
        self.cache = cache;
        self
    }

    /// Selects whether the output file is synced.
    pub fn sync(mut self, sync: Sync) -> Self {
        self.sync = sync;
        self
    }

    /// Selects whether the checksum of the disk is computed.
    pub fn checksum(mut self, checksum: Checksum) -> Self {
        self.checksum = checksum;
        self
    }

    /// Selects what happens at a range of the disk that cannot be read.
    pub fn on_loss(mut self, on_loss: OnLoss) -> Self {
        self.on_loss = on_loss;
        self
    }

    /// Sets the identifier of the output, for a reproducible file. By default it is random.
    pub fn uuid(mut self, uuid: [u8; 16]) -> Self {
        self.uuid = Some(uuid);
        self
    }

    /// Sets the timestamp of the output in seconds since 1970, for a reproducible file. By default it is the current time.
    pub fn unix_time(mut self, unix_time: u64) -> Self {
        self.unix_time = Some(unix_time);
        self
    }

    /// Sets the number of worker threads; 0 counts as 1. With one, everything runs on the caller's thread.
    pub fn threads(mut self, threads: usize) -> Self {
        self.resources.set_threads(threads);
        self
    }

    /// Limits the memory of buffers, in bytes.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.resources.memory = bytes;
        self
    }

    /// Sets the flag that stops the conversion with [`ErrorKind::Interrupted`](crate::ErrorKind::Interrupted).
    pub fn interrupt(mut self, interrupt: &Interrupt) -> Self {
        self.resources.interrupt = interrupt.clone();
        self
    }

    /// Sets a function that is called on the caller's thread after every chunk.
    pub fn on_progress(mut self, on_progress: impl Fn(ProgressReading) + 'a) -> Self {
        self.on_progress = Box::new(on_progress);
        self
    }

    /// Uses the table scan of a plan, instead of scanning the tables again.
    ///
    /// A plan that was made of another disk, for other blocks or for another handling of losses is ignored.
    pub fn with_plan(mut self, plan: Plan) -> Self {
        self.plan = Some(plan);
        self
    }

    /// Computes what the conversion would do, from the tables alone: nothing is written.
    pub fn plan(self) -> Result<Plan, Error> {
        self.run(|disk, _, options, run| plan(disk, options, run))
    }

    /// Converts into a file, which appears complete or not at all, or into a block device.
    pub fn write_to_path(self, path: impl AsRef<Path>) -> Result<Converted, Error> {
        let destination = Destination::Path(path.as_ref().to_path_buf());
        self.run(|disk, plan, options, run| convert_planned(disk, plan, &destination, options, run))
    }

    /// Converts into any [`Output`]: [`MemoryOutput`](crate::MemoryOutput), or one of the caller.
    pub fn write_to(self, output: impl Output) -> Result<Converted, Error> {
        self.run(|disk, plan, options, run| convert_planned_to(disk, plan, output, options, run))
    }

    fn run<T>(
        self,
        work: impl FnOnce(&Disk, Option<Plan>, &ConvertOptions, &Options<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let uuid = self.uuid.map_or_else(imgprep_io::random_uuid, Ok).map_err(OpenError::from)?;
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let options = ConvertOptions {
            target: self.target?,
            existing: self.existing,
            sync: self.sync,
            cache: self.cache,
            verify: self.verify,
            checksum: self.checksum,
            bitmap: None,
            uuid,
            unix_time: self.unix_time.unwrap_or_else(now),
        };
        let progress = Progress::default();
        let observe = |progress: &Progress| (self.on_progress)(progress.read());
        work(self.disk, self.plan, &options, &self.resources.options(self.on_loss, &progress, &observe))
    }
}
