//! QCOW2 from reports of users: images that name themselves, backing files that are not followed, snapshots, bitmaps.

use std::path::Path;

use serde_json::Value;
use testdata_gen::{Cell, Qcow2, damaged, write_files};

use crate::support::checks::{json_of, violations};
use crate::support::program::{has_tool, imgprep, printed, tool};

#[test]
fn batch_reports_warnings_about_damage() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("images")).unwrap();
    let image = damaged().into_iter().find(|image| image.code == "qcow2.refcount.low").unwrap();
    write_files(&image.files, &folder.path().join("images")).unwrap();
    let args = ["batch", "images", "--out", "out", "--output", "json", "--no-sync"];
    let output = imgprep(folder.path(), &args);
    assert!(output.status.success(), "{}", printed(&output));
    assert!(printed(&output).contains("qcow2.refcount.low"), "{}", printed(&output));
}

/// Identity decides: the name itself, a hard link, a symbolic link.
#[test]
fn image_that_names_itself_is_rejected() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let error = |args: &[&str]| {
        let output = imgprep(folder, &[args, &["--output", "json"]].concat());
        assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
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
    let json: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", printed(&output)));
    let text = |value: &Value| value.as_str().unwrap().to_string();
    let all = json["judgements"].as_array().unwrap().iter();
    (all.map(|found| (text(&found["rule"]), text(&found["severity"]))).collect(), output.status.code())
}

/// A relative name in an untrusted image, judged like `OpenStack`'s inspector does.
#[test]
fn unfollowed_relative_backing_file_is_an_error_of_check() {
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
        // The severity of the rule can be changed.
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

#[test]
fn missing_snapshot_error_lists_the_existing_ones() {
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

/// Codes of the findings that a command reports as JSON, in `field`.
fn codes(folder: &Path, args: &[&str], field: &str) -> Vec<String> {
    let output = imgprep(folder, args);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = report[field].as_array().unwrap();
    found.iter().filter_map(|finding| finding["code"].as_str()).map(String::from).collect()
}

#[test]
fn persistent_bitmaps_of_a_qcow2_have_a_note() {
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

/// Bits that a reader may ignore are reported, by the names that the image stores.
#[test]
fn unknown_optional_features_of_a_qcow2_are_reported() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let entry =
        |set: u8, bit: u8, name: &str| [&[set, bit][..], name.as_bytes(), &vec![0; 46 - name.len()]].concat();
    let names = [entry(0, 5, "wrong set"), entry(1, 5, "fast scan"), entry(2, 63, "change log")].concat();
    let recipe = Qcow2 { extensions: vec![(0x6803_f857, names)], ..Qcow2::new(16, 1 << 20) };
    let mut file = recipe.write().file;
    std::fs::write(folder.join("a.qcow2"), &file).unwrap();
    assert!(violations(&json_of(folder, &["a.qcow2"]).0).is_empty(), "a table of names says nothing");
    // Bit 5 of the compatible ones, 63 and 7 of the autoclear ones, and those that are known.
    (file[87], file[88], file[95]) = (0x21, 0x80, 0x81);
    std::fs::write(folder.join("a.qcow2"), &file).unwrap();
    let (json, code) = json_of(folder, &["a.qcow2"]);
    let reported: Vec<_> = violations(&json)
        .into_iter()
        .filter(|found| found["rule"] == "safety/optional-feature")
        .map(|found| {
            (
                found["severity"].as_str().unwrap(),
                found["offset"].as_u64().unwrap(),
                found["fact"].as_str().unwrap(),
            )
        })
        .collect();
    let want = [
        ("warning", 88, "unknown autoclear features: bit 7, change log"),
        ("note", 80, "unknown compatible features: fast scan"),
    ];
    assert_eq!((reported, code), (want.to_vec(), Some(0)), "{json:#}");
}
