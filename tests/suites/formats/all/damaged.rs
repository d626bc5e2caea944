//! Damage by single bytes that leaves the disk readable, what crashes leave behind, and the codes that no other image has.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;

use imgprep::{Disk, FollowPolicy, OpenOptions};
use serde_json::Value;
use testdata_gen::{Provoked, damaged, provoking, undamaged, write_files};

use crate::support::program::{has_tool, imgprep, printed, tool};
use crate::support::structure::check;

/// What `convert` to a RAW reports, as JSON.
fn converted(folder: &Path, source: &str, more: &[&str]) -> Value {
    let args = ["convert", source, "out.raw", "--force", "--no-sync", "--output", "json"];
    let output = imgprep(folder, &[&args[..], more].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{source}: {}", printed(&output)))
}

/// Codes and offsets of all findings of a report.
fn findings(report: &Value) -> Vec<(String, Option<u64>)> {
    let layers = report["findings"].as_array().unwrap_or_else(|| panic!("{report:#}"));
    let all = layers.iter().flat_map(|layer| layer["findings"].as_array().unwrap());
    all.map(|found| (found["code"].as_str().unwrap().to_string(), found["offset"].as_u64())).collect()
}

fn has(report: &Value, code: &str, at: Option<u64>) -> bool {
    findings(report).contains(&(code.to_string(), at))
}

#[test]
fn damage_that_leaves_the_disk_readable_is_a_warning_of_convert() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("base.raw"), vec![8; 1 << 20]).unwrap();
    for image in damaged() {
        let path = write_files(&image.files, folder.path()).unwrap().display().to_string();
        let report = converted(folder.path(), &path, &[]);
        assert!(has(&report, image.code, image.at), "{}: {report:#}", image.name);
        assert_eq!(report["verified"], false, "{}: it was converted", image.name);
        let text = imgprep(folder.path(), &["convert", &path, "out.raw", "--force", "--no-sync"]);
        assert!(
            String::from_utf8_lossy(&text.stderr).contains(image.code),
            "{}: {}",
            image.name,
            printed(&text)
        );
        // A check reports it, too.
        let check = imgprep(folder.path(), &["check", "--output", "json", &path]);
        let json: Value = serde_json::from_slice(&check.stdout).unwrap();
        let counts = &json["counts"];
        assert!(
            counts["errors"].as_u64().unwrap() + counts["warnings"].as_u64().unwrap() > 0,
            "{}: {json:#}",
            image.name
        );
    }
}

#[test]
fn leftovers_of_crashes_and_writers_give_no_warning_of_convert() {
    let folder = tempfile::tempdir().unwrap();
    for file in undamaged() {
        let path = write_files(std::slice::from_ref(&file), folder.path()).unwrap().display().to_string();
        let report = converted(folder.path(), &path, &[]);
        let codes: BTreeSet<_> = findings(&report).into_iter().map(|(code, _)| code).collect();
        let known = ["qcow2.header.dirty", "qed.header.need-check"];
        assert!(codes.iter().all(|code| known.contains(&code.as_str())), "{}: {codes:?}", file.name);
    }
}

/// Images as QEMU writes them, in every way that it has.
#[test]
fn images_of_qemu_have_no_findings() {
    if !has_tool("qemu-img") || !has_tool("qemu-io") {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let writes = ["write -P 1 0 1M", "write -P 2 3M 300k", "write -z 5M 128k", "write -P 4 7M 64k"];
    let io: Vec<&str> = writes.iter().flat_map(|command| ["-c", command]).collect();
    let quiet = |name: &str, more: &[&str]| {
        let report = converted(folder, name, more);
        assert_eq!(findings(&report), [], "{name} {more:?}");
    };
    for (format, options) in [
        ("qcow2", "cluster_size=512"),
        ("qcow2", "cluster_size=2M"),
        ("qcow2", "compat=0.10"),
        ("qcow2", "refcount_bits=1"),
        ("qcow2", "refcount_bits=64"),
        ("qcow2", "extended_l2=on"),
        ("qcow2", "lazy_refcounts=on"),
        ("qcow2", "preallocation=metadata"),
        ("qcow2", "data_file=x.data"),
        ("qed", "cluster_size=4096"),
        ("qcow", "encryption=off"),
    ] {
        tool(folder, "qemu-img", &["create", "-q", "-f", format, "-o", options, "a.img", "8M"]);
        tool(folder, "qemu-io", &[&io[..], &["a.img"]].concat());
        quiet("a.img", &[]);
        if options == "cluster_size=512" {
            tool(folder, "qemu-img", &["snapshot", "-c", "one", "a.img"]);
            tool(folder, "qemu-io", &["-c", "write -P 9 0 512k", "a.img"]);
            quiet("a.img", &[]);
            quiet("a.img", &["--snapshot", "one"]);
            tool(folder, "qemu-img", &["snapshot", "-d", "one", "a.img"]);
            quiet("a.img", &[]);
            tool(folder, "qemu-img", &["resize", "-q", "--shrink", "a.img", "4M"]);
            quiet("a.img", &[]);
            tool(folder, "qemu-img", &["convert", "-c", "-O", "qcow2", "a.img", "c.img"]);
            quiet("c.img", &[]);
            // Compressed clusters that are written to leave their payloads.
            tool(folder, "qemu-io", &["-c", "write -P 9 64k 64k", "c.img"]);
            quiet("c.img", &[]);
        }
    }
}

/// Every code that no broken and no anomalous image has.
#[test]
fn every_remaining_code_is_reported_at_its_offset() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::write(temp.path().join("x.data"), vec![0; 1 << 20]).unwrap();
    for (format, code, at, provoked, bytes) in provoking() {
        let path = temp.path().join("image");
        std::fs::write(&path, bytes).unwrap();
        let follow =
            if code == "qcow2.snapshot.data-file" { FollowPolicy::Beside } else { FollowPolicy::None };
        let options = OpenOptions { from: imgprep::by_name(format), follow, ..OpenOptions::default() };
        let disk = match (Disk::open(&path, &options), provoked) {
            (Err(error), Provoked::Refused) => {
                assert_eq!((error.code().id, error.at()), (code, Some(at)), "{error}");
                continue;
            }
            (opened, _) => opened.unwrap_or_else(|error| panic!("{code}: {error}")),
        };
        if provoked == Provoked::Walked {
            let error = disk.visit_extents(&mut |_| ControlFlow::Continue(())).unwrap_err();
            assert_eq!((error.code().id, error.at()), (code, Some(at)), "{error}");
            continue;
        }
        let found = match provoked {
            Provoked::Checked => check(&disk).1,
            _ => disk.layers()[0].findings.clone(),
        };
        let is_it = |found: &imgprep::Finding| (found.code.id, found.at) == (code, Some(at));
        assert!(found.iter().any(is_it), "{code} at {at}: {found:#?}");
    }
}
