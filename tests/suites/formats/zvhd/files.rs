//! A disk, the ZVHD2 that is written of it, and reports about it.

use std::path::Path;

use imgprep::{Destination, convert};
use serde_json::Value;

use crate::support::library;
use crate::support::library::open;
use crate::support::program::{imgprep, printed};

pub(crate) const PAGE: usize = 4096;

pub(crate) const BLOCK: usize = 2 << 20;

pub(crate) const UUID: &str = "00112233-4455-6677-8899-aabbccddeeff";

/// Three blocks, the middle one of zeros, the last one of 1536 bytes.
pub(crate) fn disk() -> Vec<u8> {
    let mut disk = vec![0; 2 * BLOCK + 1536];
    for (at, byte) in disk[..40].iter_mut().enumerate() {
        *byte = b'a' + (at * at % 23) as u8;
    }
    disk[2 * BLOCK..].fill(7);
    disk[2 * BLOCK + 1535] = 8;
    disk
}

pub(crate) fn written(folder: &Path, disk: &[u8], options: &[&str]) -> Vec<u8> {
    std::fs::write(folder.join("disk.raw"), disk).unwrap();
    let args = ["convert", "disk.raw", "made.zvhd2", "--force", "--no-sync", "-q", "--uuid", UUID];
    let output = imgprep(folder, &[&args[..], options].concat());
    assert!(output.status.success(), "{options:?}: {}", printed(&output));
    std::fs::read(folder.join("made.zvhd2")).unwrap()
}

pub(crate) fn to_raw(source: &Path, target: &Path) -> Result<Vec<u8>, imgprep::Error> {
    let disk = open(source, None)?;
    let to = Destination::Path(target.into());
    library::on_one_thread(|run| convert(&disk, &to, &library::to_raw(), run))?;
    Ok(std::fs::read(target).unwrap())
}

pub(crate) fn number(bytes: &[u8], at: usize, len: usize) -> usize {
    bytes[at..at + len].iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte))
}

/// The ranges of the payloads of a ZVHD2, by its index.
pub(crate) fn payloads(file: &[u8]) -> Vec<std::ops::Range<usize>> {
    let last = file.len() - PAGE;
    let (index, blocks) = (number(file, last + 96, 8), number(file, last + 136, 4));
    let records = (0..blocks).map(|rank| number(file, index + rank * 16, 8));
    records.map(|at| at + 48..at + 48 + number(file, at + 12, 4)).collect()
}

/// What `check` prints about `file`, and its exit code.
pub(crate) fn checked(folder: &Path, name: &str, file: &[u8], options: &[&str]) -> (Value, Option<i32>) {
    std::fs::write(folder.join(name), file).unwrap();
    let output = imgprep(folder, &[&["check", "--output", "json", name], options].concat());
    let json = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", printed(&output)));
    (json, output.status.code())
}

/// Code, severity, rule and offset of every finding.
pub(crate) fn findings(json: &Value) -> Vec<(&str, &str, &str, Option<u64>)> {
    fn text<'j>(of: &'j Value, key: &str) -> &'j str {
        of[key].as_str().unwrap_or_default()
    }
    let violations = json["judgements"].as_array().unwrap().iter();
    violations
        .map(|it| (text(it, "code"), text(it, "severity"), text(it, "rule"), it["offset"].as_u64()))
        .collect()
}
