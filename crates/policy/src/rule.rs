//! A rule, and which rule a code belongs to.

use imgprep_map::{Code, Severity};

use crate::RULES;

/// One rule. The table of them is the only list: the program's help and the documentation are made of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Stable: `group/name`.
    pub id: &'static str,
    /// The default severity.
    pub severity: Severity,
    /// What it demands or says, one line.
    pub says: &'static str,
    /// Why that matters.
    pub why: &'static str,
    /// Where the bound comes from. Empty: from the profile, which names a document for each rule.
    pub source: &'static str,
    /// What to do, best first: the first one that works on the file is shown. Commands stand by themselves, to be
    /// pasted into a shell; `{src}`, `{zvhd2}`, `{raw}`, `{copy}`, `{renamed}` stand for quoted names, `{target}` for the one that
    /// the route takes, `{least}` for
    /// the size of the cloud's smallest disk, `{bitmap}` for the command that makes a bitmap.
    pub remedies: &'static [&'static str],
}

/// Rules that no code leads to: the checks themselves report them.
pub const WITHOUT_CODES: &[&str] = &[
    "format/accepted",
    "size/file",
    "size/file-exact",
    "size/disk",
    "size/disk-large",
    "size/disk-small",
    "size/whole-gib",
    "import/bitmap-missing",
    "import/bitmap-stale",
    "import/bitmap-contents",
    "import/flat-vmdk",
    "import/snapshot",
    "import/encrypted",
    "import/name",
    "import/min-disk",
    "import/boot",
    "import/sector-size",
    "import/iso",
    "after/replicate",
    "after/export",
    "after/encrypt",
    "safety/backing-file",
    "safety/data-file",
    "safety/extent-path",
    "safety/outside-path",
    "safety/symlink",
    "safety/nested-format",
];

/// The rule of this id.
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}

/// The rule of this id, which is one of the table's own.
pub(crate) fn known(id: &'static str) -> &'static Rule {
    // OK: a test calls it with every id that the sources name; a wrong one falls on the last rule.
    rule(id).unwrap_or(&RULES[RULES.len() - 1])
}

/// The rule that an error with this code belongs to. `None`: it is no violation on the image, the check could not be
/// done (I/O errors, contradicting options).
pub fn rule_of_error(code: &Code) -> Option<&'static Rule> {
    code.rule.and_then(rule)
}

/// The rule that a finding with this code belongs to. `None`: a code that is not listed.
///
/// What has no rule of its own is an invalid structure where it is an error, and else worth a note.
pub fn rule_of_finding(code: Option<&Code>, severity: Severity) -> &'static Rule {
    let own = code.and_then(|code| code.finding_rule.or(code.rule));
    match own {
        None | Some(TABLE | NOTE) => known(if severity == Severity::Error { TABLE } else { NOTE }),
        Some(own) => known(own),
    }
}

const TABLE: &str = "structure/table";
const NOTE: &str = "structure/note";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_without_a_rule_of_their_own_are_judged_by_severity() {
        let entry = Code::corrupt("a.table.entry", "structure/table", "");
        let odd = Code::finding("a.odd", "structure/note", "");
        let failed = Code::io("a.read.failed", "");
        for code in [Some(&entry), Some(&odd), Some(&failed), None] {
            assert_eq!(rule_of_finding(code, Severity::Error).id, "structure/table", "{code:?}");
            assert_eq!(rule_of_finding(code, Severity::Warning).id, "structure/note", "{code:?}");
            assert_eq!(rule_of_finding(code, Severity::Note).id, "structure/note", "{code:?}");
        }
        let leak = Code::finding("a.leak", "structure/leak", "");
        assert_eq!(rule_of_finding(Some(&leak), Severity::Error).id, "structure/leak");
    }

    #[test]
    fn a_finding_may_have_another_rule_than_the_error() {
        let code = Code::unsupported("a.odd", "format/unsupported", "").finding_under("structure/header");
        assert_eq!(rule_of_finding(Some(&code), Severity::Error).id, "structure/header");
        assert_eq!(rule_of_error(&code).map(|rule| rule.id), Some("format/unsupported"));
        assert_eq!(rule_of_error(&Code::io("a.read.failed", "")), None);
    }
}
