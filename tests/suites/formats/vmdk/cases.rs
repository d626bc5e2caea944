//! VMDKs that users met: snapshots of `VirtualBox`, blank descriptors, encodings, streams, folders of ESX, names
//! that are almost right, and every code of the format that no other test provokes.

use std::ffi::OsStr;
use std::fs::{create_dir, write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use imgprep::{Disk, Limits, OpenOptions, ParseOptions};
use serde_json::Value;
use testdata_gen::vmdk_cases as cases;
use testdata_gen::vmdk_cases::VIRTUALBOX;
use testdata_gen::{ImageFile, write_files};

use crate::support::program::{has_tool, imgprep, names, said, tool};

/// Converts `source`, which must succeed; the disk.
#[track_caller]
fn disk(folder: &Path, source: &str, options: &[&str]) -> Vec<u8> {
    let args = [&["convert", source, "out.raw", "--force", "--no-sync", "-q", "--verify"], options].concat();
    let output = imgprep(folder, &args);
    assert!(output.status.success(), "{source} {options:?}: {}", said(&output));
    std::fs::read(folder.join("out.raw")).unwrap()
}

/// Converts `source`, which must be rejected without an output; code, offset and message.
#[track_caller]
fn refused(folder: &Path, source: &str, options: &[&str]) -> (String, Option<u64>, String) {
    let args = [&["convert", source, "refused.raw", "--no-sync", "--output", "json"], options].concat();
    let output = imgprep(folder, &args);
    assert_eq!(output.status.code(), Some(1), "{source} {options:?}: {}", said(&output));
    assert!(!folder.join("refused.raw").exists(), "{source}");
    let said: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    let error = &said["error"];
    let text = |key: &str| error[key].as_str().unwrap_or_default().to_string();
    (text("code"), error["offset"].as_u64(), text("message"))
}

/// What `check` reports of one file: exit code; code (else rule), severity and offset of every violation.
fn checked(folder: &Path, source: &str, options: &[&str]) -> (i32, Vec<(String, String, Option<u64>)>) {
    let output = imgprep(folder, &[&["check", source, "--output", "json"], options].concat());
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
    let found = report["judgements"].as_array().into_iter().flatten();
    let rows = found.map(|found| {
        let code = found["code"].as_str().or(found["rule"].as_str()).unwrap_or_default();
        let severity = found["severity"].as_str().unwrap_or_default();
        (code.to_string(), severity.to_string(), found["offset"].as_u64())
    });
    (output.status.code().unwrap(), rows.collect())
}

fn row(code: &str, severity: &str, at: u64) -> (String, String, Option<u64>) {
    (code.into(), severity.into(), Some(at))
}

fn find(bytes: &[u8], part: &str) -> u64 {
    bytes.windows(part.len()).position(|found| found == part.as_bytes()).expect("it is there") as u64
}

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
    assert_eq!(refusal(&["--follow", "none"]), ("open.gate.shut".into(), Some(at)));
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
    let text = said(&output);
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
    assert!(output.status.success(), "{}", said(&output));
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
    assert!(output.status.success() && said(&output).contains("[open.parent.changed"), "{}", said(&output));
}

#[test]
fn blank_descriptor_is_an_extent_without_a_descriptor() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let texts: [(&str, &[u8]); 7] = [
        ("newline", b"\n"),
        ("comment", b"# nothing here\n"),
        ("magic", b"# Disk DescriptorFile\n"),
        ("garbage", b"\x80\x81 garbage that is no text\n"),
        ("version", b"# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\n"),
        ("data-base", b"#DDB\nddb.adapterType = \"ide\"\n"),
        ("zeros", b""),
    ];
    for (name, text) in texts {
        let file = format!("{name}.vmdk");
        write(folder.join(&file), cases::extent_with_text(text)).unwrap();
        let (code, at, _) = refused(folder, &file, &[]);
        assert_eq!((&*code, at), ("vmdk.extent.alone", Some(0)), "{name}");
        let (exit, found) = checked(folder, &file, &[]);
        assert!(exit == 2 && found.contains(&row("vmdk.extent.alone", "error", 0)), "{name}: {found:?}");
        // No remedy makes a disk out of a part.
        let text = said(&imgprep(folder, &["check", &file]));
        assert!(!text.contains("remedy") && !text.contains("--salvage"), "{text}");
    }
    // With a descriptor it is a disk.
    write(folder.join("whole.vmdk"), cases::extent_with_text(cases::text_of_extent().as_bytes())).unwrap();
    assert_eq!(disk(folder, "whole.vmdk", &[]).len(), 1 << 20);
}

#[test]
fn descriptor_version_4_is_read_and_5_is_rejected() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let bytes = vec![7; 1 << 20];
    write(folder.join("srv-flat.vmdk"), &bytes).unwrap();
    let text = cases::text_descriptor("vmfs", &[("VMFS", "srv-flat.vmdk")]);
    for version in 1..=4 {
        write(folder.join("srv.vmdk"), text.replace("version=1", &format!("version={version}"))).unwrap();
        assert!(disk(folder, "srv.vmdk", &[]) == bytes, "{version}");
        assert!(imgprep(folder, &["info", "srv.vmdk"]).status.success());
    }
    write(folder.join("srv.vmdk"), text.replace("version=1", "version=5")).unwrap();
    let (code, at, message) = refused(folder, "srv.vmdk", &[]);
    assert_eq!((&*code, at), ("vmdk.header.version", Some(find(text.as_bytes(), "version"))));
    assert!(message.contains("version 5 of the descriptor: supported are 1 to 4"), "{message}");
}

/// A descriptor in `label` of a flat extent that has this name in it.
fn encoded(label: &str, name: &[u8]) -> Vec<u8> {
    let text = cases::text_descriptor("monolithicFlat", &[("FLAT", "@")]).replace("UTF-8", label);
    let at = text.find('@').unwrap();
    [&text.as_bytes()[..at], name, &text.as_bytes()[at + 1..]].concat()
}

/// Labels and names in them, as bytes and in UTF-8.
const ENCODED: [(&str, &[u8], &str); 6] = [
    ("GBK", b"\xb7\xfe\xce\xf1\xc6\xf7-flat.vmdk", "服务器-flat.vmdk"),
    ("Big5", b"\xa6\xf8\xaaA\xbe\xb9-flat.vmdk", "伺服器-flat.vmdk"),
    ("Shift_JIS", b"\x89\xbc\x91\x7a-flat.vmdk", "仮想-flat.vmdk"),
    ("EUC-KR", b"\xbc\xad\xb9\xf6-flat.vmdk", "서버-flat.vmdk"),
    ("windows-1251", b"\xd1\xe5\xf0\xe2\xe5\xf0-flat.vmdk", "Сервер-flat.vmdk"),
    ("windows-1252", b"B\xfcro-flat.vmdk", "Büro-flat.vmdk"),
];

#[test]
fn descriptor_encodings_are_decoded_or_kept_unchanged() {
    for (label, raw, decoded) in ENCODED {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path();
        write(folder.join("disk.vmdk"), encoded(label, raw)).unwrap();
        let (code, _, message) = refused(folder, "disk.vmdk", &[]);
        assert_eq!(code, "open.name.missing");
        assert!(message.contains(&format!("{decoded:?}")), "{label}: {message}");
        assert!(message.contains(&format!("its name is in {label}")), "{message}");
        // The unchanged bytes, as a copy over a network without conversion leaves them.
        write(folder.join(OsStr::from_bytes(raw)), vec![1; 1 << 20]).unwrap();
        assert!(disk(folder, "disk.vmdk", &[]) == vec![1; 1 << 20], "{label}");
        // The decoded name comes first.
        write(folder.join(decoded), vec![2; 1 << 20]).unwrap();
        assert!(disk(folder, "disk.vmdk", &[]) == vec![2; 1 << 20], "{label}");
    }
    // UTF-8 under a label that it is not.
    let temp = tempfile::tempdir().unwrap();
    write(temp.path().join("disk.vmdk"), encoded("windows-1252", "Büro".as_bytes())).unwrap();
    write(temp.path().join("Büro"), vec![3; 1 << 20]).unwrap();
    assert!(disk(temp.path(), "disk.vmdk", &[]) == vec![3; 1 << 20]);
    // An unknown label: the bytes are kept, with a finding.
    write(temp.path().join("disk.vmdk"), encoded("IBM850", b"B\x81ro")).unwrap();
    write(temp.path().join(OsStr::from_bytes(b"B\x81ro")), vec![4; 1 << 20]).unwrap();
    assert!(disk(temp.path(), "disk.vmdk", &[]) == vec![4; 1 << 20]);
    let (_, found) = checked(temp.path(), "disk.vmdk", &[]);
    assert!(found.contains(&row("vmdk.descriptor.encoding", "warning", 0)), "{found:?}");
}

#[test]
fn descriptor_encodings_of_parents_are_decoded_too() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let (label, raw, decoded) = ENCODED[0];
    let base = cases::text_descriptor("monolithicFlat", &[("FLAT", "base-flat.vmdk")]);
    write(folder.join("base-flat.vmdk"), vec![5; 1 << 20]).unwrap();
    let child = cases::text_descriptor("custom", &[("SPARSE", "child-s001.vmdk")]).replace("UTF-8", label);
    let at = child.find("\n# Extent").unwrap();
    let hint = [b"parentFileNameHint=\"", raw, b"\"\n"].concat();
    let child = [&child.as_bytes()[..at], &hint, &child.as_bytes()[at..]].concat();
    let at = find(&child, "parentCID=ffffffff") as usize + 10;
    let child = [&child[..at], b"1f0a2b3c", &child[at + 8..]].concat();
    write(folder.join("child.vmdk"), child).unwrap();
    write(folder.join("child-s001.vmdk"), cases::empty_part()).unwrap();
    let (code, _, message) = refused(folder, "child.vmdk", &[]);
    assert_eq!(code, "open.name.missing");
    assert!(message.contains(&format!("{decoded:?}")) && message.contains("its name is in GBK"), "{message}");
    for name in [OsStr::from_bytes(raw), OsStr::new(decoded)] {
        write(folder.join(name), &base).unwrap();
        assert!(disk(folder, "child.vmdk", &[]) == vec![5; 1 << 20], "{name:?}");
        std::fs::remove_file(folder.join(name)).unwrap();
    }
}

#[test]
fn streams_with_the_directory_in_the_header_have_no_findings() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let case = cases::streams();
    write(folder.join("a.vmdk"), &case.directory_in_header).unwrap();
    assert_eq!(checked(folder, "a.vmdk", &["--deep"]), (0, Vec::new()));
    assert!(disk(folder, "a.vmdk", &[]) == case.disk);
    // Header and footer that name two directories are two images.
    let mut two = case.directory_in_header.clone();
    two[case.footer + 56] ^= 1;
    write(folder.join("a.vmdk"), two).unwrap();
    let (exit, found) = checked(folder, "a.vmdk", &[]);
    assert!(exit == 2 && found == [row("vmdk.check.footer", "error", case.footer as u64 + 56)], "{found:?}");
}

#[test]
fn streams_with_zeros_behind_the_footer_are_read_and_other_bytes_rejected() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let case = cases::streams();
    let end = case.plain.len() as u64;
    let put = |behind: &[u8]| write(folder.join("a.vmdk"), [&case.plain[..], behind].concat()).unwrap();
    for zeros in [1, 511, 512, 4096, 1 << 20] {
        put(&vec![0; zeros]);
        assert!(disk(folder, "a.vmdk", &[]) == case.disk, "{zeros}");
        let want = (0, vec![row("vmdk.stream.zeros-behind", "note", end)]);
        assert_eq!(checked(folder, "a.vmdk", &[]), want, "{zeros}");
    }
    // A hole costs nothing.
    put(&[]);
    std::fs::OpenOptions::new().write(true).open(folder.join("a.vmdk")).unwrap().set_len(1 << 40).unwrap();
    assert!(disk(folder, "a.vmdk", &[]) == case.disk);
    let others: [&[u8]; 4] = [b"x", &[&[0; 2000][..], b"\n"].concat(), &vec![7; 70_000], b"KDMV"];
    for behind in others {
        put(behind);
        let (code, at, message) = refused(folder, "a.vmdk", &[]);
        assert_eq!((&*code, at), ("vmdk.stream.behind-end", Some(end)), "{message}");
        let want = format!("bytes {end}..{} follow", end + behind.len() as u64);
        assert!(message.contains(&want), "{message}");
        let (exit, found) = checked(folder, "a.vmdk", &[]);
        assert!(exit == 2 && found.contains(&row("vmdk.stream.behind-end", "error", end)), "{found:?}");
        assert!(disk(folder, "a.vmdk", &["--salvage"]) == case.disk);
    }
    // Without the marker of its end the file is cut.
    write(folder.join("a.vmdk"), &case.plain[..case.plain.len() - 512]).unwrap();
    assert_eq!(refused(folder, "a.vmdk", &[]).0, "vmdk.stream.cut");
}

#[test]
fn a_stream_whose_marker_names_another_directory_is_a_warning() {
    let temp = tempfile::tempdir().unwrap();
    let case = cases::streams();
    let mut file = case.plain.clone();
    // A copy of the directory in front of the grains, which the footer names.
    let copy = file[case.directory..case.directory + 512].to_vec();
    file[100 * 512..101 * 512].copy_from_slice(&copy);
    file[case.footer + 56..case.footer + 64].copy_from_slice(&100u64.to_le_bytes());
    write(temp.path().join("a.vmdk"), file).unwrap();
    let want = vec![row("vmdk.check.stream-directory", "warning", case.footer as u64 + 56)];
    assert_eq!(checked(temp.path(), "a.vmdk", &[]), (0, want));
    assert!(disk(temp.path(), "a.vmdk", &[]) == case.disk);
}

fn put_all(files: &[ImageFile], folder: &Path) {
    write_files(files, folder).unwrap();
}

#[test]
fn esxi_folder_gives_one_job_per_descriptor() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    create_dir(folder.join("vms")).unwrap();
    let (files, disks) = cases::esx_folder();
    put_all(&files, &folder.join("vms"));
    let output = imgprep(folder, &["batch", "vms", "--out", "out", "--to", "raw", "--no-sync", "-q"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
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
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    for name in kept {
        assert!(said(&output).contains(name), "{name}: {}", said(&output));
        let (exit, found) = checked(&folder.join("vms"), name, &[]);
        assert!(exit == 2 && found.contains(&row("vmdk.extent.alone", "error", 0)), "{name}: {found:?}");
    }
    let text = said(&imgprep(folder, &["check", "vms"]));
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
fn similar_file_names_are_suggested_in_the_error() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    for (wanted, there, why) in [
        (
            "B\u{fc}ro-flat.vmdk",
            "Bu\u{308}ro-flat.vmdk",
            "has the same name in another Unicode normalization",
        ),
        (
            "Ca\u{301}fe-flat.vmdk",
            "C\u{e1}fe-flat.vmdk",
            "has the same name in another Unicode normalization",
        ),
        ("Win7-flat.vmdk", "win7-FLAT.VMDK", "differs in upper and lower case"),
        ("web 01-flat.vmdk", "web%2001-flat.vmdk", "has the same name with other percent-encoding"),
        ("web%2002-flat.vmdk", "web 02-flat.vmdk", "has the same name with other percent-encoding"),
        ("C:\\VMs\\server-flat.vmdk", "serevr-flat.vmdk", "differs in 2 characters"),
    ] {
        write(folder.join(there), vec![1; 1 << 20]).unwrap();
        write(folder.join("disk.vmdk"), cases::text_descriptor("vmfs", &[("VMFS", wanted)])).unwrap();
        let (code, _, message) = refused(folder, "disk.vmdk", &[]);
        assert_eq!(code, "open.name.missing");
        assert!(message.contains(&format!("{there:?} next to the image {why}")), "{message}");
        std::fs::remove_file(folder.join(there)).unwrap();
    }
    // Nothing near: no guess. Another part of the disk is not meant.
    write(folder.join("disk-s001.vmdk"), cases::sparse_part()).unwrap();
    let text =
        cases::text_descriptor("custom", &[("SPARSE", "disk-s001.vmdk"), ("SPARSE", "disk-s002.vmdk")]);
    write(folder.join("disk.vmdk"), text).unwrap();
    let (_, _, message) = refused(folder, "disk.vmdk", &[]);
    assert!(message.contains("\"disk-s002.vmdk\", which does not exist ["), "{message}");
}

#[test]
fn fulldevice_descriptor_over_a_file_error_names_the_file_as_the_disk() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    write(folder.join("pc.img"), vec![9; 1 << 20]).unwrap();
    let text = cases::text_descriptor("fullDevice", &[("FLAT", "pc.img")]);
    write(folder.join("fulldevice.vmdk"), &text).unwrap();
    let (code, at, message) = refused(folder, "fulldevice.vmdk", &[]);
    assert_eq!((&*code, at), ("vmdk.descriptor.physical", Some(find(text.as_bytes(), "createType"))));
    assert!(message.contains(": the disk is in pc.img, as a RAW disk ["), "{message}");
    assert!(disk(folder, "pc.img", &["--from", "raw"]) == vec![9; 1 << 20]);
    let device = cases::text_descriptor("fullDevice", &[("FLAT", "/dev/sdb")]);
    write(folder.join("fulldevice.vmdk"), device).unwrap();
    let (_, _, message) = refused(folder, "fulldevice.vmdk", &[]);
    assert!(message.contains("a device of another machine"), "{message}");
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

#[test]
fn redundant_tables_that_differ_are_a_warning_of_convert() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let case = cases::redundant();
    write(folder.join("a.vmdk"), &case.file).unwrap();
    let output = imgprep(folder, &["convert", "a.vmdk", "a.raw", "--no-sync"]);
    assert!(output.status.success() && !said(&output).contains("vmdk.check.redundant"), "{}", said(&output));
    // The table that is read, its copy, the redundant directory: whichever was damaged.
    let copy = case.entries[1] as u64;
    for (at, place) in
        [(case.entries[0], copy), (case.entries[1], copy), (case.directory, case.directory as u64)]
    {
        let mut damaged = case.file.clone();
        damaged[at..at + 4].fill(0);
        write(folder.join("a.vmdk"), damaged).unwrap();
        let output = imgprep(folder, &["convert", "a.vmdk", "b.raw", "--no-sync", "--force"]);
        let text = said(&output);
        assert!(output.status.success(), "{text}");
        assert!(text.contains(&format!("[vmdk.check.redundant, file offset {place}]")), "{at}: {text}");
        let (_, found) = checked(folder, "a.vmdk", &[]);
        assert!(found.contains(&row("vmdk.check.redundant", "warning", place)), "{at}: {found:?}");
    }
}

#[test]
fn stream_grain_missing_from_its_table_is_a_warning_of_convert() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let case = cases::streams();
    for whole in [&case.plain, &case.directory_in_header] {
        let convert = |bytes: &[u8]| {
            write(folder.join("a.vmdk"), bytes).unwrap();
            let output = imgprep(folder, &["convert", "a.vmdk", "b.raw", "--no-sync", "--force"]);
            assert!(output.status.success(), "{}", said(&output));
            said(&output)
        };
        let text = convert(whole);
        assert!(!text.contains("vmdk."), "{text}");
        // The first grain is at sector 128, which has one byte that is not 0.
        let mut damaged = whole.clone();
        assert_eq!(damaged[case.entry..case.entry + 4], [128, 0, 0, 0]);
        damaged[case.entry] = 0;
        let text = convert(&damaged);
        assert!(text.contains("[vmdk.check.leak, file offset 65536]"), "{text}");
    }
}

/// The header's flag decides whether there is a redundant directory, and whether the newline bytes count.
#[test]
fn fields_without_their_flag_are_ignored() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let case = cases::redundant();
    write(folder.join("a.vmdk"), &case.file).unwrap();
    let whole = disk(folder, "a.vmdk", &[]);
    let mut damaged = case.file.clone();
    damaged[case.entries[1]..case.entries[1] + 4].fill(0xff);
    damaged[73..77].copy_from_slice(b"\r\n \r");
    write(folder.join("a.vmdk"), &damaged).unwrap();
    assert_eq!(refused(folder, "a.vmdk", &[]).0, "vmdk.header.newlines");
    // Neither flag: the copy is not compared, and its place outside of the file is no finding.
    damaged[8] = 0;
    damaged[48..56].copy_from_slice(&(1u64 << 40).to_le_bytes());
    write(folder.join("a.vmdk"), &damaged).unwrap();
    assert!(disk(folder, "a.vmdk", &[]) == whole);
    let (exit, found) = checked(folder, "a.vmdk", &[]);
    let is_about_copy = |found: &&(String, String, Option<u64>)| found.0.contains("redundant");
    assert!(exit != 2 && !found.iter().any(|found| is_about_copy(&found)), "{found:?}");
    // With the redundant directory's flag its place is one.
    damaged[8] = 2;
    write(folder.join("a.vmdk"), &damaged).unwrap();
    let (_, found) = checked(folder, "a.vmdk", &[]);
    assert!(found.contains(&row("vmdk.redundant.past-end", "warning", 48)), "{found:?}");
}

#[test]
fn descriptor_with_a_nul_is_rejected() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let text = cases::text_of_extent();
    let whole = cases::extent_with_text(text.as_bytes());
    write(folder.join("a.vmdk"), &whole).unwrap();
    let disk_bytes = disk(folder, "a.vmdk", &[]);
    // Some of everywhere, and every byte of the line that names the extent.
    let line = text.find("RW ").unwrap();
    for at in (0..text.len()).filter(|at| at % 31 == 0 || (line - 2..line + 12).contains(at)) {
        let mut cut = whole.clone();
        cut[512 + at] = 0;
        write(folder.join("a.vmdk"), cut).unwrap();
        let output = imgprep(folder, &["convert", "a.vmdk", "b.raw", "--no-sync", "--force"]);
        let said = said(&output);
        if output.status.success() {
            // The last byte, or a line of the data base that begins with the NUL.
            let is_read = std::fs::read(folder.join("b.raw")).unwrap() == disk_bytes;
            let is_told = said.contains("vmdk.descriptor.behind-end") || at + 1 == text.len();
            assert!(is_read && is_told, "{at}: {said}");
        } else {
            let place = format!("[vmdk.descriptor.nul, file offset {}]", 512 + at);
            assert!(said.contains(&place) || at == 0 && said.contains("[vmdk.extent.alone"), "{at}: {said}");
        }
    }
}

#[test]
fn codes_of_unusual_descriptors() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let text = cases::text_of_extent();
    let put = |text: &str| write(folder.join("a.vmdk"), cases::extent_with_text(text.as_bytes())).unwrap();
    let second = text.replace("\n\n# The Disk Data Base", "\nRW 1 ZERO\n\n# The Disk Data Base");
    put(&second);
    let (code, at, _) = refused(folder, "a.vmdk", &[]);
    assert_eq!(
        (&*code, at),
        ("vmdk.descriptor.embedded-extents", Some(512 + find(second.as_bytes(), "RW 1 ZERO")))
    );
    put(&text.replace("isNativeSnapshot=\"no\"", "isNativeSnapshot=\"yes\""));
    let (exit, found) = checked(folder, "a.vmdk", &[]);
    let at = 512 + find(text.as_bytes(), "isNative");
    assert!(exit == 0 && found.contains(&row("vmdk.descriptor.native-snapshot", "warning", at)), "{found:?}");
    put(&text.replace("\nCID=", "\nxID="));
    let (_, found) = checked(folder, "a.vmdk", &[]);
    assert!(found.contains(&row("vmdk.descriptor.no-cid", "warning", 512)), "{found:?}");
    put(&text.replace("RW 2048", "RW 2047"));
    let (exit, found) = checked(folder, "a.vmdk", &[]);
    assert!(exit == 0 && found.contains(&row("vmdk.extent.rounded", "note", 12)), "{found:?}");
    assert_eq!(disk(folder, "a.vmdk", &[]).len(), 2047 * 512);
}

#[test]
fn codes_of_limits_and_unusual_offsets() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    // A text of the limit is read, one of a byte more is not.
    let mut text = cases::text_descriptor("vmfs", &[("ZERO", "")]).replace(" \"\"", "");
    text = text.replace("\"vmfs\"", "\"custom\"");
    let room = (1 << 20) - text.len();
    text += &"#".repeat(room);
    write(folder.join("a.vmdk"), &text).unwrap();
    assert_eq!(disk(folder, "a.vmdk", &[]).len(), 2048 * 512);
    write(folder.join("a.vmdk"), text + "#").unwrap();
    let (code, at, message) = refused(folder, "a.vmdk", &[]);
    assert_eq!((&*code, at), ("vmdk.limit.descriptor", Some(0)));
    assert!(message.contains("1048577"), "{message}");
    // A cut stream of more grains than may be kept: 24 bytes each.
    write(folder.join("a.vmdk"), cases::cut_stream(11)).unwrap();
    let opened = |grains: u64| {
        let limits = Limits { resident_bytes: grains * 24, ..Limits::default() };
        let parse = ParseOptions { limits, salvage: true, ..ParseOptions::default() };
        Disk::open(&folder.join("a.vmdk"), &OpenOptions { parse, ..OpenOptions::default() })
    };
    assert_eq!(opened(11).unwrap().size(), 11 * 4096);
    let error = opened(10).err().unwrap();
    assert_eq!((error.code(), error.at()), ("vmdk.limit.grains", Some(128 * 512 + 10 * 512)));
    // An extent of more than 2 GiB in a disk of parts of 2 GiB.
    let (text, part) = cases::large_extent();
    write(folder.join("large.vmdk"), &text).unwrap();
    write(folder.join("large-s001.vmdk"), part).unwrap();
    let (_, found) = checked(folder, "large.vmdk", &["--follow", "beside"]);
    let at = find(text.as_bytes(), "RW ");
    assert!(found.contains(&row("vmdk.check.extent-large", "warning", at)), "{found:?}");
    let (text, part, directory) = cases::sesparse_table_outside();
    write(folder.join("out.vmdk"), text).unwrap();
    write(folder.join("out-sesparse.vmdk"), part).unwrap();
    let (_, found) = checked(folder, "out.vmdk", &["--follow", "beside"]);
    assert!(found.contains(&row("vmdk.check.table-outside", "warning", directory)), "{found:?}");
}

/// QEMU reads the streams and the version that we read, with the same bytes.
#[test]
fn cases_readable_by_qemu_img_give_the_same_disk() {
    if !has_tool("qemu-img") {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let case = cases::streams();
    write(folder.join("a.vmdk"), &case.directory_in_header).unwrap();
    tool(folder, "qemu-img", &["convert", "-f", "vmdk", "-O", "raw", "a.vmdk", "theirs.raw"]);
    assert!(std::fs::read(folder.join("theirs.raw")).unwrap() == case.disk);
    write(folder.join("srv-flat.vmdk"), vec![7; 1 << 20]).unwrap();
    let text = cases::text_descriptor("vmfs", &[("VMFS", "srv-flat.vmdk")]).replace("version=1", "version=4");
    write(folder.join("srv.vmdk"), text).unwrap();
    tool(folder, "qemu-img", &["convert", "-f", "vmdk", "-O", "raw", "srv.vmdk", "theirs.raw"]);
    assert!(std::fs::read(folder.join("theirs.raw")).unwrap() == vec![7; 1 << 20]);
}
