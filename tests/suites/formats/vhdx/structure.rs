//! The structure check of VHDX: anomalous images are reported with code and offset, good images without an error.

use imgprep::Severity;

use crate::support::anomalies::{good_images_have_no_errors, images_are_reported};
use crate::support::library::open;
use crate::support::program::{has_tool, tool};
use crate::support::structure::{check, cost_of_check};

/// Codes that are reported besides the expected one.
const BESIDE: [(&str, &str); 5] = [
    ("vhdx-log-lost", "vhdx.check.log-torn"),
    ("vhdx-log-hurt", "vhdx.check.log-lost"),
    ("vhdx-locator-no-linkage", "vhdx.check.locator-linkage2"),
    ("vhdx-unmapped-shares", "vhdx.check.entry-place"),
    ("vhdx-undefined-shares", "vhdx.check.entry-place"),
];

#[test]
fn every_anomalous_image_is_reported_with_code_and_offset() {
    images_are_reported("vhdx", 12, |image, other| BESIDE.contains(&(image.name, other.code.id)));
}

#[test]
fn good_images_have_no_structure_errors() {
    good_images_have_no_errors("vhdx");
}

#[test]
fn images_of_qemu_have_no_structure_errors() {
    if !has_tool("qemu-img") || !has_tool("qemu-io") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for options in ["block_size=1M", "block_size=0", "block_size=32M,block_state_zero=off"] {
        tool(folder.path(), "qemu-img", &["create", "-q", "-f", "vhdx", "-o", options, "a.vhdx", "40M"]);
        tool(folder.path(), "qemu-io", &["-c", "write -P 1 0 70k", "-c", "write -P 2 9M 3M", "a.vhdx"]);
        tool(folder.path(), "qemu-img", &["check", "-q", "-f", "vhdx", "a.vhdx"]);
        let disk = open(&folder.path().join("a.vhdx"), None).unwrap();
        let (checked, findings) = check(&disk);
        assert_eq!((checked.leaks, checked.corruptions), (0, 0), "{options}: {findings:#?}");
        assert!(findings.iter().all(|found| found.severity == Severity::Note), "{options}: {findings:#?}");
    }
}

/// 64 TiB: a table of half a gigabyte that nobody wrote to.
#[test]
fn check_of_an_empty_64_tib_vhdx_reads_little() {
    if !has_tool("qemu-img") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let options = "block_size=1M,block_state_zero=off";
    tool(folder.path(), "qemu-img", &["create", "-q", "-f", "vhdx", "-o", options, "a.vhdx", "64T"]);
    let path = folder.path().join("a.vhdx");
    let disk = open(&path, None).unwrap();
    let (checked, _) = check(&disk);
    let asked = cost_of_check(&path);
    // A question for every 64 KiB of the half gigabyte, and what QEMU wrote of it.
    assert!(asked.bytes() <= 1 << 20 && asked.calls() <= 20_000, "{asked:?}");
    assert_eq!((checked.total, checked.allocated, checked.leaks), (Some(1 << 26), Some(0), 0));
}
