//! Many images: which ones, what each becomes, in which order, and what came of it.
//!
//! A [`Batch`] is assembled from a folder ([`search`]), a [`Manifest`] or a list; [`plan`] reports what it would
//! do, [`run`] does it. One budget holds for all jobs together (`queue`), a journal in the output folder lets a
//! batch continue after a kill (`journal`), and [`report`] describes the results. Whether
//! an image can be imported is the word of [`ImportRules`].
//!
//! Nothing here prints or reads the environment.

mod allocation_bar;
mod asked;
mod codes;
mod error;
mod execute;
pub mod files;
mod fingerprint;
mod job_spec;
mod jobs;
mod journal;
mod manifest;
mod observer;
mod overlapping_batches;
mod plan;
mod queue;
mod record;
pub mod report;
mod run;
mod share;
mod summary;
mod template;
#[cfg(test)]
mod tests;

pub use codes::CODES;
pub use error::BatchError;
pub use job_spec::{ImportRules, JobSpec, Reason, Subject, Verdict};
pub use jobs::{Batch, Found, Job, Search, Searched, assemble, search};
pub use journal::{ExistingJournal, JOURNAL_NAME};
pub use manifest::{Defaults, EXAMPLE, Manifest};
pub use observer::{BatchObserver, ProgressSnapshot};
pub use plan::{BatchPlan, Intent, Planned, plan};
pub use queue::RunningJob;
pub use record::{Failure, Lost, Note, Record, State};
pub use run::{OnFailure, OtherOptions, RunSettings, run};
pub use summary::Summary;
pub use template::Template;
