//! Findings of a check in the form that several outputs use.

use std::collections::BTreeMap;

use imgprep::policy::Violation;
use imgprep::{CheckedFile, Severity};

use super::hint;

/// Numbers of errors, warnings and notes of a file.
pub(crate) fn counts(file: &CheckedFile) -> [u64; 3] {
    [Severity::Error, Severity::Warning, Severity::Note].map(|wanted| {
        let kept = file.violations.iter().filter(|violation| violation.severity == wanted).count() as u64;
        kept + left_out(file).filter(|more| more.severity == wanted).map(|more| more.count).sum::<u64>()
    })
}

/// Findings of one rule that were counted but not stored.
pub(crate) struct LeftOut<'f> {
    pub(crate) rule: &'f str,
    pub(crate) severity: Severity,
    pub(crate) count: u64,
}

impl LeftOut<'_> {
    /// The message of one entry that replaces all of them.
    pub(crate) fn message(&self) -> String {
        format!("and {} more under this rule", self.count)
    }
}

/// Findings of a file that were counted but not stored, by rule and severity.
pub(crate) fn left_out(file: &CheckedFile) -> impl Iterator<Item = LeftOut<'_>> {
    file.more.iter().map(|((rule, severity), count)| LeftOut {
        rule: rule.name(),
        severity: *severity,
        count: *count,
    })
}

/// Numbers of findings that were counted but not stored, by rule.
pub(crate) fn more(file: &CheckedFile) -> BTreeMap<&str, u64> {
    let mut more = BTreeMap::new();
    left_out(file).for_each(|left_out| *more.entry(left_out.rule).or_default() += left_out.count);
    more
}

/// Fact, limit, place and remedy as one text.
pub(crate) fn message(violation: &Violation) -> String {
    let mut text = violation.fact.clone();
    if let Some(bound) = &violation.bound {
        text.push_str(&format!("; {bound}"));
    }
    match (&violation.place.file, violation.place.at) {
        (Some(file), Some(at)) => text.push_str(&format!(" (file offset {at} of {file})")),
        (Some(file), None) => text.push_str(&format!(" (in {file})")),
        (None, Some(at)) => text.push_str(&format!(" (file offset {at})")),
        (None, None) => {}
    }
    if let Some(remedy) = &violation.remedy {
        text.push_str(&format!(". Remedy: {remedy}"));
    }
    if let Some(hint) = hint::beside(violation.hint, violation.remedy.as_ref()) {
        text.push_str(&format!(". Hint: {hint}"));
    }
    text
}
