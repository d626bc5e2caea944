//! One attempt at one image.

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use imgprep::{
    BitOrder, BitmapMaker, BitmapShape, Checksum, ConvertOptions, Converted, Destination, Disk, Error,
    Existing, Interrupt, OnLoss, Plan, RunOptions, Sync, Verify, convert, plan, reason,
};

use crate::BatchError;
use crate::allocation_bar::allocation_bar;
use crate::fingerprint::{FileStamp, Fingerprint, JournalPath, absolute};
use crate::job_spec::{ImportRules, Subject, Verdict};
use crate::jobs::{Batch, Job};
use crate::journal::Finished;
use crate::queue::{Queue, Task};
use crate::record::{Lost, Record, State};

/// What is the same for all attempts.
pub(crate) struct JobContext<'a> {
    pub(crate) batch: &'a Batch,
    pub(crate) queue: &'a Queue,
    pub(crate) rules: &'a dyn ImportRules,
    pub(crate) interrupt: &'a Interrupt,
    pub(crate) sync: Sync,
    pub(crate) unix_time: u64,
    /// Held while a folder is made.
    pub(crate) folders: Mutex<()>,
}

/// What is made of it.
pub(crate) fn convert_options(
    job: &Job,
    existing: Existing,
    sync: Sync,
    unix_time: u64,
) -> Result<ConvertOptions, Error> {
    let uuid = match job.spec.uuid.as_deref() {
        Some(text) => uuid(text).map_err(|what| BatchError::Setting { what })?,
        None => imgprep::random_uuid().map_err(|error| BatchError::Setting { what: reason(&error) })?,
    };
    let shape = BitmapShape { block: 2 << 20, order: BitOrder::LeastFirst };
    Ok(ConvertOptions {
        target: job.target,
        existing,
        sync,
        verify: if job.spec.verify { Verify::ReadBack } else { Verify::Skip },
        checksum: Checksum::Skip,
        bitmap: job.bitmap().map(|path| (BitmapMaker::Ours(shape), path)),
        uuid,
        unix_time,
    })
}

/// The uuid of an output, or what is wrong with it.
pub(crate) fn uuid(text: &str) -> Result<[u8; 16], String> {
    imgprep::parse_uuid(text).ok_or_else(|| format!("uuid {text}: not 32 hexadecimal digits"))
}

pub(crate) fn on_loss(job: &Job) -> OnLoss {
    if job.spec.salvage { OnLoss::Zero } else { OnLoss::Stop }
}

/// Room that a planned output takes at most: a RAW has holes where the disk has zeros.
pub(crate) fn room(job: &Job, plan: &Plan) -> u64 {
    if job.target.has_exact_len() { plan.table_scan.total() } else { plan.len }
}

/// Requests a verdict, if the job has a profile.
pub(crate) fn judge(
    rules: &dyn ImportRules,
    job: &Job,
    disk: &Disk,
    output_len: u64,
    output: Option<&Path>,
) -> Verdict {
    let Some(profile) = &job.spec.profile else { return Verdict::default() };
    rules.judge(&Subject {
        source: disk,
        target: job.target,
        output_len,
        output,
        profile,
        disk: job.spec.disk,
    })
}

impl JobContext<'_> {
    /// Tries once. What is known of the image stands in `record` also when it fails.
    pub(crate) fn execute(
        &self,
        task: &Task,
        existing: Existing,
        record: &mut Record,
    ) -> Result<Finished, Error> {
        let tried = catch_unwind(AssertUnwindSafe(|| self.try_once(task, existing, record)));
        tried.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let what = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_string();
            Err(BatchError::Defect { what }.into())
        })
    }

    fn try_once(&self, task: &Task, existing: Existing, record: &mut Record) -> Result<Finished, Error> {
        let job = &self.batch.jobs[task.job];
        let mut disk = job.open()?;
        // Taken before anything is read: a change from now on is seen by the conversion.
        let sources: Vec<_> = disk
            .source_paths()
            .filter_map(|path| Some((JournalPath(absolute(path)), FileStamp::of(path).ok()?)))
            .collect();
        disk.find_unused(self.interrupt)?;
        let run = RunOptions {
            threads: NonZeroUsize::new(task.threads).unwrap_or(NonZeroUsize::MIN),
            memory: task.memory,
            on_loss: on_loss(job),
            interrupt: self.interrupt,
            progress: &task.progress,
            observe: &|_| {},
        };
        disk.cross_check(&run)?;
        record.describe(&disk);
        let options = convert_options(job, existing, self.sync, self.unix_time)?;
        let planned = plan(&disk, &options, &run)?;
        record.allocation = allocation_bar(&disk);
        let free = || imgprep::free_space(&self.batch.out).unwrap_or(u64::MAX);
        self.queue.admit(task, sources.len() as u64 + 1, room(job, &planned), &free, self.interrupt);
        let done = convert(&disk, &Destination::Path(job.output.clone()), &options, &run)?;
        record.verdict = judge(self.rules, job, &disk, done.len, Some(&job.output));
        finish(record, &done);
        Ok(Finished {
            spec: job.checksum(),
            outputs: fingerprints(job, &done)?,
            sources,
            record: record.clone(),
        })
    }
}

fn finish(record: &mut Record, done: &Converted) {
    record.state = State::Done;
    record.output_size = Some(done.len);
    record.verified = done.is_verified;
    let lost = |loss: &imgprep::Loss| Lost {
        start: loss.disk.start,
        end: loss.disk.end,
        code: loss.code.to_string(),
        message: loss.message.clone(),
    };
    record.losses = done.losses.iter().map(lost).collect();
}

fn fingerprints(job: &Job, done: &Converted) -> Result<Vec<(JournalPath, Fingerprint)>, Error> {
    let written = std::iter::once(&job.output).chain(&done.bitmap);
    let fingerprint = |path: &PathBuf| {
        let fingerprint = Fingerprint::of(path).map_err(|error| {
            let what = format!("cannot read the output back: {}", reason(&error));
            Error::new(BatchError::Listing { what }).in_path(path.display().to_string())
        });
        Ok((JournalPath(absolute(path)), fingerprint?))
    };
    written.map(fingerprint).collect()
}
