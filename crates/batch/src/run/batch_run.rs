//! Runs a batch: worker threads, and a coordinator thread that writes the journal and reports events.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::Scope;
use std::time::Instant;

use imgprep::{Error, Interrupt};

use super::coordinator::Coordinator;
use super::execute::JobContext;
use super::folders::{create_folder, remove_temporaries};
use super::observer::BatchObserver;
use super::queue::{Budget, Queue};
use super::worker::{Worker, WorkerEvent, blank};
use crate::BatchError;
use crate::journal::asked;
use crate::journal::record::{Record, path_text};
use crate::journal::{Asked, Event, ExistingJournal, Extents, History, Journal};
use crate::plan::jobs::{Batch, Job};
use crate::plan::{files, overlapping_batches};
use crate::report::summary::Summary;
use crate::settings::{OtherOptions, RunSettings};

/// Bytes that an image costs in addition to its own: it is opened, its tables are read, its output is published.
const OVERHEAD: u64 = 1 << 20;

/// Runs a batch until nothing is left to do or it is stopped. An error means that the batch could not run at all.
pub fn run(
    batch: &Batch,
    settings: &RunSettings<'_>,
    observer: &mut dyn BatchObserver,
) -> Result<Summary, Error> {
    let mut run = BatchRun::begin(batch, settings)?;
    run.convert(observer)?;
    run.end()
}

/// A batch with its open journal.
struct BatchRun<'a> {
    batch: &'a Batch,
    settings: &'a RunSettings<'a>,
    begun: Instant,
    journal: Journal,
    history: History,
    /// One for each job; `None` until it is over.
    records: Vec<Option<Record>>,
    /// Bytes that each job costs.
    weights: Vec<u64>,
}

impl<'a> BatchRun<'a> {
    /// Opens the journal and writes into it what the batch will do.
    fn begin(batch: &'a Batch, settings: &'a RunSettings<'a>) -> Result<Self, Error> {
        let begun = Instant::now();
        files::of(batch, settings.existing_journal).check()?;
        create_folder(&batch.out)?;
        // Before the journal is created, and again once other batches can see what this one does.
        overlapping_batches::check(batch)?;
        let (mut journal, history) = Journal::open(&batch.out, settings.existing_journal)?;
        if settings.other_options == OtherOptions::Refuse {
            asked::check(batch, &history)?;
        }
        let records: Vec<Option<Record>> =
            batch.jobs.iter().map(|job| earlier(job, &history, settings.interrupt)).collect();
        announce(batch, &records, &history, &mut journal)?;
        if let Err(error) = overlapping_batches::check(batch) {
            journal.take_back();
            return Err(error);
        }
        if settings.existing_journal != ExistingJournal::Refuse {
            remove_temporaries(batch);
        }
        let weights = batch.jobs.iter().map(|job| job.weight.saturating_add(OVERHEAD)).collect();
        Ok(Self { batch, settings, begun, journal, history, records, weights })
    }

    /// Numbers of the jobs that are not done.
    fn pending(&self) -> impl Iterator<Item = usize> {
        (0..self.records.len()).filter(|job| self.records[*job].is_none())
    }

    /// Runs the jobs that are not done.
    fn convert(&mut self, observer: &mut dyn BatchObserver) -> Result<(), Error> {
        let settings = self.settings;
        let budget = Budget::new(settings.threads.get(), settings.memory, settings.files);
        let queue = Queue::new(budget, self.weights.clone(), self.pending());
        if settings.interrupt.is_raised() {
            // No job starts: the journal would record a new attempt.
            queue.stop();
        }
        let earlier: Vec<_> = self.records.iter().flatten().collect();
        observer.begun(self.batch, &earlier, self.history.damaged);
        let context = JobContext {
            batch: self.batch,
            queue: &queue,
            rules: settings.rules,
            interrupt: settings.interrupt,
            sync: settings.sync,
            cache: settings.cache,
            unix_time: settings.unix_time,
            folders: Mutex::new(()),
        };
        let bytes = self.pending().map(|job| self.weights[job]).sum();
        let (replies, inbox) = mpsc::channel();
        let (context, history) = (&context, &self.history);
        let worker = |replies: &Sender<_>| Worker { context, settings, history, replies: replies.clone() };
        std::thread::scope(|scope| {
            let threads = budget.threads.min(self.batch.jobs.len());
            let started = start((0..threads).map(|_| worker(&replies)), scope);
            drop(replies);
            let coordinated = started.and_then(|()| {
                let coordinator = Coordinator {
                    batch: self.batch,
                    settings,
                    queue: &queue,
                    weights: &self.weights,
                    journal: &mut self.journal,
                    observer,
                    records: &mut self.records,
                    begun: self.begun,
                    bytes,
                    bytes_done: 0,
                    totals: (0, 0),
                    running: HashMap::new(),
                    is_stopping: false,
                };
                coordinate(coordinator, &inbox)
            });
            // Also after an error: the workers must end.
            queue.stop();
            coordinated
        })
    }

    /// Ends the journal and summarizes the results.
    fn end(mut self) -> Result<Summary, Error> {
        let records = self.batch.jobs.iter().zip(self.records);
        let records = records.map(|(job, record)| record.unwrap_or_else(|| blank(job))).collect();
        let summary = Summary::new(self.batch, records, self.begun.elapsed());
        self.journal.end(summary.done(), summary.failed())?;
        Ok(summary)
    }
}

/// Starts a thread for each worker, or as many as the system provides; without any, that is an error.
fn start<'scope, 'env>(
    workers: impl Iterator<Item = Worker<'env>>,
    scope: &'scope Scope<'scope, 'env>,
) -> Result<(), Error> {
    for (index, worker) in workers.enumerate() {
        match std::thread::Builder::new().spawn_scoped(scope, move || worker.work()) {
            Ok(_) => {}
            // The threads that run do all of the work.
            Err(_) if index > 0 => break,
            Err(error) => return Err(BatchError::Threads { reason: error.to_string() }.into()),
        }
    }
    Ok(())
}

/// Handles the events of the workers until they are done. If the journal cannot be written, running jobs are interrupted.
fn coordinate(mut coordinator: Coordinator<'_>, inbox: &Receiver<WorkerEvent>) -> Result<(), Error> {
    let interrupt = coordinator.settings.interrupt;
    let coordinated = coordinator.keep(inbox);
    if coordinated.is_err() {
        interrupt.raise();
    }
    coordinated
}

/// The record of an earlier run, if nothing changed since. Outputs are read for that. After an interrupt no more are read;
/// in the journal their jobs stay done.
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
    let pending =
        || batch.jobs.iter().zip(records).filter(|(_, record)| record.is_none()).map(|(job, _)| job);
    journal.reserve(pending().count(), pending().map(|job| job.extents().len()).sum());
    journal.begin(batch.jobs.len());
    for (job, record) in batch.jobs.iter().zip(records) {
        let asked = Asked::of(job);
        let is_known = || {
            let is_asked = history.asked_of(&job.key) == Some(&asked);
            is_asked && history.is_ours(&job.key) && history.is_announced(job)
        };
        if record.is_none() && !is_known() {
            let foreign = job.output.symlink_metadata().is_ok();
            let (output, source) = (job.key.clone(), path_text(&job.source));
            let extents = Extents::of(job);
            journal.say(&Event::Job { output, source, foreign, asked: Some(asked), extents });
        }
    }
    journal.commit()
}
