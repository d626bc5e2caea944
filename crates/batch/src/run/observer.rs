//! Events and progress of a running batch.

use std::time::Duration;

use super::queue::RunningJob;
use crate::journal::record::Record;
use crate::plan::jobs::Batch;

/// Receives the events of a batch. Every method is called on the thread that runs the batch.
pub trait BatchObserver {
    /// The run begins. `earlier` images are done already, and `damaged` lines of the journal are unreadable.
    fn begun(&mut self, _batch: &Batch, _earlier: &[&Record], _damaged: usize) {}
    /// An attempt begins.
    fn started(&mut self, _batch: &Batch, _job: usize, _attempt: u32, _threads: usize) {}
    /// An attempt failed and will be repeated.
    fn again(&mut self, _batch: &Batch, _job: usize, _record: &Record, _pause: Duration) {}
    /// A job has ended, and the journal is synced.
    fn finished(&mut self, _batch: &Batch, _job: usize, _record: &Record) {}
    /// The interrupt was raised: running jobs end, and no others start.
    fn stopping(&mut self, _batch: &Batch, _running: usize) {}
    /// Called at intervals.
    fn tick(&mut self, _batch: &Batch, _snapshot: &ProgressSnapshot) {}
}

/// Ignores all events.
impl BatchObserver for () {}

/// The progress of a batch at one moment.
#[derive(Clone, Debug)]
pub struct ProgressSnapshot {
    /// Images.
    pub jobs: usize,
    /// Images that are done, including those of earlier runs.
    pub done: usize,
    /// Images that failed.
    pub failed: usize,
    /// Bytes of the sources of this run.
    pub bytes: u64,
    /// Those of them that are done.
    pub bytes_done: u64,
    /// Bytes read.
    pub read: u64,
    /// Bytes written.
    pub written: u64,
    /// Time since the start.
    pub elapsed: Duration,
    /// The running jobs.
    pub running_jobs: Vec<RunningJob>,
}

impl ProgressSnapshot {
    /// Bytes per second, and the seconds left at that rate.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub fn rate(&self) -> (u64, u64) {
        let rate = (self.bytes_done as f64 / self.elapsed.as_secs_f64().max(0.001)) as u64;
        (rate, self.bytes.saturating_sub(self.bytes_done) / rate.max(1))
    }
}
