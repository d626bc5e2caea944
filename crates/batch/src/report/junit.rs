//! `JUnit`: one test case for each image.

use std::time::Duration;

use imgprep::printable;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::jenkins::xml;
use crate::{Record, State, Summary};

/// The report as `JUnit` XML.
pub fn junit(summary: &Summary) -> String {
    let mut suite = TestSuite::new(&*printable(&summary.out));
    suite.set_time(summary.elapsed);
    suite.add_test_cases(summary.records.iter().map(case));
    let mut report = Report::new("imgprep batch");
    report.set_time(summary.elapsed);
    report.add_test_suite(suite);
    xml(&report)
}

fn case(record: &Record) -> TestCase {
    let mut case = TestCase::new(&*printable(&record.source), status(record));
    case.set_classname(record.target.as_str());
    case.set_time(Duration::from_secs_f64(record.seconds.max(0.0)));
    case
}

fn status(record: &Record) -> TestCaseStatus {
    let bad = |kind, code: &str, message: &str, remedy: &[String]| {
        // XML cannot represent control characters, and `quick-junit` drops them: they are escaped instead.
        let mut status = TestCaseStatus::non_success(kind);
        status.set_type(code).set_message(&*printable(message));
        if !remedy.is_empty() {
            let remedy: Vec<_> = remedy.iter().map(|line| printable(line)).collect();
            status.set_description(remedy.join("\n"));
        }
        status
    };
    if let (State::Failed, Some(error)) = (record.state, &record.error) {
        let remedy = error.remedy.as_deref().or(error.hint_text()).map(String::from);
        let remedy: Vec<_> = remedy.into_iter().collect();
        return bad(NonSuccessKind::Error, &error.code, &error.message, &remedy);
    }
    if record.state != State::Done {
        let mut status = TestCaseStatus::skipped();
        status.set_message("the batch was stopped before this image was converted");
        return status;
    }
    if record.verdict.importable == Some(false) {
        let errors: Vec<_> =
            record.verdict.reasons.iter().filter(|reason| reason.severity == "error").collect();
        let messages: Vec<_> = errors.iter().map(|reason| reason.message.as_str()).collect();
        let remedies: Vec<_> = errors.iter().filter_map(|reason| reason.remedy.clone()).collect();
        let rule = errors.first().map_or("not-importable", |reason| &reason.rule);
        return bad(NonSuccessKind::Failure, rule, &messages.join("; "), &remedies);
    }
    TestCaseStatus::success()
}
