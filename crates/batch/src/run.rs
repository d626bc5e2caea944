//! Runs a batch: worker threads, and a coordinator thread that writes the journal and reports events.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use imgprep::{EngineError, Error, Existing, Interrupt, Sync, reason};

use crate::execute::JobContext;
use crate::job_spec::ImportRules;
use crate::jobs::{Batch, Job};
use crate::journal::Asked;
use crate::journal::{Event, ExistingJournal, Finished, History, Journal};
use crate::observer::{BatchObserver, ProgressSnapshot};
use crate::queue::{Budget, Queue, Task, left};
use crate::record::{Failure, Record, State, path_text};
use crate::summary::Summary;
use crate::{BatchError, asked, files, overlapping_batches};

/// How a batch is run.
#[derive(Clone, Copy)]
pub struct RunSettings<'a> {
    /// Threads of all jobs together.
    pub threads: NonZeroUsize,
    /// Memory of all jobs together.
    pub memory: u64,
    /// Files that all jobs together may have open.
    pub files: u64,
    /// How often an image is tried again after an error of the system.
    pub retries: u32,
    /// The first pause before that; every other one is twice as long, up to a minute.
    pub pause: Duration,
    /// Whether the first failure is the last.
    pub on_failure: OnFailure,
    /// How an existing journal in the output folder is handled.
    pub existing_journal: ExistingJournal,
    /// What is done about options that differ from the earlier batch's, when it is resumed.
    pub other_options: OtherOptions,
    /// Whether outputs are synced.
    pub sync: Sync,
    /// The outputs' time stamp, in seconds since 1970.
    pub unix_time: u64,
    /// Raised to stop.
    pub interrupt: &'a Interrupt,
    /// The import rules that judge.
    pub rules: &'a dyn ImportRules,
}

/// What is done when a batch is resumed with other options than it was started with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OtherOptions {
    /// The batch does not run.
    #[default]
    Refuse,
    /// Images whose options differ are converted again.
    Accept,
}

/// What a failure does to the images that have not begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// Nothing.
    #[default]
    GoOn,
    /// They are not begun. What is at work is finished.
    Stop,
}

/// The longest pause before an image is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Time between two checks of the interrupt and the progress.
const TICK: Duration = Duration::from_millis(100);
/// Bytes that an image costs beside its own: opening, walking, naming.
const OVERHEAD: u64 = 1 << 20;

/// Runs a batch until nothing is left to do or it is stopped. The error is why it could not run at all.
pub fn run(
    batch: &Batch,
    settings: &RunSettings<'_>,
    observer: &mut dyn BatchObserver,
) -> Result<Summary, Error> {
    let begun = Instant::now();
    files::of(batch, settings.existing_journal).check()?;
    create_folder(&batch.out)?;
    // Once before the journal is touched, and once more when what this one does can be seen.
    overlapping_batches::check(batch)?;
    let (mut journal, history) = Journal::open(&batch.out, settings.existing_journal)?;
    if settings.other_options == OtherOptions::Refuse {
        asked::check(batch, &history)?;
    }
    let mut records: Vec<Option<Record>> =
        batch.jobs.iter().map(|job| earlier(job, &history, settings.interrupt)).collect();
    announce(batch, &records, &history, &mut journal)?;
    if let Err(error) = overlapping_batches::check(batch) {
        journal.take_back();
        return Err(error);
    }
    if settings.existing_journal != ExistingJournal::Refuse {
        remove_temporaries(batch);
    }
    let weights: Vec<_> = batch.jobs.iter().map(|job| job.weight.saturating_add(OVERHEAD)).collect();
    let budget = Budget::new(settings.threads.get(), settings.memory, settings.files);
    let pending = (0..batch.jobs.len()).filter(|job| records[*job].is_none());
    let queue = Queue::new(budget, weights.clone(), pending);
    if settings.interrupt.is_raised() {
        // No job starts: the journal would record a new attempt.
        queue.stop();
    }
    observer.begun(batch, &records.iter().flatten().collect::<Vec<_>>(), history.damaged);
    let context = JobContext {
        batch,
        queue: &queue,
        rules: settings.rules,
        interrupt: settings.interrupt,
        sync: settings.sync,
        unix_time: settings.unix_time,
        folders: Mutex::new(()),
    };
    let bytes = (0..weights.len()).filter(|job| records[*job].is_none()).map(|job| weights[job]).sum();
    let (replies, inbox) = mpsc::channel();
    let journalled = std::thread::scope(|scope| {
        for index in 0..budget.threads.min(batch.jobs.len()) {
            let worker = Worker { context: &context, settings, history: &history, replies: replies.clone() };
            let begun = std::thread::Builder::new().spawn_scoped(scope, move || worker.work());
            match begun {
                Ok(_) => {}
                // The system gives no more threads: those that run do all of it.
                Err(_) if index > 0 => break,
                Err(error) => {
                    queue.stop();
                    return Err(BatchError::Threads { reason: error.to_string() }.into());
                }
            }
        }
        drop(replies);
        let mut coordinator = Coordinator {
            batch,
            settings,
            queue: &queue,
            weights: &weights,
            journal: &mut journal,
            observer,
            records: &mut records,
            begun,
            bytes,
            bytes_done: 0,
            totals: (0, 0),
            running: HashMap::new(),
            is_stopping: false,
        };
        let kept = coordinator.keep(&inbox);
        // Also when the journal cannot be written: workers must come to an end.
        queue.stop();
        if kept.is_err() {
            settings.interrupt.raise();
        }
        kept
    });
    journalled?;
    let records = batch.jobs.iter().zip(records);
    let records: Vec<_> = records.map(|(job, record)| record.unwrap_or_else(|| blank(job))).collect();
    let summary = Summary::new(batch, records, begun.elapsed());
    journal.end(summary.done(), summary.failed())?;
    Ok(summary)
}

/// A folder and those above it. What is done in one that a power cut takes away was not done: each is on the disk
/// before it is used.
fn create_folder(folder: &Path) -> Result<(), Error> {
    if folder.is_dir() {
        return Ok(());
    }
    let Some(above) = above(folder) else { return Ok(()) };
    create_folder(above)?;
    let made = std::fs::create_dir(folder).or_else(|error| if folder.is_dir() { Ok(()) } else { Err(error) });
    made.and_then(|()| imgprep::sync_folder(above)).map_err(|error| {
        let what = format!("cannot create the folder: {}", reason(&error));
        Error::new(BatchError::Listing { what }).in_path(folder.display().to_string())
    })
}

/// The folder above. None above the root, and above the working directory, which may be one that may not be looked at.
fn above(folder: &Path) -> Option<&Path> {
    let above = folder.parent()?;
    let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
    (above != folder).then_some(above)
}

/// The record of a job that nothing is known of yet.
fn blank(job: &Job) -> Record {
    Record {
        source: path_text(&job.source),
        output: job.key.clone(),
        target: job.target.name().into(),
        ..Record::default()
    }
}

/// What an earlier run did, if nothing changed since. Outputs are looked into for that: an interrupt ends it, and
/// what was not looked at stays done in the journal.
fn earlier(job: &Job, history: &History, interrupt: &Interrupt) -> Option<Record> {
    if interrupt.is_raised() {
        return None;
    }
    let finished = history.finished.get(&job.key).filter(|finished| finished.holds(job.checksum()))?;
    let mut record = finished.record.clone();
    record.earlier = true;
    Some(record)
}

/// Writes all outputs into the journal before the first of them is created.
fn announce(
    batch: &Batch,
    records: &[Option<Record>],
    history: &History,
    journal: &mut Journal,
) -> Result<(), Error> {
    journal.reserve(records.iter().filter(|record| record.is_none()).count());
    journal.begin(batch.jobs.len());
    for (job, record) in batch.jobs.iter().zip(records) {
        let asked = Asked::of(job);
        if record.is_none() && !(history.is_ours(&job.key) && history.asked_of(&job.key) == Some(&asked)) {
            let foreign = job.output.symlink_metadata().is_ok();
            let (output, source) = (job.key.clone(), path_text(&job.source));
            journal.say(&Event::Job { output, source, foreign, asked: Some(asked) });
        }
    }
    journal.commit()
}

/// Removes hidden files that a killed run left. The lock of the journal proves that no process uses them.
fn remove_temporaries(batch: &Batch) {
    let mut prefixes: HashMap<&Path, Vec<String>> = HashMap::new();
    let written = batch.jobs.iter().flat_map(|job| std::iter::once(job.output.clone()).chain(job.bitmap()));
    let written: Vec<_> = written.collect();
    for path in &written {
        if let (Some(folder), Some(name)) = (path.parent(), path.file_name()) {
            prefixes.entry(folder).or_default().push(imgprep::hidden_prefix(name));
        }
    }
    for (folder, prefixes) in prefixes {
        let prefixes: HashSet<&[u8]> = prefixes.iter().map(String::as_bytes).collect();
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            // All prefixes have one length.
            let len = prefixes.iter().next().map_or(0, |prefix| prefix.len());
            if name.as_encoded_bytes().get(..len).is_some_and(|beginning| prefixes.contains(beginning)) {
                // A file that remains does no harm.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

/// What workers send to the coordinator.
enum WorkerEvent {
    Started { job: usize, attempt: u32, threads: usize },
    Again { job: usize, record: Box<Record>, pause: Duration },
    Done { job: usize, finished: Box<Finished> },
    Failed { job: usize, record: Box<Record> },
}

struct Worker<'a> {
    context: &'a JobContext<'a>,
    settings: &'a RunSettings<'a>,
    history: &'a History,
    replies: Sender<WorkerEvent>,
}

impl Worker<'_> {
    fn work(&self) {
        while let Some(task) = self.context.queue.next() {
            self.send(WorkerEvent::Started { job: task.job, attempt: task.attempt, threads: task.threads });
            let begun = Instant::now();
            let job = &self.context.batch.jobs[task.job];
            let mut record = blank(job);
            record.attempts = task.attempt;
            record.threads = task.threads;
            let tried = job.output.parent().map_or(Ok(()), |folder| self.create_folder(folder));
            let tried = tried.and_then(|()| self.context.execute(&task, self.existing(job), &mut record));
            record.seconds = begun.elapsed().as_secs_f64();
            match tried {
                Ok(mut finished) => {
                    finished.record.seconds = record.seconds;
                    self.context.queue.end(task.job);
                    self.send(WorkerEvent::Done { job: task.job, finished: Box::new(finished) });
                }
                Err(error) => self.failed(&task, record, &error),
            }
        }
    }

    /// One after the other: an existing folder was synced by its creator.
    fn create_folder(&self, folder: &Path) -> Result<(), Error> {
        let _one = self.context.folders.lock().unwrap_or_else(PoisonError::into_inner);
        create_folder(folder)
    }

    fn existing(&self, job: &Job) -> Existing {
        let is_ours =
            self.settings.existing_journal == ExistingJournal::Replace || self.history.is_ours(&job.key);
        if is_ours { Existing::Replace } else { Existing::Refuse }
    }

    fn failed(&self, task: &Task, mut record: Record, error: &Error) {
        let queue = self.context.queue;
        if matches!(error.detail(), Some(EngineError::Memory { .. })) && !task.is_alone {
            return queue.again_alone(task.job);
        }
        record.error = Some(Failure::of(error, imgprep::remedy(error)));
        let is_stopped = self.settings.interrupt.is_raised();
        record.state = if is_stopped { State::Stopped } else { State::Failed };
        if !is_stopped && task.attempt <= self.settings.retries && error.is_transient() {
            let pause = pause(self.settings.pause, task.attempt);
            queue.again(task.job, pause);
            return self.send(WorkerEvent::Again { job: task.job, record: Box::new(record), pause });
        }
        // Before another worker can take the next job.
        if self.settings.on_failure == OnFailure::Stop {
            queue.stop();
        }
        queue.end(task.job);
        self.send(WorkerEvent::Failed { job: task.job, record: Box::new(record) });
    }

    fn send(&self, event: WorkerEvent) {
        // The coordinator is gone only when the journal cannot be written: then nothing counts any more.
        let _ = self.replies.send(event);
    }
}

/// Doubled with every attempt.
fn pause(first: Duration, attempt: u32) -> Duration {
    first.saturating_mul(1 << (attempt - 1).min(16)).min(LONGEST_PAUSE)
}

/// Collects the events of all workers: the journal, the records, the observer.
struct Coordinator<'a> {
    batch: &'a Batch,
    settings: &'a RunSettings<'a>,
    queue: &'a Queue,
    weights: &'a [u64],
    journal: &'a mut Journal,
    observer: &'a mut dyn BatchObserver,
    records: &'a mut Vec<Option<Record>>,
    begun: Instant,
    bytes: u64,
    bytes_done: u64,
    /// Read and written by jobs that are over.
    totals: (u64, u64),
    running: HashMap<usize, (u64, u64)>,
    is_stopping: bool,
}

impl Coordinator<'_> {
    /// Handles events until all workers are done. Events that arrive together are synced together before they are reported.
    fn keep(&mut self, inbox: &Receiver<WorkerEvent>) -> Result<(), Error> {
        let mut last_tick = Instant::now();
        loop {
            let events = match inbox.recv_timeout(TICK) {
                Ok(first) => std::iter::once(first).chain(inbox.try_iter()).collect(),
                Err(RecvTimeoutError::Timeout) => Vec::new(),
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            if self.settings.interrupt.is_raised() && !self.is_stopping {
                self.stop();
            }
            events.iter().for_each(|event| self.note(event));
            self.journal.commit()?;
            events.into_iter().for_each(|event| self.count(event));
            if last_tick.elapsed() >= TICK {
                last_tick = Instant::now();
                let snapshot = self.snapshot();
                self.observer.tick(self.batch, &snapshot);
            }
        }
    }

    fn stop(&mut self) {
        self.is_stopping = true;
        self.queue.stop();
        self.observer.stopping(self.batch, self.queue.running_jobs().len());
    }

    fn note(&mut self, event: &WorkerEvent) {
        let event = match event {
            WorkerEvent::Started { job, attempt, .. } => {
                Event::Start { output: self.batch.jobs[*job].key.clone(), attempt: *attempt }
            }
            WorkerEvent::Again { record, .. } | WorkerEvent::Failed { record, .. } => {
                Event::Fail { record: record.clone() }
            }
            WorkerEvent::Done { finished, .. } => Event::Done(finished.clone()),
        };
        self.journal.say(&event);
    }

    /// What stands in the journal counts.
    fn count(&mut self, event: WorkerEvent) {
        match event {
            WorkerEvent::Started { job, attempt, threads } => {
                self.observer.started(self.batch, job, attempt, threads);
            }
            WorkerEvent::Again { job, record, pause } => self.observer.again(self.batch, job, &record, pause),
            WorkerEvent::Done { job, finished } => self.over(job, finished.record),
            WorkerEvent::Failed { job, record } => self.over(job, *record),
        }
    }

    fn over(&mut self, job: usize, record: Record) {
        self.bytes_done += self.weights[job];
        if let Some((read, written)) = self.running.remove(&job) {
            self.totals.0 += read;
            self.totals.1 += written.max(record.output_size.unwrap_or(0).min(written));
        }
        self.observer.finished(self.batch, job, &record);
        self.records[job] = Some(record);
    }

    fn snapshot(&mut self) -> ProgressSnapshot {
        let running_jobs = self.queue.running_jobs();
        let (mut read, mut written) = self.totals;
        let mut bytes_done = self.bytes_done;
        for working in &running_jobs {
            let reading = working.reading;
            read += reading.source;
            written += reading.output;
            self.running.insert(working.job, (reading.source, reading.output));
            let weight = self.weights[working.job];
            bytes_done += weight - left(weight, &reading);
        }
        let count = |state| self.records.iter().flatten().filter(|record| record.state == state).count();
        ProgressSnapshot {
            jobs: self.batch.jobs.len(),
            done: count(State::Done),
            failed: count(State::Failed),
            bytes: self.bytes,
            bytes_done,
            read,
            written,
            elapsed: self.begun.elapsed(),
            running_jobs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_minute() {
        let seconds = |attempt| pause(Duration::from_secs(1), attempt).as_secs();
        assert_eq!([seconds(1), seconds(2), seconds(3), seconds(7), seconds(100)], [1, 2, 4, 60, 60]);
    }

    #[test]
    fn folders_end_at_the_root_and_at_the_working_directory() {
        let above = |folder: &str| above(Path::new(folder)).map(|above| above.display().to_string());
        assert_eq!(above("out/sub").as_deref(), Some("out"));
        assert_eq!(above("out").as_deref(), Some("."));
        assert_eq!((above("."), above("/"), above("")), (None, None, None));
    }
}
