//! Snapshots of `VirtualBox`.

use std::fs::{create_dir, write};

use serde_json::Value;
use testdata_gen::vmdk_cases as cases;
use testdata_gen::vmdk_cases::VIRTUALBOX;

use crate::formats::vmdk::commands::{disk, find, refused};
use crate::support::program::{imgprep, printed};

#[test]
fn virtualbox_snapshot_is_read_over_the_image_with_its_parents_uuid() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let case = cases::virtualbox();
    create_dir(folder.join("Snapshots")).unwrap();
    let child = format!("Snapshots/{}", case.snapshot.name);
    write(folder.join(&child), &case.snapshot.bytes).unwrap();
    let at = find(&case.snapshot.bytes, "ddb.uuid.parent=");
    let not_found = ("open.parent.not-found".to_string(), Some(at));
    let refusal = |options: &[&str]| {
        let (code, at, message) = refused(folder, &child, options);
        assert!(message.contains(VIRTUALBOX[0]), "{message}");
        (code, at)
    };
    assert_eq!(refusal(&["--follow", "any"]), not_found, "there is no such image yet");
    write(folder.join("vm.vmdk"), &case.base).unwrap();
    assert_eq!(refusal(&[]), not_found, "the folder above is for --follow any");
    assert_eq!(refusal(&["--follow", "none"]), ("open.follow.denied".into(), Some(at)));
    assert!(disk(folder, &child, &["--follow", "any"]) == case.disk);
    assert!(disk(folder, &child, &["--parent", "vm.vmdk"]) == case.disk);
    // Beside the snapshot, and then twice.
    write(folder.join("Snapshots/a.vmdk"), &case.base).unwrap();
    assert!(disk(folder, &child, &[]) == case.disk);
    write(folder.join("Snapshots/b.vmdk"), &case.base).unwrap();
    assert_eq!(refusal(&[]), ("open.parent.several".into(), Some(at)));
    // The base is a whole disk: its parent's uuid is nil.
    assert_eq!(disk(folder, "vm.vmdk", &[]).len(), case.disk.len());
}

#[test]
fn virtualbox_snapshot_names_its_parent_in_info_and_check() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let case = cases::virtualbox();
    let child = &*case.snapshot.name;
    write(folder.join(child), &case.snapshot.bytes).unwrap();
    let output = imgprep(folder, &["info", child]);
    let text = printed(&output);
    assert!(text.contains(&format!("not named, identified by {}", VIRTUALBOX[0])), "{text}");
    let at = find(&case.snapshot.bytes, "ddb.uuid.parent=");
    let output = imgprep(folder, &["check", child, "--for", "huawei-ims", "--output", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let violations = report["judgements"].as_array().unwrap();
    let of = |rule: &str| {
        violations.iter().find(|found| found["rule"] == rule).unwrap_or_else(|| panic!("{rule}"))
    };
    assert!(of("import/snapshot")["fact"].as_str().unwrap().contains(VIRTUALBOX[0]));
    let named = of("safety/backing-file");
    assert_eq!(named["offset"], at);
    assert!(named["fact"].as_str().unwrap().contains(VIRTUALBOX[0]), "{named}");
    // No name leads anywhere.
    assert!(violations.iter().all(|found| found["rule"] != "safety/outside-path"), "{violations:#?}");
    // Without opening other files it is unknown whether the parent exists: no command is shown.
    assert_eq!(named["remedy"], Value::Null);
    write(folder.join("vm.vmdk"), &case.base).unwrap();
    let output = imgprep(folder, &["convert", child, "out.zvhd2", "--follow", "beside"]);
    assert!(output.status.success(), "{}", printed(&output));
}

#[test]
fn virtualbox_parents_are_compared_by_uuid_and_modification() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let case = cases::virtualbox();
    write(folder.join("vm.vmdk"), &case.base).unwrap();
    let edit = |from: &str, to: &str| {
        let at = find(&case.snapshot.bytes, from) as usize;
        let mut bytes = case.snapshot.bytes.clone();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        write(folder.join("child.vmdk"), bytes).unwrap();
    };
    // Another uuid than that of the image which --parent names.
    edit(&format!("parent=\"{}", VIRTUALBOX[0]), "parent=\"4f1c2b6a");
    assert_eq!(refused(folder, "child.vmdk", &["--parent", "vm.vmdk"]).0, "open.parent.mismatch");
    assert_eq!(refused(folder, "child.vmdk", &[]).0, "open.parent.not-found");
    // Upper case is the same uuid.
    edit(&format!("parent=\"{}", VIRTUALBOX[0]), &format!("parent=\"{}", VIRTUALBOX[0].to_uppercase()));
    assert!(disk(folder, "child.vmdk", &[]) == case.disk);
    // An invalid uuid is rejected, not ignored.
    edit(&format!("parent=\"{}", VIRTUALBOX[0]), "parent=\"xf1c2b6a");
    let at = find(&case.snapshot.bytes, "ddb.uuid.parent=");
    let (code, place, _) = refused(folder, "child.vmdk", &[]);
    assert_eq!((&*code, place), ("vmdk.descriptor.value", Some(at)));
    // The base was written to after the snapshot was made.
    edit("parentmodification=\"0", "parentmodification=\"1");
    let mut base = case.base.clone();
    let at = find(&base, "modification=\"0") as usize + 14;
    base[at] = b'2';
    write(folder.join("vm.vmdk"), base).unwrap();
    let output = imgprep(folder, &["convert", "child.vmdk", "x.raw", "--no-sync"]);
    assert!(
        output.status.success() && printed(&output).contains("[open.parent.changed"),
        "{}",
        printed(&output)
    );
}
