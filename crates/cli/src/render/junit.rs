//! Results of a check as `JUnit`: a suite per file, a case per rule with findings.

use std::io::{self, Write};

use imgprep::policy::{Levels, Violation};
use imgprep::{CheckedFile, Severity, printable};
use imgprep_batch::report::xml;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::findings::{left_out, message};

pub(crate) fn write(out: &mut dyn Write, files: &[CheckedFile], levels: &Levels) -> io::Result<()> {
    let mut report = Report::new("imgprep check");
    report.add_test_suites(files.iter().map(|file| suite(file, levels)));
    out.write_all(xml(&report).as_bytes())
}

fn suite(file: &CheckedFile, levels: &Levels) -> TestSuite {
    let mut suite = TestSuite::new(&*printable(&file.name));
    let mut read = TestCaseStatus::success();
    if let Some(error) = &file.error {
        read = TestCaseStatus::non_success(NonSuccessKind::Error);
        read.set_message(&*printable(&error.to_string())).set_type(error.code().id);
    }
    suite.add_test_case(case(file, "check", read));
    let mut rules: Vec<&str> = file.violations.iter().map(|violation| violation.rule.id.name()).collect();
    rules.sort_unstable();
    rules.dedup();
    for rule in rules {
        suite.add_test_case(of_rule(file, rule, levels));
    }
    suite
}

/// The case of one rule, with all its findings in a file.
fn of_rule(file: &CheckedFile, rule: &str, levels: &Levels) -> TestCase {
    let of_rule = || file.violations.iter().filter(|violation| violation.rule.id.name() == rule);
    let is_failure = of_rule().any(|violation| {
        violation.severity == Severity::Error
            || (levels.deny_warnings && violation.severity == Severity::Warning)
    });
    let more = left_out(file).filter(|more| more.rule == rule).map(|more| more.message());
    let all = of_rule().map(display).chain(more).collect::<Vec<_>>().join("\n");
    if !is_failure {
        let mut case = case(file, rule, TestCaseStatus::success());
        case.set_system_out(all);
        return case;
    }
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    let first = of_rule().next().map(display).unwrap_or_default();
    status.set_message(first).set_type(rule).set_description(all);
    case(file, rule, status)
}

/// The message of a violation, with control characters escaped.
///
/// XML cannot contain them, and `quick-junit` drops them.
fn display(violation: &Violation) -> String {
    printable(&message(violation)).into_owned()
}

fn case(file: &CheckedFile, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(&*printable(&file.name));
    case
}
