//! `JUnit` of `check` and `batch`, validated against the schema of Jenkins' xUnit plugin by xmllint.

use std::path::Path;
use std::process::Command;

use testdata_gen::{Qcow2, broken, good, write_files};

use crate::support::program::{has_tool, imgprep, printed, root};

/// The errors of `xmllint` about a report; nothing if it is valid.
fn flaw(folder: &Path, name: &str) -> Option<String> {
    let schema = root().join("tests/data/junit/junit-10.xsd");
    let mut command = Command::new("xmllint");
    command.args(["--noout", "--schema"]).arg(schema).arg(name).current_dir(folder);
    let output = command.output().expect("xmllint runs");
    (!output.status.success()).then(|| printed(&output))
}

#[test]
fn the_report_of_a_check_is_valid_and_read_back() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    for files in broken().into_iter().map(|image| image.files).chain(good().into_iter().map(|it| it.files)) {
        write_files(&files, folder).unwrap();
    }
    std::fs::write(folder.join("a\u{1}<&\"'\u{202e}.qcow2"), &Qcow2::new(16, 1 << 20).write().file[..90])
        .unwrap();
    let args = ["check", "--for", "otc", "--output", "junit", ".", "gone.raw"];
    let output = imgprep(folder, &args);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stdout).unwrap();
    let report = quick_junit::Report::deserialize_from_str(&text).unwrap();
    assert!(
        report.failures > 100 && report.errors >= 1 && report.test_suites.len() > 200,
        "{}",
        report.failures
    );
    std::fs::write(folder.join("check.xml"), text).unwrap();
    if has_tool("xmllint") {
        assert_eq!(flaw(folder, "check.xml"), None);
    }
}

/// Done, not importable, failed, and not begun any more.
#[test]
fn the_report_of_a_batch_is_valid_and_read_back() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::create_dir(folder.join("images")).unwrap();
    let image = Qcow2::new(16, 1 << 30).write().file;
    // The largest is the first.
    let write = |name: &str, head: &[u8], len: usize| {
        let mut bytes = head.to_vec();
        bytes.resize(len, 0);
        std::fs::write(folder.join("images").join(name), bytes).unwrap();
    };
    write("a.qcow2", &image, 4 << 20);
    write("b \"<&>\".qcow2", &image, 3 << 20);
    write("c.qcow2", b"QFI\xfb\0\0\0\x09", 2 << 20);
    write("d.qcow2", &image, 1 << 20);
    let args = [
        "batch",
        "images",
        "--out",
        "out",
        "--for",
        "otc",
        "--fail-fast",
        "-j",
        "1",
        "--report",
        "batch.xml",
    ];
    let output = imgprep(folder, &args);
    assert_eq!(output.status.code(), Some(2), "{}", printed(&output));
    let text = std::fs::read_to_string(folder.join("batch.xml")).unwrap();
    let report = quick_junit::Report::deserialize_from_str(&text).unwrap();
    let suite = &report.test_suites[0];
    assert_eq!((suite.tests, suite.failures, suite.errors, suite.skipped), (4, 1, 1, 1), "{text}");
    if has_tool("xmllint") {
        assert_eq!(flaw(folder, "batch.xml"), None);
    }
}

#[test]
fn junit_schema_rejects_invalid_reports() {
    if !has_tool("xmllint") {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let text = "<testsuites skipped=\"0\"/>";
    std::fs::write(temp.path().join("bad.xml"), text).unwrap();
    assert!(flaw(temp.path(), "bad.xml").is_some_and(|flaw| flaw.contains("skipped")));
    std::fs::write(temp.path().join("good.xml"), "<testsuites/>").unwrap();
    assert_eq!(flaw(temp.path(), "good.xml"), None);
}
