//! One finding of a check, with all that a person needs to act on it.

use std::ops::Range;

use imgprep_map::Severity;

use crate::Rule;

/// A rule that a file breaks, or a fact that the rule reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: &'static Rule,
    /// How much it matters here.
    pub severity: Severity,
    /// What was found.
    pub fact: String,
    /// What it may be.
    pub bound: Option<String>,
    /// The document that says so.
    pub source: Option<String>,
    /// What to do: a command to paste where there is one.
    pub remedy: Option<String>,
    /// Where it is.
    pub place: Place,
    /// The route of an import that it is about; `None` for all.
    pub route: Option<String>,
}

/// Where something was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The parser's own code for it: `qcow2.l2.past-end`.
    pub code: Option<&'static str>,
    /// The file, where it is not the one that is checked.
    pub file: Option<String>,
    /// File offset.
    pub at: Option<u64>,
    /// Bytes of the disk that are hit.
    pub disk: Option<Range<u64>>,
}

impl Violation {
    /// With the rule's own severity and source, and nothing else but the fact.
    pub fn new(rule: &'static Rule, fact: impl Into<String>) -> Self {
        let source = (!rule.source.is_empty()).then(|| rule.source.into());
        Self {
            rule,
            severity: rule.severity,
            fact: fact.into(),
            bound: None,
            source,
            remedy: None,
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
