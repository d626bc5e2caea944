//! Folders of ESX and Workstation.

use std::fs::{create_dir, write};
use std::path::Path;

use serde_json::Value;
use testdata_gen::vmdk_cases as cases;

use crate::formats::vmdk::commands::{checked, put_all, row};
use crate::support::program::{imgprep, names, printed};

#[test]
fn esxi_folder_gives_one_job_per_descriptor() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    create_dir(folder.join("vms")).unwrap();
    let (files, disks) = cases::esx_folder();
    put_all(&files, &folder.join("vms"));
    let output = imgprep(folder, &["batch", "vms", "--out", "out", "--to", "raw", "--no-sync", "-q"]);
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    let raws: Vec<_> = names(&folder.join("out"))
        .into_iter()
        .filter(|name| Path::new(name).extension().is_some_and(|end| end == "raw"))
        .collect();
    let want: Vec<_> = disks.keys().map(|name| name.replace(".vmdk", ".raw")).collect();
    assert_eq!(raws, {
        let mut want = want;
        want.sort();
        want
    });
    for (name, disk) in &disks {
        let raw = folder.join("out").join(name.replace(".vmdk", ".raw"));
        assert!(std::fs::read(raw).unwrap() == *disk, "{name}");
    }
    // The same with a pattern that matches the parts as well.
    let args = ["batch", "vms", "--out", "again", "--include", "*.vmdk", "--plan", "--output", "json"];
    let plan: Value = serde_json::from_slice(&imgprep(folder, &args).stdout).unwrap();
    assert_eq!(plan["images"].as_array().unwrap().len(), disks.len(), "{plan:#}");
}

#[test]
fn esxi_folder_is_checked_through_its_descriptors() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let (files, disks) = cases::esx_folder();
    put_all(&files, folder);
    let report = || {
        let output = imgprep(folder, &["check", ".", "--allow", "safety/backing-file", "--output", "json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let files = report["files"].as_array().unwrap().clone();
        let names: Vec<_> = files.iter().map(|file| file["filename"].as_str().unwrap().to_string()).collect();
        (output.status.code().unwrap(), names, files)
    };
    let (exit, names, found) = report();
    let mut want: Vec<_> = disks.keys().map(|name| format!("./{name}")).collect();
    want.sort();
    assert_eq!((exit, names), (0, want));
    // The parts were opened: nothing is left unchecked.
    let text = serde_json::to_string(&found).unwrap();
    assert!(!text.contains("not-opened"), "{text}");
    // Damage in a part is an error of its descriptor.
    let mut part = std::fs::read(folder.join("db-s002.vmdk")).unwrap();
    part[20] = 7;
    write(folder.join("db-s002.vmdk"), part).unwrap();
    let (exit, names, found) = report();
    let errors: Vec<_> = found.iter().filter(|file| file["counts"]["errors"] != 0).collect();
    assert_eq!((exit, names.len(), errors.len()), (2, disks.len(), 1), "{errors:#?}");
    assert_eq!(errors[0]["filename"], "./db.vmdk");
    let codes: Vec<_> =
        errors[0]["judgements"].as_array().unwrap().iter().map(|found| &found["code"]).collect();
    assert!(codes.iter().any(|code| *code == "vmdk.header.field"), "{codes:?}");
    // If an extent is missing, the disk cannot be checked.
    std::fs::remove_file(folder.join("old-f002.vmdk")).unwrap();
    let (_, _, found) = report();
    let old = found.iter().find(|file| file["filename"] == "./old.vmdk").unwrap();
    assert_eq!(
        (&old["outcome"], &old["error"]["code"]),
        (&"not-checked".into(), &"open.name.missing".into()),
        "{old:#}"
    );
}

#[test]
fn a_part_whose_descriptor_is_missing_is_reported() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    create_dir(folder.join("vms")).unwrap();
    let (files, _) = cases::esx_folder();
    let kept = ["db-s001.vmdk", "web-000001-delta.vmdk", "web-000002-sesparse.vmdk"];
    let parts: Vec<_> = files.into_iter().filter(|file| kept.contains(&&*file.name)).collect();
    put_all(&parts, &folder.join("vms"));
    let output = imgprep(folder, &["batch", "vms", "--out", "out", "--no-sync"]);
    assert_eq!(output.status.code(), Some(2), "{}", printed(&output));
    for name in kept {
        assert!(printed(&output).contains(name), "{name}: {}", printed(&output));
        let (exit, found) = checked(&folder.join("vms"), name, &[]);
        assert!(exit == 2 && found.contains(&row("vmdk.extent.alone", "error", 0)), "{name}: {found:?}");
    }
    let text = printed(&imgprep(folder, &["check", "vms"]));
    assert!(!text.contains("remedy"), "{text}");
}

/// An untrusted descriptor must not hide a complete image from a check or a batch.
#[test]
fn image_that_a_descriptor_names_as_its_extent_is_still_listed() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let disk = cases::redundant().file;
    let (files, _) = cases::esx_folder();
    put_all(&files[..2], folder);
    let text = cases::text_descriptor("custom", &[("FLAT", "other.qcow2"), ("SPARSE", "whole.vmdk")]);
    write(folder.join("hides.vmdk"), text).unwrap();
    write(folder.join("other.qcow2"), testdata_gen::Qcow2::new(16, 1 << 20).write().file).unwrap();
    write(folder.join("whole.vmdk"), disk).unwrap();
    let output = imgprep(folder, &["check", ".", "--output", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<_> = report["files"].as_array().unwrap().iter().map(|file| &file["filename"]).collect();
    assert_eq!(names, ["./hides.vmdk", "./other.qcow2", "./web.vmdk", "./whole.vmdk"]);
}

#[test]
fn thousands_of_unopened_extents_are_one_finding() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    for (extents, gap) in [(2, false), (4096, false), (4096, true), (20_000, true)] {
        write(folder.join("a.vmdk"), cases::many_extents(extents, gap)).unwrap();
        let (exit, found) = checked(folder, "a.vmdk", &[]);
        let unopened: Vec<_> = found.iter().filter(|found| found.0.ends_with("not-opened")).collect();
        assert_eq!(unopened.len(), 1, "{extents} {gap}: {unopened:?}");
        assert_eq!(unopened[0].0, "vmdk.extent.not-opened");
        assert_eq!(unopened[0].1, "warning");
        let others = found.iter().any(|found| found.0 == "structure/unchecked");
        assert!(!others && exit == 0, "{extents} {gap}: {exit}");
    }
}
