//! Runs a batch: worker threads, and a coordinator thread that writes the journal and reports events.

use std::collections::HashMap;
use std::sync::{Mutex, mpsc};
use std::time::Instant;

use imgprep::{Error, Interrupt};

use super::coordinator::Coordinator;
use super::execute::JobContext;
use super::folders::{create_folder, remove_temporaries};
use super::observer::BatchObserver;
use super::queue::{Budget, Queue};
use super::worker::{Worker, blank};
use crate::BatchError;
use crate::journal::asked;
use crate::journal::record::{Record, path_text};
use crate::journal::{Asked, Event, ExistingJournal, History, Journal};
use crate::plan::jobs::{Batch, Job};
use crate::plan::{files, overlapping_batches};
use crate::report::summary::Summary;
use crate::settings::{OtherOptions, RunSettings};

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
