//! Findings and counts of a check.

use alloc::format;
use alloc::string::String;
use core::ops::ControlFlow;

use imgprep_map::{Code, Finding, Severity, StructureCounts};

pub(crate) type Found<'f> = &'f mut dyn FnMut(Finding) -> ControlFlow<()>;

/// Receiver of the results of a check.
pub(crate) struct Report<'f> {
    pub(crate) counts: StructureCounts,
    found: Found<'f>,
    /// Whether to report findings that are reported once, not in every pass.
    pub(crate) is_first_pass: bool,
    pub(crate) is_over: bool,
}

impl<'f> Report<'f> {
    pub(crate) fn new(found: Found<'f>) -> Self {
        Self { counts: StructureCounts::default(), found, is_first_pass: true, is_over: false }
    }

    /// Adds `count` corruptions of one kind, unless an earlier pass added them.
    pub(crate) fn corrupt(&mut self, code: &'static Code, at: u64, count: u64, message: String) {
        if self.is_first_pass {
            self.counts.corruptions = self.counts.corruptions.saturating_add(count);
            self.add(code, Severity::Error, Some(at), message);
        }
    }

    pub(crate) fn add(&mut self, code: &'static Code, severity: Severity, at: Option<u64>, message: String) {
        if !self.is_over {
            self.is_over = (self.found)(Finding { code, severity, at, message }).is_break();
        }
    }
}

/// `clusters 3 to 7` or `cluster 3`.
pub(crate) fn clusters(first: u64, count: u64) -> String {
    if count == 1 { format!("cluster {first}") } else { format!("clusters {first} to {}", first + count - 1) }
}
