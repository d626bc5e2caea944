//! Conversion of many images: which ones, into what, in which order, and the results.
//!
//! A [`Batch`] is assembled from a folder ([`search`]), a [`Manifest`] or a list. [`plan`] reports what it would
//! do, [`run`] does it. All jobs share one budget of threads and memory (`run`), a journal in the output folder lets a
//! batch continue after a kill (`journal`), and [`report`] describes the results. [`ImportRules`] decide whether
//! an image can be imported.
//!
//! Nothing here prints or reads the environment.

mod codes;
mod error;
mod journal;
mod plan;
pub mod report;
mod run;
mod settings;
#[cfg(test)]
mod tests;

pub use codes::CODES;
pub use error::BatchError;
pub use journal::record::{Failure, Lost, Note, Record, State};
pub use journal::{ExistingJournal, JOURNAL_NAME};
pub use plan::batch_plan::{BatchPlan, Intent, Planned, plan};
pub use plan::files;
pub use plan::job_spec::{ImportRules, JobSpec, Reason, Subject, Verdict};
pub use plan::jobs::{Batch, Found, Job, assemble};
pub use plan::manifest::{Defaults, EXAMPLE, Manifest};
pub use plan::search::{Search, Searched, search};
pub use plan::template::Template;
pub use report::summary::Summary;
pub use run::batch_run::run;
pub use run::observer::{BatchObserver, ProgressSnapshot};
pub use run::queue::RunningJob;
pub use settings::{OnFailure, OtherOptions, RunSettings};
