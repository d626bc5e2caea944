//! The journal and the outputs of a batch.

use std::path::Path;

use serde_json::Value;

use crate::support::program::{imgprep, printed};

pub(crate) const JOURNAL: &str = "imgprep-batch.journal";

/// The complete lines of the journal.
pub(crate) fn journal(out: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(out.join(JOURNAL)).unwrap_or_default();
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n') && line.len() > 9);
    lines.filter_map(|line| serde_json::from_str(&line[9..]).ok()).collect()
}

/// Whether the disk in an image, read by way of `convert`, is this one; a ZVHD2 has whole sectors.
pub(crate) fn holds(folder: &Path, image: &Path, disk: &[u8]) -> bool {
    let image = image.display().to_string();
    let args = ["convert", &image, "back.raw", "--size", "original", "--force", "--no-sync", "-q"];
    let output = imgprep(folder, &args);
    assert!(output.status.success(), "{}", printed(&output));
    let mut want = disk.to_vec();
    want.resize(want.len().next_multiple_of(512), 0);
    std::fs::read(folder.join("back.raw")).unwrap() == want
}

pub(crate) fn signal(process: u32, name: &str) {
    let sent = std::process::Command::new("kill").args([name, &process.to_string()]).status().unwrap();
    assert!(sent.success());
}
