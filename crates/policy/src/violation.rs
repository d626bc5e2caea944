//! One finding of a check, with its source and remedy.

use std::ops::Range;

use imgprep_map::{Code, Hint, Remedy, Severity};

use crate::Rule;

/// A rule that a file breaks, or a fact that the rule reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: &'static Rule,
    /// The severity in this check.
    pub severity: Severity,
    /// The finding.
    pub fact: String,
    /// The limit or expectation.
    pub bound: Option<String>,
    /// The document that defines the rule.
    pub source: Option<String>,
    /// What to do: a command to paste where there is one.
    pub remedy: Option<Remedy>,
    /// The option that would change the result, where there is one.
    pub hint: Option<Hint>,
    /// The location.
    pub place: Place,
    /// The import route to which it applies; `None` for all.
    pub route: Option<String>,
}

/// The location of a finding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The code of the error or finding.
    pub code: Option<&'static Code>,
    /// The file, if it is not the checked one.
    pub file: Option<String>,
    /// File offset.
    pub at: Option<u64>,
    /// The affected range of the disk.
    pub disk: Option<Range<u64>>,
    /// Whether the finding is about the contents of the disk, not the structure of the image: a conversion keeps them.
    pub is_on_disk: bool,
}

impl Violation {
    /// A violation with the severity and the source of its rule.
    pub fn new(rule: &'static Rule, fact: impl Into<String>) -> Self {
        let source = (!rule.source.is_empty()).then(|| rule.source.into());
        Self {
            rule,
            severity: rule.severity,
            fact: fact.into(),
            bound: None,
            source,
            remedy: None,
            hint: None,
            place: Place::default(),
            route: None,
        }
    }

    /// The same at this severity.
    #[must_use]
    pub fn with_severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    /// The same with its bound.
    #[must_use]
    pub fn with_bound(self, bound: impl Into<String>) -> Self {
        Self { bound: Some(bound.into()), ..self }
    }

    /// The same at this place.
    #[must_use]
    pub fn at(self, place: Place) -> Self {
        Self { place, ..self }
    }
}
