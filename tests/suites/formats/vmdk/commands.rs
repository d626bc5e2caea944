//! Commands on a VMDK, and what they report.

use std::path::Path;

use serde_json::Value;
use testdata_gen::{ImageFile, write_files};

use crate::support::program::{imgprep, printed};

/// Converts `source`, which must succeed; the disk.
#[track_caller]
pub(crate) fn disk(folder: &Path, source: &str, options: &[&str]) -> Vec<u8> {
    let args = [&["convert", source, "out.raw", "--force", "--no-sync", "-q", "--verify"], options].concat();
    let output = imgprep(folder, &args);
    assert!(output.status.success(), "{source} {options:?}: {}", printed(&output));
    std::fs::read(folder.join("out.raw")).unwrap()
}

/// Converts `source`, which must be rejected without an output; code, offset and message.
#[track_caller]
pub(crate) fn refused(folder: &Path, source: &str, options: &[&str]) -> (String, Option<u64>, String) {
    let args = [&["convert", source, "refused.raw", "--no-sync", "--output", "json"], options].concat();
    let output = imgprep(folder, &args);
    assert_eq!(output.status.code(), Some(1), "{source} {options:?}: {}", printed(&output));
    assert!(!folder.join("refused.raw").exists(), "{source}");
    let printed: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    let error = &printed["error"];
    let text = |key: &str| error[key].as_str().unwrap_or_default().to_string();
    (text("code"), error["offset"].as_u64(), text("message"))
}

/// What `check` reports of one file: exit code; code (else rule), severity and offset of every violation.
pub(crate) fn checked(
    folder: &Path,
    source: &str,
    options: &[&str],
) -> (i32, Vec<(String, String, Option<u64>)>) {
    let output = imgprep(folder, &[&["check", source, "--output", "json"], options].concat());
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", printed(&output)));
    let found = report["judgements"].as_array().into_iter().flatten();
    let rows = found.map(|found| {
        let code = found["code"].as_str().or(found["rule"].as_str()).unwrap_or_default();
        let severity = found["severity"].as_str().unwrap_or_default();
        (code.to_string(), severity.to_string(), found["offset"].as_u64())
    });
    (output.status.code().unwrap(), rows.collect())
}

pub(crate) fn row(code: &str, severity: &str, at: u64) -> (String, String, Option<u64>) {
    (code.into(), severity.into(), Some(at))
}

pub(crate) fn find(bytes: &[u8], part: &str) -> u64 {
    bytes.windows(part.len()).position(|found| found == part.as_bytes()).expect("it is there") as u64
}

pub(crate) fn put_all(files: &[ImageFile], folder: &Path) {
    write_files(files, folder).unwrap();
}
