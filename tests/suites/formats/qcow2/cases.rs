//! QCOW2, QED and QCOW as users met them: damage by single bytes, images that name themselves, strangers' backing
//! files; and every code of the three formats.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;

use imgprep::{Disk, FollowPolicy, OpenOptions};
use serde_json::Value;
use testdata_gen::{Cell, Provoked, Qcow2, damaged, provoking, undamaged, write_files};

use crate::support::program::{has_tool, imgprep, said, tool};

/// What `convert` to a RAW reports, as JSON.
fn converted(folder: &Path, source: &str, more: &[&str]) -> Value {
    let args = ["convert", source, "out.raw", "--force", "--no-sync", "--output", "json"];
    let output = imgprep(folder, &[&args[..], more].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{source}: {}", said(&output)))
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
fn single_byte_damage_that_leaves_the_disk_readable_is_a_warning_of_convert() {
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
            said(&text)
        );
        // A check has something to say of it, too.
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
fn what_crashes_and_writers_leave_behind_is_no_warning_of_convert() {
    let folder = tempfile::tempdir().unwrap();
    for file in undamaged() {
        let path = write_files(std::slice::from_ref(&file), folder.path()).unwrap().display().to_string();
        let report = converted(folder.path(), &path, &[]);
        let codes: BTreeSet<_> = findings(&report).into_iter().map(|(code, _)| code).collect();
        let known = ["qcow2.header.dirty", "qed.header.need-check"];
        assert!(codes.iter().all(|code| known.contains(&code.as_str())), "{}: {codes:?}", file.name);
    }
}

#[test]
fn a_batch_reports_the_warning_too() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("images")).unwrap();
    let image = damaged().into_iter().find(|image| image.code == "qcow2.refcount.low").unwrap();
    write_files(&image.files, &folder.path().join("images")).unwrap();
    let args = ["batch", "images", "--out", "out", "--output", "json", "--no-sync"];
    let output = imgprep(folder.path(), &args);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("qcow2.refcount.low"), "{}", said(&output));
}

/// Images as QEMU writes them, in every way that it has.
#[test]
fn images_of_qemu_have_no_contradictions() {
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

/// Identity decides: the name itself, a hard link, a symbolic link.
#[test]
fn an_image_that_names_itself_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let error = |args: &[&str]| {
        let output = imgprep(folder, &[args, &["--output", "json"]].concat());
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        report["error"]["code"].as_str().unwrap().to_string()
    };
    for (kind, name) in [("name", "a.img"), ("hard link", "hard"), ("symbolic link", "soft")] {
        let data = Qcow2 { data_file: Some((name.into(), true)), ..Qcow2::new(16, 1 << 20) };
        let over = Qcow2 { backing: Some((name.into(), Some("qcow2".into()))), ..Qcow2::new(16, 1 << 20) };
        let descriptor = format!(
            "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n\
             RW 1 FLAT \"{name}\" 0\n"
        );
        for (bytes, code) in [
            (data.write().file, "open.file.own-part"),
            (over.write().file, "open.chain.cycle"),
            (format!("{descriptor:512}").into_bytes(), "open.file.own-part"),
        ] {
            for name in ["a.img", "hard", "soft"] {
                let _ = std::fs::remove_file(folder.join(name));
            }
            std::fs::write(folder.join("a.img"), bytes).unwrap();
            std::fs::hard_link(folder.join("a.img"), folder.join("hard")).unwrap();
            std::os::unix::fs::symlink("a.img", folder.join("soft")).unwrap();
            for follow in ["beside", "any"] {
                let convert = ["convert", "a.img", "out.raw", "--no-sync", "--follow", follow];
                assert_eq!(error(&convert), code, "{kind} {follow}");
                assert_eq!(error(&["info", "a.img", "--follow", follow]), code, "{kind} {follow}");
            }
            assert!(!folder.join("out.raw").exists());
        }
    }
}

/// Severity of each rule of a check, and its exit code.
fn checked(folder: &Path, args: &[&str]) -> (Vec<(String, String)>, Option<i32>) {
    let output = imgprep(folder, &[&["check", "--output", "json"], args].concat());
    let json: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
    let text = |value: &Value| value.as_str().unwrap().to_string();
    let all = json["judgements"].as_array().unwrap().iter();
    (all.map(|found| (text(&found["rule"]), text(&found["severity"]))).collect(), output.status.code())
}

/// A relative name in a stranger's image, as `OpenStack`'s inspector takes it.
#[test]
fn a_relative_backing_file_is_an_error_of_check_until_it_is_followed() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let recipe = || Qcow2 { cells: [(1, Cell::Data(vec![5; 1 << 16]))].into(), ..Qcow2::new(16, 1 << 20) };
    let backing = Qcow2 { backing: Some(("base.raw".into(), Some("raw".into()))), ..recipe() };
    let data = Qcow2 { data_file: Some(("disk.data".into(), true)), ..recipe() }.write();
    std::fs::write(folder.join("over.qcow2"), backing.write().file).unwrap();
    std::fs::write(folder.join("data.qcow2"), &data.file).unwrap();
    let rule = |args: &[&str]| {
        let (all, code) = checked(folder, args);
        let named = ["safety/backing-file", "safety/data-file"];
        let found: Vec<_> = all.into_iter().filter(|(rule, _)| named.contains(&rule.as_str())).collect();
        (found.into_iter().map(|(_, severity)| severity).collect::<Vec<_>>(), code)
    };
    for name in ["over.qcow2", "data.qcow2"] {
        assert_eq!(rule(&[name]), (vec!["error".into()], Some(2)), "{name}");
        assert_eq!(rule(&["--follow", "none", name]), (vec!["error".into()], Some(2)), "{name}");
        // There is no such file.
        assert_eq!(rule(&["--follow", "beside", name]).1, Some(2), "{name}");
        // Who knows better says so.
        assert_eq!(rule(&["--warn", "safety/*", name]), (vec!["warning".into()], Some(0)), "{name}");
    }
    std::fs::write(folder.join("base.raw"), vec![1; 1 << 20]).unwrap();
    std::fs::write(folder.join("disk.data"), &data.data).unwrap();
    for name in ["over.qcow2", "data.qcow2"] {
        for follow in ["beside", "any"] {
            assert_eq!(rule(&["--follow", follow, name]), (vec!["note".into()], Some(0)), "{name} {follow}");
        }
    }
    // On its merits: the file that is followed is judged as well.
    std::fs::write(folder.join("base.raw"), Qcow2 { incompatible: 2, ..recipe() }.write().file).unwrap();
    let over = Qcow2 { backing: Some(("base.raw".into(), Some("qcow2".into()))), ..recipe() };
    std::fs::write(folder.join("over.qcow2"), over.write().file).unwrap();
    let (all, code) = checked(folder, &["--follow", "beside", "over.qcow2"]);
    assert_eq!(code, Some(2));
    assert!(all.contains(&("structure/marked-corrupt".into(), "error".into())), "{all:?}");
}

/// Every code that no broken and no odd image has.
#[test]
fn every_other_code_is_provoked_at_its_place() {
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
                assert_eq!((error.code(), error.at()), (code, Some(at)), "{error}");
                continue;
            }
            (opened, _) => opened.unwrap_or_else(|error| panic!("{code}: {error}")),
        };
        if provoked == Provoked::Walked {
            let error = disk.visit_extents(&mut |_| ControlFlow::Continue(())).unwrap_err();
            assert_eq!((error.code(), error.at()), (code, Some(at)), "{error}");
            continue;
        }
        let found = match provoked {
            Provoked::Checked => crate::support::structure::check(&disk).1,
            _ => disk.layers()[0].findings.clone(),
        };
        let is_it = |found: &imgprep::Finding| (found.code, found.at) == (code, Some(at));
        assert!(found.iter().any(is_it), "{code} at {at}: {found:#?}");
    }
}

#[test]
fn a_snapshot_that_is_not_there_is_refused_with_those_that_are() {
    let folder = tempfile::tempdir().unwrap();
    let snapshots = vec![("7".into(), "monday".into(), [].into(), 1 << 20)];
    let image = Qcow2 { snapshots, ..Qcow2::new(16, 1 << 20) }.write().file;
    std::fs::write(folder.path().join("a.qcow2"), image).unwrap();
    let args = ["convert", "a.qcow2", "out.raw", "--snapshot", "tuesday", "--output", "json"];
    let output = imgprep(folder.path(), &args);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let error = &report["error"];
    assert_eq!((output.status.code(), &error["code"]), (Some(1), &"qcow2.snapshot.not-found".into()));
    assert!(error["message"].as_str().unwrap().contains("7 (monday)"), "{error}");
    assert!(!folder.path().join("out.raw").exists());
}

/// Clusters 16 MiB apart: each takes a part of the check's memory of its own.
#[test]
fn a_qed_with_more_places_than_the_check_keeps_is_checked_as_far_as_it_keeps_them() {
    const PLACES: usize = 1 << 15;
    let (cluster, table) = (4096usize, 16 * 4096usize);
    let mut file = vec![0; cluster + 6 * table];
    let mut put = |at: usize, value: u64| file[at..at + 8].copy_from_slice(&value.to_le_bytes());
    put(0, u64::from_le_bytes(*b"QED\0\0\x10\0\0"));
    put(8, 16 | 1 << 32);
    put(40, cluster as u64);
    put(48, (PLACES * cluster) as u64 + 4096);
    for number in 0..5 {
        put(cluster + number * 8, (cluster + (number + 1) * table) as u64);
    }
    // The header and the tables take the first place.
    let entry = |index: usize| cluster + table + index * 8;
    for index in 0..PLACES {
        put(entry(index), (index as u64 + 1) << 24);
    }
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a.qed");
    std::fs::write(&path, &file).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_len((PLACES as u64 + 2) << 24).unwrap();
    let (checked, found) =
        crate::support::structure::check(&crate::formats::all::conformance::open(&path, None).unwrap());
    let last = found.last().map(|found| (found.code, found.at));
    assert_eq!(last, Some(("qed.check.too-large", Some(entry(PLACES - 1) as u64))));
    assert_eq!((checked.check_errors, found.len()), (1, 1));
}
