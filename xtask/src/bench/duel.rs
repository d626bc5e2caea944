//! Jobs that are compared with each other.

use super::job::Job;

/// Jobs that are run in turns and compared: the first is held against the best of the others.
pub(crate) struct Duel {
    pub(super) jobs: Vec<Job>,
    /// The target ratio.
    pub(super) at_most: Option<f64>,
    /// Threads of the first, where the other has one.
    pub(super) threads: Option<usize>,
}

impl Duel {
    pub(super) fn of(jobs: Vec<Job>) -> Self {
        Self { jobs, at_most: None, threads: None }
    }

    pub(super) fn on_threads(self, threads: usize) -> Self {
        Self { threads: Some(threads), ..self }
    }

    pub(super) fn at_most(self, ratio: f64) -> Self {
        Self { at_most: Some(ratio), ..self }
    }
}
