//! How a batch is run.

use std::num::NonZeroUsize;
use std::time::Duration;

use imgprep::{Interrupt, Sync};

use crate::journal::ExistingJournal;
use crate::plan::job_spec::ImportRules;

/// How a batch is run.
#[derive(Clone, Copy)]
pub struct RunSettings<'a> {
    /// Threads of all jobs together.
    pub threads: NonZeroUsize,
    /// Memory of all jobs together.
    pub memory: u64,
    /// Files that all jobs together may have open.
    pub files: u64,
    /// How often an image is tried again after an error of the system.
    pub retries: u32,
    /// The first pause before that; every other one is twice as long, up to a minute.
    pub pause: Duration,
    /// Whether the first failure is the last.
    pub on_failure: OnFailure,
    /// How an existing journal in the output folder is handled.
    pub existing_journal: ExistingJournal,
    /// What is done about options that differ from the earlier batch's, when it is resumed.
    pub other_options: OtherOptions,
    /// Whether outputs are synced.
    pub sync: Sync,
    /// The outputs' time stamp, in seconds since 1970.
    pub unix_time: u64,
    /// Raised to stop.
    pub interrupt: &'a Interrupt,
    /// The import rules that judge.
    pub rules: &'a dyn ImportRules,
}

/// What is done when a batch is resumed with other options than it was started with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OtherOptions {
    /// The batch does not run.
    #[default]
    Refuse,
    /// Images whose options differ are converted again.
    Accept,
}

/// What a failure does to the images that have not begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// Nothing.
    #[default]
    GoOn,
    /// They are not begun. What is at work is finished.
    Stop,
}
