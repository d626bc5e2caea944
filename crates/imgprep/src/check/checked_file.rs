//! What a check found in one file.

use std::collections::BTreeMap;
use std::path::Path;

use imgprep_map::{Error, Severity, StructureCounts};
use imgprep_policy::{Levels, RouteVerdict, Violation};

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
    pub more: BTreeMap<(&'static str, Severity), u64>,
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

    pub(super) fn new(path: &Path) -> Self {
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
        let has_leaks = self.violations.iter().any(|violation| violation.rule.id == "structure/leak");
        match () {
            () if has(Severity::Error) => Outcome::Violations,
            () if self.error.is_some() => Outcome::Undone,
            () if has_leaks || (levels.deny_warnings && has(Severity::Warning)) => Outcome::Warnings,
            () => Outcome::Fine,
        }
    }
}
