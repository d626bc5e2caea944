//! Cases that users met: partition tables, sectors, folders, and reports about disks.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use testdata_gen::{Qcow2, SparseDisk, sample, write_files};

use crate::support::program::{command, has_tool, imgprep, printed, skip};

const GIB: u64 = 1 << 30;

/// `check --for huawei-ims` as JSON, and its exit code.
fn imported(folder: &Path, args: &[&str]) -> (Value, Option<i32>) {
    let output = imgprep(folder, &[&["check", "--for", "huawei-ims", "--output", "json"], args].concat());
    (
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", printed(&output))),
        output.status.code(),
    )
}

fn found<'j>(json: &'j Value, rule: &str) -> Vec<&'j Value> {
    json["judgements"].as_array().unwrap().iter().filter(|found| found["rule"] == rule).collect()
}

fn boot(json: &Value) -> &str {
    found(json, "import/boot")[0]["fact"].as_str().unwrap()
}

fn verdict<'j>(json: &'j Value, route: &str) -> &'j Value {
    json["routes"].as_array().unwrap().iter().find(|found| found["id"] == route).unwrap()
}

/// Writes the disk as `d.raw` and checks it.
fn disk(folder: &Path, disk: &SparseDisk) -> (Value, Option<i32>) {
    disk.write(&folder.join("d.raw")).unwrap();
    imported(folder, &["d.raw"])
}

#[test]
fn disk_with_a_stale_gpt_is_an_mbr_disk() {
    let temp = tempfile::tempdir().unwrap();
    let (json, code) = disk(temp.path(), &testdata_gen::stale_gpt());
    assert_eq!((code, verdict(&json, "import")["verdict"].as_str()), (Some(0), Some("ready")), "{json:#}");
    assert_eq!(boot(&json), "an MBR with boot code: register it as BIOS");
    let note = found(&json, "structure/note")[0];
    assert_eq!((&note["code"], &note["offset"]), (&json!("disk.gpt-unprotected"), &json!(512)), "{note}");
    assert_eq!(note["severity"], "note");
    let output = imgprep(temp.path(), &["info", "d.raw", "--output", "json"]);
    let info: Value = serde_json::from_slice(&output.stdout).unwrap();
    let starts: Vec<_> = info["partitions"].as_array().unwrap().iter().map(|found| &found["start"]).collect();
    assert_eq!(
        (&info["contents"], starts),
        (&json!("MBR partitions"), vec![&json!(2048 * 512), &json!(1_002_048 * 512)])
    );
}

#[test]
fn a_gpt_without_a_protective_mbr_is_ignored_with_a_warning() {
    let temp = tempfile::tempdir().unwrap();
    let (json, code) = disk(temp.path(), &testdata_gen::unprotected_gpt());
    let warning = found(&json, "structure/note")[0];
    assert_eq!(
        (code, &warning["code"], &warning["severity"]),
        (Some(0), &json!("disk.gpt-unprotected"), &json!("warning"))
    );
    assert_eq!(boot(&json), "no boot sector and no partition table: not bootable");
}

#[test]
fn bios_and_uefi_raw_starts_from_either_firmware() {
    let temp = tempfile::tempdir().unwrap();
    let either =
        "a GPT with an EFI partition, and boot code with a partition for it: register it as BIOS or as UEFI";
    let (json, code) = disk(temp.path(), &testdata_gen::bios_and_uefi());
    assert_eq!((code, boot(&json)), (Some(0), either));
    let (json, code) = disk(temp.path(), &testdata_gen::hybrid_mbr());
    assert_eq!((code, boot(&json)), (Some(0), either));
    assert_eq!(found(&json, "structure/note")[0]["code"], "disk.hybrid-mbr");
    let (json, _) = disk(temp.path(), &testdata_gen::uefi_with_code());
    assert_eq!(boot(&json), "a GPT with an EFI partition: register it as UEFI");
}

#[test]
fn a_damaged_gpt_is_read_from_its_copy() {
    let temp = tempfile::tempdir().unwrap();
    let whole = testdata_gen::bios_and_uefi();
    // A byte of the disk's GUID in the header, one of an entry's attributes, the signature.
    for (at, byte, code, offset) in [
        (512 + 60, 1, "disk.gpt-header", 512),
        (1024 + 48, 1, "disk.gpt-entries", 512 + 88),
        (512, 0, "disk.gpt-backup-only", 512),
    ] {
        let (json, exit) = disk(temp.path(), &whole.clone().with(at, &[byte]));
        let warning = found(&json, "structure/note")[0];
        assert_eq!(
            (&warning["code"], &warning["offset"], exit),
            (&json!(code), &json!(offset), Some(0)),
            "{json:#}"
        );
        assert!(boot(&json).ends_with("register it as BIOS or as UEFI"), "{code}: {}", boot(&json));
    }
    let both = whole.with(512 + 60, &[1]).with(GIB - 512 + 60, &[1]);
    let (json, _) = disk(temp.path(), &both);
    assert_eq!(found(&json, "import/boot").len(), 0, "firmware ignores a GPT that is damaged at both places");
}

#[test]
fn a_4kn_raw_is_not_ready() {
    let temp = tempfile::tempdir().unwrap();
    for made in [testdata_gen::gpt_of_large_sectors(GIB), testdata_gen::mbr_of_large_sectors(GIB)] {
        let (json, code) = disk(temp.path(), &made);
        let error = found(&json, "import/sector-size")[0];
        assert_eq!((code, &error["severity"]), (Some(2), &json!("error")), "{json:#}");
        assert_eq!(error["fact"], "the partition table counts in 4096-byte sectors");
        assert_eq!(error["bound"], "the cloud's disks have 512-byte sectors");
        for route in ["import", "fast-zvhd2", "fast-raw"] {
            assert_eq!(verdict(&json, route)["verdict"], "never", "{json:#}");
        }
    }
    let (json, code) = disk(temp.path(), &testdata_gen::bios_and_uefi());
    assert_eq!((code, found(&json, "import/sector-size").len()), (Some(0), 0));
}

#[test]
fn k4_vhdx_is_not_ready() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let size = 16 << 20;
    let bare = SparseDisk { size, pieces: vec![(0, b"XFSB\0\0\x10\0".to_vec())] };
    for (made, severity, exit) in [
        (testdata_gen::gpt_of_large_sectors(size), "error", Some(2)),
        (testdata_gen::mbr_of_large_sectors(size), "error", Some(2)),
        (bare, "warning", Some(0)),
    ] {
        std::fs::write(folder.join("k4.vhdx"), testdata_gen::vhdx_of_large_sectors_with(&made)).unwrap();
        let (json, code) = imported(folder, &["k4.vhdx"]);
        let violation = found(&json, "import/sector-size")[0];
        assert_eq!((&violation["severity"], code), (&json!(severity), exit), "{json:#}");
        // A conversion keeps the sectors of the table and reports nothing else about them.
        std::fs::remove_file(folder.join("d.raw")).ok();
        assert!(imgprep(folder, &["convert", "-q", "k4.vhdx", "d.raw"]).status.success());
        let (json, _) = imported(folder, &["d.raw"]);
        assert_eq!(found(&json, "import/sector-size").len(), usize::from(severity == "error"), "{json:#}");
        assert_eq!(found(&json, "import/boot").len(), usize::from(severity != "error"), "{json:#}");
    }
}

#[test]
fn an_empty_disk_is_not_ready() {
    let temp = tempfile::tempdir().unwrap();
    for (name, bytes) in [("empty.img", Vec::new()), ("empty.qcow2", Qcow2::new(16, 0).write().file)] {
        std::fs::write(temp.path().join(name), bytes).unwrap();
        let (json, code) = imported(temp.path(), &[name]);
        assert_eq!(code, Some(2), "{json:#}");
        assert!(
            json["routes"].as_array().unwrap().iter().all(|route| route["verdict"] == "never"),
            "{json:#}"
        );
    }
}

#[test]
fn check_of_standard_input_is_rejected() {
    let temp = tempfile::tempdir().unwrap();
    let output = imgprep(temp.path(), &["check", "-"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        printed(&output),
        "imgprep: standard input cannot be checked: give a file (for a file named -, use ./-)\n"
    );
    write_files(&sample().files, temp.path()).unwrap();
    std::fs::rename(temp.path().join("sample.qcow2"), temp.path().join("-")).unwrap();
    assert_eq!(imgprep(temp.path(), &["check", "./-"]).status.code(), Some(0));
}

#[test]
fn check_of_a_folder_without_images_exits_1() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::create_dir_all(folder.join("empty/deeper")).unwrap();
    std::fs::create_dir(folder.join("texts")).unwrap();
    std::fs::write(folder.join("texts/README.md"), "no image").unwrap();
    write_files(&sample().files, folder).unwrap();
    for args in [&["empty"][..], &["texts"], &["sample.qcow2", "empty"], &["gone"]] {
        let output = imgprep(folder, &[&["check", "--output", "json"], args].concat());
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", printed(&output));
    }
    let output = imgprep(folder, &["check", "empty"]);
    let want = "empty: unknown format, not checked\n  not checked: empty: the folder contains no image files: nothing was checked [check.no-images]\n";
    assert_eq!(printed(&output), want);
}

/// As `lost+found` is to everybody but root.
#[test]
fn unreadable_folder_does_not_hide_other_folders() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::create_dir_all(folder.join("images/lost+found")).unwrap();
    std::fs::create_dir_all(folder.join("images/sub")).unwrap();
    for name in ["images/a.qcow2", "images/sub/b.qcow2"] {
        std::fs::write(folder.join(name), &sample().files[0].bytes).unwrap();
    }
    let chmod = |mode: &str| {
        let status = Command::new("chmod").args([mode, "images/lost+found"]).current_dir(folder).status();
        assert!(status.unwrap().success());
    };
    let opened = Command::new("chmod").args(["-R", "a+rX", "."]).current_dir(folder).status();
    assert!(opened.unwrap().success());
    chmod("000");
    let mut check = command(folder, &["check", "--output", "json", "images"]);
    if std::fs::read_dir(folder.join("images/lost+found")).is_ok() {
        // Root may list every folder.
        if !has_tool("setpriv") {
            return;
        }
        let mut other = Command::new("setpriv");
        other.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        other.arg(check.get_program()).args(check.get_args()).current_dir(folder);
        check = other;
    }
    let output = check.output().unwrap();
    chmod("755");
    if output.stdout.is_empty() {
        skip("other-users", "a folder that only another user may list");
        return;
    }
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let files = json["files"].as_array().unwrap();
    let names: Vec<_> = files
        .iter()
        .map(|file| (file["filename"].as_str().unwrap(), file["outcome"].as_str().unwrap()))
        .collect();
    let want =
        [("images/lost+found", "not-checked"), ("images/a.qcow2", "fine"), ("images/sub/b.qcow2", "fine")];
    assert_eq!((names, output.status.code()), (want.to_vec(), Some(1)), "{json:#}");
    assert_eq!(files[0]["error"]["code"], "io.open.permission");
}

#[test]
fn warnings_are_allowed_again_on_the_command_line() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::write(folder.join("d.qcow2"), Qcow2 { incompatible: 1, ..Qcow2::new(16, 1 << 20) }.write().file)
        .unwrap();
    let code = |args: &[&str]| imgprep(folder, &[&["check", "d.qcow2"], args].concat()).status.code();
    assert_eq!(
        (code(&[]), code(&["--allow", "warnings"]), code(&["--deny", "warnings"])),
        (Some(0), Some(0), Some(3))
    );
    std::fs::write(folder.join("imgprep.toml"), "[check]\ndeny = [\"warnings\"]\n").unwrap();
    assert_eq!((code(&[]), code(&["--allow", "warnings"])), (Some(3), Some(0)));
}

#[test]
fn a_raw_of_holes_has_no_data() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let file = File::create(folder.join("holes.raw")).unwrap();
    file.set_len(20 * GIB).unwrap();
    let allocation = |zeros: u64, data: u64| {
        let output = imgprep(folder, &["info", "holes.raw", "--output", "json"]);
        let info: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(info["allocation"], json!({ "data": data, "compressed": 0, "zero": zeros, "parent": 0 }));
    };
    allocation(20 * GIB, 0);
    file.write_all_at(&vec![1; 65536], 5 * GIB).unwrap();
    allocation(20 * GIB - 65536, 65536);
    let text = printed(&imgprep(folder, &["info", "holes.raw"]));
    assert!(text.lines().any(|line| line.ends_with("data 64 KiB, zeros 19.9 GiB")), "{text}");
}

#[test]
fn neighbouring_holes_are_one_row_of_the_map() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    // Data of the image that its file has in a hole, beside what the image itself has not.
    let mut image = Qcow2::new(16, 1 << 20);
    image.cells.insert(2, testdata_gen::Cell::Data(vec![0; 65536]));
    let written = image.write();
    let at = written.places[&2];
    let file = File::create(folder.join("d.qcow2")).unwrap();
    file.set_len(written.file.len() as u64).unwrap();
    let (head, tail) = (usize::try_from(at).unwrap(), usize::try_from(at + 65536).unwrap());
    file.write_all_at(&written.file[..head], 0).unwrap();
    file.write_all_at(&written.file[tail..], at + 65536).unwrap();
    let output = imgprep(folder, &["map", "d.qcow2", "--output", "json"]);
    let map: Value = serde_json::from_slice(&output.stdout).unwrap();
    let extents = map["extents"].as_array().unwrap();
    assert_eq!((extents.len(), &extents[0]["length"]), (1, &json!(1 << 20)), "{map:#}");
    let text = printed(&imgprep(folder, &["map", "d.qcow2"]));
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[test]
fn conversion_reports_that_it_enlarges_the_disk() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let line = "the disk has 64 MiB (67108864 bytes); in the cloud it will have 1 GiB (1073741824 bytes), padded with zeros\n";
    write_files(&sample().files, folder).unwrap();
    for args in [&["--dry-run"][..], &[]] {
        let text = printed(&imgprep(folder, &[&["convert", "sample.qcow2", "a.zvhd2"], args].concat()));
        assert_eq!(text.matches(line).count(), 1, "{text}");
    }
    let text = printed(&imgprep(folder, &["convert", "sample.qcow2", "a.raw"]));
    assert!(!text.contains("in the cloud"), "{text}");
    let output = imgprep(folder, &["convert", "sample.qcow2", "b.zvhd2", "--output", "json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["virtual-size"], &json["target-virtual-size"]), (&json!(64 << 20), &json!(GIB)));
    File::create(folder.join("whole.raw")).unwrap().set_len(GIB).unwrap();
    let text = printed(&imgprep(folder, &["convert", "whole.raw", "c.zvhd2"]));
    assert!(!text.contains("in the cloud"), "{text}");
}
