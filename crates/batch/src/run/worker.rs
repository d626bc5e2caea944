//! A thread that runs jobs.

use std::path::Path;
use std::sync::PoisonError;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use imgprep::{EngineError, Error, Existing};

use super::execute::JobContext;
use super::folders::create_folder;
use super::queue::Task;
use crate::journal::record::{Failure, Record, State, path_text};
use crate::journal::{ExistingJournal, Finished, History};
use crate::plan::jobs::Job;
use crate::settings::{OnFailure, RunSettings};

/// The longest pause before a retry.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The record of a job that has not been opened yet.
pub(super) fn blank(job: &Job) -> Record {
    Record {
        source: path_text(&job.source),
        output: job.key.clone(),
        target: job.target.name().into(),
        ..Record::default()
    }
}

/// Events that workers send to the coordinator.
pub(super) enum WorkerEvent {
    Started { job: usize, attempt: u32, threads: usize },
    Again { job: usize, record: Box<Record>, pause: Duration },
    Done { job: usize, finished: Box<Finished> },
    Failed { job: usize, record: Box<Record> },
}

pub(super) struct Worker<'a> {
    pub(super) context: &'a JobContext<'a>,
    pub(super) settings: &'a RunSettings<'a>,
    pub(super) history: &'a History,
    pub(super) replies: Sender<WorkerEvent>,
}

impl Worker<'_> {
    /// Runs jobs until there are no more.
    pub(super) fn work(&self) {
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

    /// Creates folders one at a time, so that an existing folder has been synced by its creator.
    fn create_folder(&self, folder: &Path) -> Result<(), Error> {
        let _one = self.context.folders.lock().unwrap_or_else(PoisonError::into_inner);
        create_folder(folder)
    }

    fn existing(&self, job: &Job) -> Existing {
        let is_ours =
            self.settings.existing_journal == ExistingJournal::Replace || self.history.may_replace(job);
        if is_ours { Existing::Replace } else { Existing::Refuse }
    }

    fn failed(&self, task: &Task, mut record: Record, error: &Error) {
        let queue = self.context.queue;
        if matches!(error.detail(), Some(EngineError::Memory { .. })) && !task.is_alone {
            return queue.again_alone(task.job);
        }
        record.error = Some(Failure::of(error));
        let is_stopped = self.settings.interrupt.is_raised();
        record.state = if is_stopped { State::Stopped } else { State::Failed };
        if !is_stopped && task.attempt <= self.settings.retries && error.is_transient() {
            let pause = pause(self.settings.pause, task.attempt);
            queue.again(task.job, pause);
            return self.send(WorkerEvent::Again { job: task.job, record: Box::new(record), pause });
        }
        // Before another worker can start the next job.
        if self.settings.on_failure == OnFailure::Stop {
            queue.stop();
        }
        queue.end(task.job);
        self.send(WorkerEvent::Failed { job: task.job, record: Box::new(record) });
    }

    fn send(&self, event: WorkerEvent) {
        // The coordinator ends early only if the journal cannot be written: then the event is not needed.
        let _ = self.replies.send(event);
    }
}

/// The pause before a retry, which doubles with every attempt.
fn pause(first: Duration, attempt: u32) -> Duration {
    first.saturating_mul(1 << (attempt - 1).min(16)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_minute() {
        let seconds = |attempt| pause(Duration::from_secs(1), attempt).as_secs();
        assert_eq!([seconds(1), seconds(2), seconds(3), seconds(7), seconds(100)], [1, 2, 4, 60, 60]);
    }
}
