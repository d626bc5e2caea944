//! Reports of the program as JSON.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::support::program::{imgprep, printed};

/// The standard output of a command, which is JSON.
pub(crate) fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", printed(output)))
}

/// Code, severity and offset of each violation of `check`.
pub(crate) fn violations(folder: &Path, name: &str) -> Vec<(String, String, Option<u64>)> {
    let checked = json(&imgprep(folder, &["check", "--output", "json", name]));
    let of = |violation: &Value| {
        let text = |key: &str| violation[key].as_str().unwrap_or_default().to_string();
        (text("code"), text("severity"), violation["offset"].as_u64())
    };
    let file = checked["files"].get(0).unwrap_or(&checked);
    file["judgements"].as_array().unwrap_or_else(|| panic!("{checked}")).iter().map(of).collect()
}

/// Converts to `out.raw`; the JSON report.
pub(crate) fn convert(folder: &Path, name: &str) -> Value {
    let output =
        imgprep(folder, &["convert", name, "out.raw", "--force", "--no-sync", "-q", "--output", "json"]);
    assert_eq!(output.status.code(), Some(0), "{name}: {}", printed(&output));
    json(&output)
}

/// The findings of the first layer in a report of `convert`: code, severity, offset.
pub(crate) fn found(report: &Value) -> Vec<(String, String, Option<u64>)> {
    let findings = report["findings"][0]["findings"].as_array().cloned().unwrap_or_default();
    let of = |finding: &Value| {
        let text = |key: &str| finding[key].as_str().unwrap_or_default().to_string();
        (text("code"), text("severity"), finding["offset"].as_u64())
    };
    findings.iter().map(of).collect()
}

/// A code, its severity and its offset.
pub(crate) fn row(code: &str, severity: &str, at: u64) -> (String, String, Option<u64>) {
    (code.into(), severity.into(), Some(at))
}
