//! Contradictions of one image, one finding per kind: a conversion prints them, and there may be millions.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::{Code, Finding, Severity};

/// The first contradiction of each code, and the number of the others.
#[derive(Debug, Default)]
pub struct Contradictions(Vec<Counted>);

#[derive(Debug)]
struct Counted {
    first: Finding,
    more: u64,
}

impl Contradictions {
    /// Adds a contradiction. The message is created for the first of a code only.
    pub fn add(
        &mut self,
        code: &'static Code,
        severity: Severity,
        at: u64,
        message: impl FnOnce() -> String,
    ) {
        match self.0.iter_mut().find(|counted| counted.first.code == code) {
            Some(counted) => counted.more += 1,
            None => self.push(Finding { code, severity, at: Some(at), message: message() }),
        }
    }

    /// Adds a finding of a check.
    pub fn add_finding(&mut self, finding: Finding) {
        match self.0.iter_mut().find(|counted| counted.first.code == finding.code) {
            Some(counted) => counted.more += 1,
            None => self.push(finding),
        }
    }

    fn push(&mut self, first: Finding) {
        self.0.push(Counted { first, more: 0 });
    }

    /// One finding per code, in the order of their first occurrence.
    pub fn into_findings(self) -> Vec<Finding> {
        let finding = |Counted { mut first, more }: Counted| {
            if more > 0 {
                first.message = format!("{} (and {more} more)", first.message);
            }
            first
        };
        self.0.into_iter().map(finding).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &Code = &Code::finding("x.a", "structure/note", "");
    const B: &Code = &Code::finding("x.b", "structure/note", "");

    #[test]
    fn the_first_of_each_code_is_kept_and_the_others_are_counted() {
        let mut all = Contradictions::default();
        for at in [7, 8, 9] {
            all.add(A, Severity::Warning, at, || {
                assert_eq!(at, 7, "only the first needs a message");
                "entry 7".into()
            });
        }
        all.add_finding(Finding { code: B, severity: Severity::Error, at: Some(1), message: "one".into() });
        let found = all.into_findings();
        let seen: Vec<_> = found.iter().map(|found| (found.code.id, found.at, &*found.message)).collect();
        assert_eq!(seen, [("x.a", Some(7), "entry 7 (and 2 more)"), ("x.b", Some(1), "one")]);
    }
}
