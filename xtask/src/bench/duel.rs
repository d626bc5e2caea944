//! Jobs that are compared with each other.

use super::job::Job;

/// Jobs that are run in turns and compared: the first is held against the best of the others.
pub(crate) struct Duel {
    pub(super) jobs: Vec<Job>,
    /// The target ratio.
    pub(super) at_most: Option<f64>,
    /// Threads of the first, where the other has one.
    pub(super) threads: Option<usize>,
    /// The jobs from this one on are limits of the machine and no rivals.
    pub(super) limits_from: usize,
    /// Whether the slowest of the others counts: each of them is a part of the work.
    pub(super) is_against_slowest: bool,
    /// Bytes of data on its disk, if that is not the one of the other duels.
    pub(super) data: Option<u64>,
}

impl Duel {
    pub(super) fn of(jobs: Vec<Job>) -> Self {
        Self {
            jobs,
            at_most: None,
            threads: None,
            limits_from: usize::MAX,
            is_against_slowest: false,
            data: None,
        }
    }

    pub(super) fn on_threads(self, threads: usize) -> Self {
        Self { threads: Some(threads), ..self }
    }

    pub(super) fn limits_from(self, index: usize) -> Self {
        Self { limits_from: index, ..self }
    }

    pub(super) fn against_slowest(self) -> Self {
        Self { is_against_slowest: true, ..self }
    }

    pub(super) fn with_data(self, bytes: u64) -> Self {
        Self { data: Some(bytes), ..self }
    }

    pub(super) fn at_most(self, ratio: f64) -> Self {
        Self { at_most: Some(ratio), ..self }
    }
}
