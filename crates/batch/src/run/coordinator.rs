//! The thread that writes the journal and reports events.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use imgprep::Error;

use super::observer::{BatchObserver, ProgressSnapshot};
use super::queue::{Queue, left};
use super::worker::WorkerEvent;
use crate::journal::record::{Record, State};
use crate::journal::{Event, Journal};
use crate::plan::jobs::Batch;
use crate::settings::RunSettings;

/// Time between two checks of the interrupt and the progress.
const TICK: Duration = Duration::from_millis(100);

/// Passes the events of all workers to the journal, the records and the observer.
pub(super) struct Coordinator<'a> {
    pub(super) batch: &'a Batch,
    pub(super) settings: &'a RunSettings<'a>,
    pub(super) queue: &'a Queue,
    pub(super) weights: &'a [u64],
    pub(super) journal: &'a mut Journal,
    pub(super) observer: &'a mut dyn BatchObserver,
    pub(super) records: &'a mut Vec<Option<Record>>,
    pub(super) begun: Instant,
    pub(super) bytes: u64,
    pub(super) bytes_done: u64,
    /// Bytes that finished jobs have read and written.
    pub(super) totals: (u64, u64),
    pub(super) running: HashMap<usize, (u64, u64)>,
    pub(super) is_stopping: bool,
}

impl Coordinator<'_> {
    /// Handles events until all workers are done. Events that arrive together are synced together, and then reported.
    pub(super) fn keep(&mut self, inbox: &Receiver<WorkerEvent>) -> Result<(), Error> {
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

    /// Reports an event that is in the journal.
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
