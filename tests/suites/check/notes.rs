//! Codes of notes that only images of other programs have.

use std::path::Path;

use serde_json::Value;

use crate::support::program::{has_tool, imgprep, tool};

/// Codes of the findings that a command reports as JSON, in `field`.
fn codes(folder: &Path, args: &[&str], field: &str) -> Vec<String> {
    let output = imgprep(folder, args);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = report[field].as_array().unwrap();
    found.iter().filter_map(|finding| finding["code"].as_str()).map(String::from).collect()
}

#[test]
fn persistent_bitmaps_of_a_qcow2_are_a_note() {
    if !has_tool("qemu-img") {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    tool(temp.path(), "qemu-img", &["create", "-q", "-f", "qcow2", "b.qcow2", "1M"]);
    let asked = ["info", "b.qcow2", "--output", "json"];
    assert!(!codes(temp.path(), &asked, "findings").contains(&"qcow2.bitmaps".to_string()));
    tool(temp.path(), "qemu-img", &["bitmap", "--add", "b.qcow2", "dirty"]);
    assert!(codes(temp.path(), &asked, "findings").contains(&"qcow2.bitmaps".to_string()));
}

#[test]
fn a_vhdx_whose_disk_id_is_zeros_has_a_note() {
    if !has_tool("qemu-img") {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    tool(temp.path(), "qemu-img", &["create", "-q", "-f", "vhdx", "d.vhdx", "8M"]);
    let path = temp.path().join("d.vhdx");
    let mut image = std::fs::read(&path).unwrap();
    // The entry of the page 83 data in the metadata table (VHDX 2.6.1, 2.6.2.5).
    let id = [0xab, 0x12, 0xca, 0xbe, 0xe6, 0xb2, 0x23, 0x45, 0x93, 0xef, 0xc3, 0x09, 0xe0, 0x00, 0xc7, 0x46];
    let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|window| window == what);
    let table = find(&image, b"metadata").unwrap();
    let entry = table + find(&image[table..], &id).unwrap();
    let offset = u32::from_le_bytes(image[entry + 16..entry + 20].try_into().unwrap());
    let at = table + usize::try_from(offset).unwrap();
    assert_ne!(image[at..at + 16], [0; 16]);
    image[at..at + 16].fill(0);
    std::fs::write(&path, image).unwrap();
    let asked = ["check", "d.vhdx", "--output", "json"];
    let output = imgprep(temp.path(), &asked);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = report.to_string();
    assert!(text.contains("\"vhdx.check.disk-id\""), "{text}");
}
