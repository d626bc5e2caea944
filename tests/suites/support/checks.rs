//! The JSON report of `imgprep check`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;

use serde_json::Value;
use testdata_gen::{Cell, Qcow2};

use crate::support::program::{imgprep, printed};

/// Runs `imgprep check`.
pub(crate) fn check(folder: &Path, args: &[&str]) -> Output {
    imgprep(folder, &[&["check"], args].concat())
}

/// The JSON report of `imgprep check`, and its exit code.
pub(crate) fn json_of(folder: &Path, args: &[&str]) -> (Value, Option<i32>) {
    let output = check(folder, &[&["--output", "json"], args].concat());
    let json = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", printed(&output)));
    (json, output.status.code())
}

/// The violations of a file.
pub(crate) fn violations(json: &Value) -> Vec<&Value> {
    json["judgements"].as_array().into_iter().flatten().collect()
}

/// The rules of the violations with this severity.
pub(crate) fn rules(json: &Value, severity: &str) -> Vec<String> {
    let of = |found: &&Value| found["severity"] == severity;
    violations(json).into_iter().filter(of).map(|found| found["rule"].as_str().unwrap().to_string()).collect()
}

/// Adds the rules of all violations to `all`.
pub(crate) fn fired(json: &Value, all: &mut BTreeSet<String>) {
    all.extend(violations(json).iter().map(|found| found["rule"].as_str().unwrap().to_string()));
}

/// A QCOW2 with so many entries that point past the end of the file, none beside another.
pub(crate) fn pointing_nowhere(count: u64) -> Vec<u8> {
    let cells = (0..count).map(|index| (2 * index, Cell::Data(vec![1; 4096]))).collect();
    let mut written = Qcow2 { cells, ..Qcow2::new(12, 4 << 20) }.write();
    for (index, at) in written.entries {
        let entry = (1u64 << 63 | ((1 << 30) + (index << 12))).to_be_bytes();
        written.file[usize::try_from(at).unwrap()..][..8].copy_from_slice(&entry);
    }
    written.file
}
