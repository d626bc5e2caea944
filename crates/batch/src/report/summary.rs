//! The results of a batch.

use std::time::Duration;

use crate::journal::record::{Record, State, path_text};
use crate::plan::jobs::Batch;

/// The results of a batch.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The output folder.
    pub out: String,
    /// One record for each image, in the order of the batch.
    pub records: Vec<Record>,
    /// Files that were not considered images.
    pub left_out: Vec<String>,
    /// Duration of this run.
    pub elapsed: Duration,
}

impl Summary {
    pub(crate) fn new(batch: &Batch, records: Vec<Record>, elapsed: Duration) -> Self {
        let left_out = batch.left_out.iter().map(|path| path_text(path)).collect();
        Self { out: path_text(&batch.out), records, left_out, elapsed }
    }

    fn count(&self, state: State) -> usize {
        self.records.iter().filter(|record| record.state == state).count()
    }

    /// Images that are done, by this run or an earlier one.
    pub fn done(&self) -> usize {
        self.count(State::Done)
    }

    /// Images that were done by an earlier run.
    pub fn earlier(&self) -> usize {
        self.records.iter().filter(|record| record.earlier).count()
    }

    /// Images that failed.
    pub fn failed(&self) -> usize {
        self.count(State::Failed)
    }

    /// Images that were not started or were stopped.
    pub fn stopped(&self) -> usize {
        self.count(State::Stopped)
    }

    /// Images that are done and judged not importable.
    pub fn rejected(&self) -> usize {
        let is_rejected =
            |record: &&Record| record.state == State::Done && record.verdict.importable == Some(false);
        self.records.iter().filter(is_rejected).count()
    }

    /// Whether every image is done and none is rejected.
    pub fn is_fine(&self) -> bool {
        !self.records.iter().any(Record::needs_attention)
    }

    /// Bytes of all sources and outputs of images that are done.
    pub fn sizes(&self) -> (u64, u64) {
        let done = self.records.iter().filter(|record| record.state == State::Done);
        done.fold((0, 0), |(sources, outputs), record| {
            (sources + record.source_size.unwrap_or(0), outputs + record.output_size.unwrap_or(0))
        })
    }
}
