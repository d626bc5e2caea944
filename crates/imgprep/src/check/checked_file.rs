//! The result of the check of one file.

use std::collections::BTreeMap;
use std::path::Path;

use imgprep_map::{Error, Severity, StructureCounts};
use imgprep_policy::{ExportCommand, Levels, RouteVerdict, RuleId, Violation};

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// No relevant findings.
    Fine,
    /// Only leaks, or only warnings if these are denied.
    Warnings,
    /// The file could not be checked.
    Undone,
    /// Errors.
    Violations,
}

/// A file that was checked.
#[derive(Debug)]
pub struct CheckedFile {
    /// Its name.
    pub name: String,
    /// Its format, if it is known.
    pub format: Option<String>,
    /// Length of the file, in bytes.
    pub file_len: Option<u64>,
    /// Length of the disk, in bytes.
    pub size: Option<u64>,
    /// The violations, worst first.
    pub violations: Vec<Violation>,
    /// Number of further violations that are not in the list, by rule and severity.
    pub more: BTreeMap<(RuleId, Severity), u64>,
    /// The import routes of the profile, if there is one.
    pub routes: Vec<RouteVerdict>,
    /// Commands that convert an image in a format of the cloud for other platforms.
    pub exports: Vec<ExportCommand>,
    /// The numbers of the structure check.
    pub counts: StructureCounts,
    /// The error that ended the check, if it is not a violation of the image.
    pub error: Option<Error>,
}

impl CheckedFile {
    /// A file that could not be checked.
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
            exports: Vec::new(),
            counts: StructureCounts::default(),
            error: None,
        }
    }

    /// The outcome of the check.
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
