//! Structure checks of VHDX: every anomalous image is reported with its code at its offset, no good image is
//! called wrong.

use std::ops::ControlFlow;

use imgprep::{Finding, Severity};
use testdata_gen::{anomalous, good, write_files};

use crate::formats::all::conformance::open;
use crate::support::program::{has_tool, tool};
use crate::support::structure::{check, cost_of_check};

/// Codes that stand beside the expected one, for what is wrong has two sides.
const BESIDE: [(&str, &str); 5] = [
    ("vhdx-log-lost", "vhdx.check.log-torn"),
    ("vhdx-log-hurt", "vhdx.check.log-lost"),
    ("vhdx-locator-no-linkage", "vhdx.check.locator-linkage2"),
    ("vhdx-unmapped-shares", "vhdx.check.entry-place"),
    ("vhdx-undefined-shares", "vhdx.check.entry-place"),
];

#[test]
fn every_odd_vhdx_is_told_with_code_and_place() {
    let mut count = 0;
    for image in anomalous().into_iter().filter(|image| image.code.starts_with("vhdx.")) {
        count += 1;
        let folder = tempfile::tempdir().unwrap();
        let path = write_files(&image.files, folder.path()).unwrap();
        let disk = open(&path, None).unwrap_or_else(|error| panic!("{}: {error}", image.name));
        disk.visit_extents(&mut |_| ControlFlow::Continue(()))
            .unwrap_or_else(|error| panic!("{}: {error}", image.name));
        let (_, findings) = check(&disk);
        let is_it = |finding: &Finding| finding.code == image.code && finding.at == image.at;
        assert!(findings.iter().any(is_it), "{}: {findings:#?}", image.name);
        let is_beside =
            |finding: &Finding| finding.code == image.code || BESIDE.contains(&(image.name, finding.code));
        assert!(findings.iter().all(is_beside), "{}: {findings:#?}", image.name);
        assert!(findings.iter().all(|finding| finding.at.is_some()), "{}: {findings:#?}", image.name);
    }
    assert!(count >= 12, "{count}");
}

#[test]
fn no_good_vhdx_is_called_wrong() {
    for image in good().into_iter().filter(|image| image.format == "vhdx") {
        let folder = tempfile::tempdir().unwrap();
        let path = write_files(&image.files, folder.path()).unwrap();
        let disk = open(&path, None).unwrap_or_else(|error| panic!("{}: {error}", image.name));
        let (checked, findings) = check(&disk);
        if std::env::var_os("SHOW").is_some() {
            eprintln!("{}: {checked:?}", image.name);
            for found in &findings {
                eprintln!("    {} {:?} {:?} {}", found.code, found.severity, found.at, found.message);
            }
        }
        let errors: Vec<_> = findings.iter().filter(|found| found.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", image.name);
        assert_eq!((checked.leaks, checked.corruptions), (0, 0), "{}: {findings:#?}", image.name);
    }
}

#[test]
fn what_qemu_writes_has_no_leaks() {
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
fn a_resource_bomb_of_a_vhdx_costs_nothing() {
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
