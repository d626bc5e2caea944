//! Events and progress of a running batch.

use std::time::Duration;

use super::queue::RunningJob;
use crate::journal::record::Record;
use crate::plan::jobs::Batch;

/// Receives the events of a batch. Every method is called on the thread that runs the batch.
pub trait BatchObserver {
    /// The work begins; `earlier` images are done already, `damaged` lines of the journal do not say what was written.
    fn begun(&mut self, _batch: &Batch, _earlier: &[&Record], _damaged: usize) {}
    /// An attempt at a job begins.
    fn started(&mut self, _batch: &Batch, _job: usize, _attempt: u32, _threads: usize) {}
    /// An attempt failed and is made again.
    fn again(&mut self, _batch: &Batch, _job: usize, _record: &Record, _pause: Duration) {}
    /// A job is over, and that is on the disk.
    fn finished(&mut self, _batch: &Batch, _job: usize, _record: &Record) {}
    /// The interrupt was raised: what is at work comes to an end, nothing else begins.
    fn stopping(&mut self, _batch: &Batch, _running: usize) {}
    /// A moment later.
    fn tick(&mut self, _batch: &Batch, _snapshot: &ProgressSnapshot) {}
}

/// Ignores everything.
impl BatchObserver for () {}

/// The progress of a batch at one moment.
#[derive(Clone, Debug)]
pub struct ProgressSnapshot {
    /// Images, and how many of them are over.
    pub jobs: usize,
    /// Done, earlier ones included.
    pub done: usize,
    /// Failed.
    pub failed: usize,
    /// Bytes of source to be read through, and how many of them are over.
    pub bytes: u64,
    /// Of those, over.
    pub bytes_done: u64,
    /// Bytes read and written by this run.
    pub read: u64,
    /// Bytes written.
    pub written: u64,
    /// Since it began.
    pub elapsed: Duration,
    /// What is at work.
    pub running_jobs: Vec<RunningJob>,
}

impl ProgressSnapshot {
    /// Bytes in a second, and seconds left at that rate.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub fn rate(&self) -> (u64, u64) {
        let rate = (self.bytes_done as f64 / self.elapsed.as_secs_f64().max(0.001)) as u64;
        (rate, self.bytes.saturating_sub(self.bytes_done) / rate.max(1))
    }
}
