//! Settings of a run.

use std::num::NonZeroUsize;
use std::time::Duration;

use imgprep::{CacheMode, Interrupt, Sync};

use crate::journal::ExistingJournal;
use crate::plan::job_spec::ImportRules;

/// Settings of a run.
#[derive(Clone, Copy)]
pub struct RunSettings<'a> {
    /// Threads of all jobs together.
    pub threads: NonZeroUsize,
    /// Memory of all jobs together.
    pub memory: u64,
    /// Files that all jobs together may have open.
    pub files: u64,
    /// Maximum number of retries of an image after an I/O error.
    pub retries: u32,
    /// The pause before the first retry. It doubles with each retry, up to a minute.
    pub pause: Duration,
    /// Whether a failure stops the batch.
    pub on_failure: OnFailure,
    /// How an existing journal in the output folder is handled.
    pub existing_journal: ExistingJournal,
    /// How options are handled that differ from those of the batch that is resumed.
    pub other_options: OtherOptions,
    /// Whether outputs are synced.
    pub sync: Sync,
    /// Whether outputs are written through the page cache.
    pub cache: CacheMode,
    /// The timestamp of the outputs, in seconds since 1970.
    pub unix_time: u64,
    /// Raised to stop the run.
    pub interrupt: &'a Interrupt,
    /// The import rules that outputs are checked against.
    pub rules: &'a dyn ImportRules,
}

/// How options are handled that differ from those of the batch that is resumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OtherOptions {
    /// The batch is rejected.
    #[default]
    Refuse,
    /// Images whose options differ are converted again.
    Accept,
}

/// How a failure affects the images that have not been started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// They are converted.
    #[default]
    GoOn,
    /// They are not started. Running jobs are finished.
    Stop,
}
