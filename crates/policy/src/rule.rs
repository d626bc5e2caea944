//! Rules, and the assignment of codes to rules.

use imgprep_map::{Code, Severity};

use crate::table::Rule;
use crate::{RULES, RuleId};

/// Rules without codes: the checks report them directly.
pub const WITHOUT_CODES: &[RuleId] = &[
    RuleId::FormatAccepted,
    RuleId::SizeFile,
    RuleId::SizeFileExact,
    RuleId::SizeDisk,
    RuleId::SizeDiskLarge,
    RuleId::SizeDiskSmall,
    RuleId::SizeWholeGib,
    RuleId::ImportBitmapMissing,
    RuleId::ImportBitmapStale,
    RuleId::ImportBitmapContents,
    RuleId::ImportFlatVmdk,
    RuleId::ImportSnapshot,
    RuleId::ImportEncrypted,
    RuleId::ImportName,
    RuleId::ImportMinDisk,
    RuleId::ImportBoot,
    RuleId::ImportSectorSize,
    RuleId::ImportIso,
    RuleId::AfterReplicate,
    RuleId::AfterExport,
    RuleId::AfterEncrypt,
    RuleId::SafetyBackingFile,
    RuleId::SafetyDataFile,
    RuleId::SafetyExtentPath,
    RuleId::SafetyOutsidePath,
    RuleId::SafetySymlink,
    RuleId::SafetyNestedFormat,
];

impl RuleId {
    /// The row of the table.
    pub fn rule(self) -> &'static Rule {
        // OK: the table has one row for each id, in their order: a test compares them.
        &RULES[self as usize]
    }
}

/// The rule of this name.
pub fn rule(name: &str) -> Option<&'static Rule> {
    RuleId::parse(name).map(RuleId::rule)
}

/// The rule of an error with this code. `None`: the error is not a violation; the check could not be
/// done (I/O errors, contradicting options).
pub fn rule_of_error(code: &Code) -> Option<&'static Rule> {
    code.rule.and_then(rule)
}

/// The rule of a finding with this code.
///
/// Findings without a rule of their own belong to invalid structures if they are errors, and to notes otherwise.
pub fn rule_of_finding(code: &Code, severity: Severity) -> &'static Rule {
    let own = code.finding_rule.or(code.rule).and_then(RuleId::parse);
    let id = match (own, severity) {
        (None | Some(RuleId::StructureTable | RuleId::StructureNote), Severity::Error) => {
            RuleId::StructureTable
        }
        (None | Some(RuleId::StructureTable), _) => RuleId::StructureNote,
        (Some(own), _) => own,
    };
    id.rule()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_without_their_own_rule_are_mapped_by_severity() {
        let entry = Code::corrupt("a.table.entry", "structure/table", "");
        let odd = Code::finding("a.odd", "structure/note", "");
        let failed = Code::io("a.read.failed", "");
        for code in [entry, odd, failed] {
            assert_eq!(rule_of_finding(&code, Severity::Error).id, RuleId::StructureTable, "{code:?}");
            assert_eq!(rule_of_finding(&code, Severity::Warning).id, RuleId::StructureNote, "{code:?}");
            assert_eq!(rule_of_finding(&code, Severity::Note).id, RuleId::StructureNote, "{code:?}");
        }
        let leak = Code::finding("a.leak", "structure/leak", "");
        assert_eq!(rule_of_finding(&leak, Severity::Error).id, RuleId::StructureLeak);
    }

    #[test]
    fn a_finding_may_have_another_rule_than_the_error() {
        let code = Code::unsupported("a.odd", "format/unsupported", "").finding_under("structure/header");
        assert_eq!(rule_of_finding(&code, Severity::Error).id, RuleId::StructureHeader);
        assert_eq!(rule_of_error(&code).map(|rule| rule.id), Some(RuleId::FormatUnsupported));
        assert_eq!(rule_of_error(&Code::io("a.read.failed", "")), None);
    }
}
