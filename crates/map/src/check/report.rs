//! Findings of a structure check: listed, counted and bounded per code.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::ControlFlow;

use crate::{Code, Finding, Severity, StructureCounts};

/// Maximum number of listed findings per code; one more finding states the number of the others.
const LISTED: u64 = 64;

/// Collects the findings and counts of a structure check.
pub struct Report<'f> {
    /// The counts so far.
    pub counts: StructureCounts,
    found: &'f mut dyn FnMut(Finding) -> ControlFlow<()>,
    tallies: Vec<CodeTally>,
    is_over: bool,
}

/// A code and the number of its findings.
struct CodeTally {
    code: &'static Code,
    count: u64,
    /// The first finding that was only counted.
    rest: Option<(Severity, u64)>,
}

impl<'f> Report<'f> {
    /// An empty report.
    pub fn new(found: &'f mut dyn FnMut(Finding) -> ControlFlow<()>) -> Self {
        Self { counts: StructureCounts::default(), found, tallies: Vec::new(), is_over: false }
    }

    /// Whether the caller ended the check.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Part of the disk is damaged: `count` corruptions of one kind.
    pub fn error(&mut self, code: &'static Code, at: u64, count: u64, message: String) {
        self.counts.corruptions = self.counts.corruptions.saturating_add(count);
        self.add(code, Severity::Error, at, message);
    }

    /// A contradiction that does not prevent reading.
    pub fn warning(&mut self, code: &'static Code, at: u64, message: String) {
        self.add(code, Severity::Warning, at, message);
    }

    /// For information.
    pub fn note(&mut self, code: &'static Code, at: u64, message: String) {
        self.add(code, Severity::Note, at, message);
    }

    /// Adds a finding; from the 65th of its code on, it is only counted.
    pub fn add(&mut self, code: &'static Code, severity: Severity, at: u64, message: String) {
        self.add_with(code, severity, at, || message);
    }

    /// The same for findings that may be numerous: a counted finding needs no message.
    pub fn add_with(
        &mut self,
        code: &'static Code,
        severity: Severity,
        at: u64,
        message: impl FnOnce() -> String,
    ) {
        let index = self.tallies.iter().position(|tally| tally.code == code).unwrap_or_else(|| {
            self.tallies.push(CodeTally { code, count: 0, rest: None });
            self.tallies.len() - 1
        });
        // OK: found or pushed just now.
        let tally = &mut self.tallies[index];
        tally.count += 1;
        if tally.count > LISTED {
            tally.rest.get_or_insert((severity, at));
        } else {
            self.send(Finding { code, severity, at: Some(at), message: message() });
        }
    }

    /// Reports the number of unlisted findings, and returns the counts.
    pub fn finish(mut self) -> StructureCounts {
        for CodeTally { code, count, rest } in core::mem::take(&mut self.tallies) {
            if let Some((severity, at)) = rest {
                let message = format!("{} more of the same, starting here", count - LISTED);
                self.send(Finding { code, severity, at: Some(at), message });
            }
        }
        self.counts
    }

    fn send(&mut self, finding: Finding) {
        if !self.is_over {
            self.is_over = (self.found)(finding).is_break();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &Code = &Code::finding("x.check.a", "structure/note", "");
    const B: &Code = &Code::finding("x.check.b", "structure/note", "");

    #[test]
    fn findings_beyond_the_limit_are_counted() {
        let mut found = Vec::new();
        let mut take = |finding: Finding| {
            found.push((finding.code.id, finding.at, finding.severity));
            ControlFlow::Continue(())
        };
        let mut report = Report::new(&mut take);
        for at in 0..100 {
            report.error(A, at, 2, String::new());
        }
        report.note(B, 7, String::new());
        assert_eq!(report.finish().corruptions, 200);
        assert_eq!(found.len(), 66);
        assert_eq!(found[64], ("x.check.b", Some(7), Severity::Note));
        assert_eq!(found[65], ("x.check.a", Some(64), Severity::Error));
    }

    #[test]
    fn counted_findings_get_no_message() {
        let (mut found, mut made) = (0, 0);
        let mut take = |_| {
            found += 1;
            ControlFlow::Continue(())
        };
        let mut report = Report::new(&mut take);
        for at in 0..100 {
            report.add_with(A, Severity::Note, at, || {
                made += 1;
                String::new()
            });
        }
        report.finish();
        assert_eq!((found, made), (65, 64));
    }

    #[test]
    fn no_finding_follows_a_break() {
        let mut count = 0;
        let mut take = |_: Finding| {
            count += 1;
            ControlFlow::Break(())
        };
        let mut report = Report::new(&mut take);
        report.note(A, 1, String::new());
        assert!(report.is_over());
        report.note(A, 2, String::new());
        report.finish();
        assert_eq!(count, 1);
    }
}
