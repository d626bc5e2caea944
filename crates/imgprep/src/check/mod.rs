//! One file under all rules: what it says, what it hides, whether it can be imported.
//!
//! Nothing here prints and nothing stops at the first finding. Only the file itself is
//! opened (unless the follow policy says otherwise), and beside a RAW its bitmap is looked at.

mod conversion;
mod inside;
mod job;
mod structure;

use std::collections::BTreeMap;
use std::path::Path;

use imgprep_engine::{BitmapShape, Options, each};
use imgprep_map::{Error, Severity, StructureCounts};
use imgprep_open::OpenOptions;
use imgprep_policy::{CheckIntent, Levels, Profile, RouteVerdict, RuleId, Violation};

use job::Job;

/// How far a check goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// Headers and tables.
    #[default]
    Tables,
    /// Every compressed payload is decompressed, too.
    Payloads,
}

/// What is checked.
#[derive(Clone)]
pub struct CheckOptions {
    /// How the file is opened. With [`FollowPolicy::None`](crate::FollowPolicy::None) no other file is.
    pub open: OpenOptions,
    /// The rules of an import.
    pub profile: Option<Profile>,
    /// The intended use of the image; its levels apply to all rules.
    pub intent: CheckIntent,
    /// How far it goes.
    pub depth: Depth,
    /// The layout of the bitmap next to a RAW, if it is compared with the disk.
    pub bitmap: Option<BitmapShape>,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Nothing that matters.
    Fine,
    /// Only leaks, or only warnings where these are denied.
    Warnings,
    /// It could not be done.
    Undone,
    /// Errors.
    Violations,
}

/// A file that was checked.
#[derive(Debug)]
pub struct CheckedFile {
    /// Its name.
    pub name: String,
    /// Its format, where that is known.
    pub format: Option<String>,
    /// Length of the file, in bytes.
    pub file_len: Option<u64>,
    /// Length of the disk, in bytes.
    pub size: Option<u64>,
    /// What was found, worst first.
    pub violations: Vec<Violation>,
    /// By rule and severity: findings beyond those that are kept.
    pub more: BTreeMap<(RuleId, Severity), u64>,
    /// Ways in, where a profile was asked.
    pub routes: Vec<RouteVerdict>,
    /// The numbers of the structure check.
    pub counts: StructureCounts,
    /// Why it could not be checked to the end, if that was not the image's fault.
    pub error: Option<Error>,
}

impl CheckedFile {
    /// A name under which nothing could be checked.
    pub fn undone(path: &Path, error: Error) -> Self {
        Self { error: Some(error), ..Self::new(path) }
    }

    fn new(path: &Path) -> Self {
        Self {
            name: path.display().to_string(),
            format: None,
            file_len: None,
            size: None,
            violations: Vec::new(),
            more: BTreeMap::new(),
            routes: Vec::new(),
            counts: StructureCounts::default(),
            error: None,
        }
    }

    /// How the check ended.
    pub fn outcome(&self, levels: &Levels) -> Outcome {
        let has = |severity| self.violations.iter().any(|violation| violation.severity == severity);
        let has_leaks = self.violations.iter().any(|violation| violation.rule.id == RuleId::StructureLeak);
        match () {
            () if has(Severity::Error) => Outcome::Violations,
            () if self.error.is_some() => Outcome::Undone,
            () if has_leaks || (levels.deny_warnings && has(Severity::Warning)) => Outcome::Warnings,
            () => Outcome::Fine,
        }
    }
}

/// Checks many files at once, each on one thread; `done` is called in their order.
pub fn each_file<F: AsRef<Path> + Send>(
    files: Vec<F>,
    options: &CheckOptions,
    run: &Options<'_>,
    done: impl FnMut(CheckedFile) -> Result<(), Error>,
) -> Result<(), Error> {
    if files.len() <= 1 {
        return files.iter().map(|file| check(file.as_ref(), options, run)).try_for_each(done);
    }
    let (threads, interrupt) = (run.threads, run.interrupt);
    let memory = run.memory / threads.get() as u64;
    each(
        threads,
        interrupt,
        files,
        |file| {
            let progress = imgprep_engine::Progress::default();
            let alone = Options {
                threads: std::num::NonZeroUsize::MIN,
                memory,
                on_loss: imgprep_engine::OnLoss::Stop,
                interrupt,
                progress: &progress,
                observe: &|_| {},
            };
            check(file.as_ref(), options, &alone)
        },
        done,
    )
}

/// Checks one file.
pub fn check(path: &Path, options: &CheckOptions, run: &Options<'_>) -> CheckedFile {
    let mut job = Job::new(path, options, run);
    if let Err(error) = job.run() {
        job.error(error);
    }
    job.finish()
}
