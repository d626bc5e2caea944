//! What a command writes: never over what it reads, under any name, whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;

use serde_json::Value;
use testdata_gen::{Qcow2, good, write_files};

use crate::support::outputs::{MIB, contents, overlay, refused};
use crate::support::program::{command, imgprep, names, printed};

#[test]
fn report_or_receipt_path_that_names_an_input_or_output_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    overlay(at);
    for (index, file) in ["top.qcow2", "base.raw"].iter().enumerate() {
        symlink(file, at.join(format!("soft{index}"))).unwrap();
        fs::hard_link(at.join(file), at.join(format!("hard{index}"))).unwrap();
    }
    symlink("out.raw", at.join("soft-out")).unwrap();
    let convert = ["convert", "top.qcow2", "out.raw"];
    for path in ["top.qcow2", "base.raw", "./base.raw", "soft0", "soft1", "hard0", "hard1"] {
        for option in ["--report", "--receipt"] {
            for more in [&[][..], &["--force"], &["--dry-run"], &["--dry-run", "--force"]] {
                let text = refused(at, &[&convert[..], &[option, path], more].concat(), "[output.is-source");
                assert!(text.contains(&format!("the {} is also a source", &option[2..])), "{text}");
            }
        }
    }
    for path in ["out.raw", "soft-out", "./out.raw"] {
        for option in ["--report", "--receipt"] {
            refused(at, &[&convert[..], &[option, path]].concat(), "[output.twice");
            refused(at, &[&convert[..], &[option, path, "--dry-run", "--force"]].concat(), "[output.twice");
        }
    }
    refused(at, &[&convert[..], &["--report", "r", "--receipt", "./r"]].concat(), "[output.twice");
    refused(at, &[&convert[..], &["--report", "out.mf", "--bitmap"]].concat(), "[output.twice");
}

#[test]
fn output_or_bitmap_path_that_names_an_input_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    overlay(at);
    fs::hard_link(at.join("base.raw"), at.join("hard.raw")).unwrap();
    symlink("top.qcow2", at.join("soft.raw")).unwrap();
    for output in ["hard.raw", "soft.raw", "base.raw"] {
        refused(at, &["convert", "top.qcow2", output, "--force"], "[output.is-source");
        refused(at, &["convert", "top.qcow2", output, "--force", "--dry-run"], "[output.is-source");
    }
    // A RAW that is called as its own bitmap would be.
    fs::write(at.join("disk.mf"), vec![1; MIB]).unwrap();
    let args = ["convert", "--from", "raw", "disk.mf", "disk.raw", "--bitmap"];
    refused(at, &args, "[output.is-source");
    refused(at, &[&args[..], &["--force"]].concat(), "[output.is-source");
    for bitmap in ["base.raw", "hard.raw", "soft.raw"] {
        refused(at, &["bitmap", "top.qcow2", bitmap, "--force"], "[output.is-source");
    }
    refused(at, &["bitmap", "base.raw", "b.mf", "--report", "base.raw"], "[output.is-source");
    refused(at, &["bitmap", "base.raw", "b.mf", "--report", "b.mf"], "[output.twice");
    let args = ["bitmap", "base.raw", "hard.raw", "--force", "--bitmap-command", "cp {raw} {mf}"];
    refused(at, &args, "[output.is-source");
}

#[test]
fn every_extent_of_a_split_image_is_protected() {
    let image = good().into_iter().find(|image| image.name == "vmdk-split-flat").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let source = write_files(&image.files, folder.path()).unwrap();
    let source = source.file_name().unwrap().to_str().unwrap();
    let all = names(folder.path());
    assert!(all.len() > 2, "{all:?}");
    for extent in &all {
        for args in [
            ["convert", source, "out.raw", "--report", extent],
            ["convert", source, "out.raw", "--receipt", extent],
        ] {
            refused(folder.path(), &[&args[..], &["--force"]].concat(), "[output.is-source");
        }
        refused(folder.path(), &["convert", source, extent, "-O", "raw", "--force"], "[output.is-source");
    }
}

#[test]
fn files_behind_standard_input_and_output_are_protected() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("disk.raw"), vec![5; MIB]).unwrap();
    let before = contents(at);
    let size = MIB.to_string();
    let args = ["convert", "-", "out.raw", "--from", "raw", "--size", &size, "--report", "disk.raw"];
    let output = command(at, &args).stdin(File::open(at.join("disk.raw")).unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(printed(&output).contains("[output.is-source"), "{}", printed(&output));
    let appended = OpenOptions::new().append(true).open(at.join("disk.raw")).unwrap();
    let output = command(at, &["convert", "disk.raw", "-", "-O", "raw"]).stdout(appended).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(printed(&output).contains("[output.is-source"), "{}", printed(&output));
    assert!(contents(at) == before);
}

/// What a failed command would have read is not all known: its report replaces only a report.
#[test]
fn the_report_of_a_failed_conversion_replaces_no_image() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    overlay(at);
    // The middle layer is damaged, so the base below it is never opened.
    fs::write(at.join("middle.qcow2"), b"QFI\xfb damaged").unwrap();
    let backing = Some(("middle.qcow2".to_string(), Some("qcow2".to_string())));
    fs::write(at.join("upper.qcow2"), Qcow2 { backing, ..Qcow2::new(16, 2 << 16) }.write().file).unwrap();
    for report in ["base.raw", "middle.qcow2", "upper.qcow2"] {
        refused(at, &["convert", "upper.qcow2", "out.raw", "--report", report], "");
    }
    refused(at, &["convert", "no-such.qcow2", "out.raw", "--report", "out.raw"], "[io.open.not-found");
    let args = ["convert", "upper.qcow2", "out.raw", "--report", "r.json"];
    for before in [None, Some(""), Some("{\"schema\":\"imgprep/convert/1\"}")] {
        before.map_or(Ok(()), |text| fs::write(at.join("r.json"), text)).unwrap();
        assert_eq!(imgprep(at, &args).status.code(), Some(1));
        let report: Value = serde_json::from_slice(&fs::read(at.join("r.json")).unwrap()).unwrap();
        assert!(report["error"]["code"].as_str().unwrap().starts_with("qcow2."), "{report}");
    }
    fs::write(at.join("r.json"), "{\"mine\":1}").unwrap();
    let text = refused(at, &args, "not replaced");
    assert!(text.contains("r.json"), "{text}");
}

#[test]
fn batch_never_overwrites_images_backing_files_manifests_or_outputs() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::create_dir(at.join("images")).unwrap();
    overlay(&at.join("images"));
    fs::rename(at.join("images/base.raw"), at.join("images/base.json")).unwrap();
    let mut recipe = Qcow2::new(16, 2 << 16);
    recipe.backing = Some(("base.json".into(), Some("raw".into())));
    fs::write(at.join("images/top.qcow2"), recipe.write().file).unwrap();
    symlink("images/top.qcow2", at.join("top.json")).unwrap();
    let batch = ["batch", "images", "--out", "out", "--name", "{stem}.json", "-q"];
    let unchanged = |args: &[&str], code: &str| {
        let before = contents(&at.join("images"));
        let output = imgprep(at, args);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", printed(&output));
        assert!(printed(&output).contains(code), "{args:?}: {}", printed(&output));
        assert!(contents(&at.join("images")) == before && !at.join("out").exists(), "{args:?}");
    };
    for more in [&[][..], &["--force"], &["--plan"]] {
        for (report, code) in [
            ("images/base.json", "[output.is-source"),
            ("top.json", "[output.is-source"),
            ("out/top.json", "[output.twice"),
        ] {
            // The folder of the last one is not there yet: its name is compared.
            unchanged(&[&batch[..], &["--report", report], more].concat(), code);
        }
        unchanged(
            &[&batch[..], &["--report", "a.json", "--report", "./a.json"], more].concat(),
            "[output.twice",
        );
    }
    // An output that would replace another image's backing file.
    fs::create_dir(at.join("out")).unwrap();
    fs::rename(at.join("images/base.json"), at.join("out/top.json")).unwrap();
    recipe.backing = Some(("../out/top.json".into(), Some("raw".into())));
    fs::write(at.join("images/top.qcow2"), recipe.write().file).unwrap();
    let before = fs::read(at.join("out/top.json")).unwrap();
    let output = imgprep(at, &[&batch[..], &["--force", "--follow", "any"]].concat());
    assert!(printed(&output).contains("[output.is-source"), "{}", printed(&output));
    assert!(fs::read(at.join("out/top.json")).unwrap() == before);
}

#[test]
fn an_output_name_of_240_to_255_bytes_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let disk = overlay(at);
    for len in [240, 250, 255] {
        let name = "x".repeat(len - 4) + ".raw";
        let report = "r".repeat(len);
        let args = ["convert", "top.qcow2", &name, "--bitmap", "--verify", "-q", "--report", &report];
        for more in [&[][..], &["--force"]] {
            let output = imgprep(at, &[&args[..], more].concat());
            assert!(output.status.success(), "{len}: {}", printed(&output));
            assert!(fs::read(at.join(&name)).unwrap() == disk);
        }
        let command = ["convert", "top.qcow2", &name, "-q", "--force", "--bitmap-command", "cp {raw} {mf}"];
        let output = imgprep(at, &command);
        assert!(output.status.success(), "{len}: {}", printed(&output));
    }
    fs::create_dir(at.join("images")).unwrap();
    let name = "y".repeat(251) + ".raw";
    fs::write(at.join("images").join(&name), &disk).unwrap();
    let output = imgprep(at, &["batch", "images", "--out", "out", "-O", "raw", "-q"]);
    assert!(output.status.success(), "{}", printed(&output));
    assert!(fs::read(at.join("out").join(&name)).unwrap() == disk);
    let hidden = |name: &String| name.starts_with('.');
    assert!(!names(at).iter().any(hidden) && !names(&at.join("out")).iter().any(hidden));
}

#[test]
fn errors_do_not_contain_hidden_file_names() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    overlay(at);
    // A tool whose last words are its arguments.
    fs::write(at.join("tool.sh"), "echo \"cannot use $1 and $2\" >&2\nexit 9\n").unwrap();
    let args = ["convert", "top.qcow2", "out.raw", "--bitmap-command", "sh tool.sh {raw} {mf}"];
    let text = refused(at, &args, "[bitmap.command-failed");
    assert!(text.contains("cannot use out.raw and out.mf") && !text.contains("imgprep-"), "{text}");
}

#[test]
fn new_outputs_follow_the_umask_and_replaced_ones_keep_their_mode() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    overlay(at);
    let mode = |name: &str| fs::metadata(at.join(name)).unwrap().mode() & 0o7777;
    for (umask, new) in [("027", 0o640), ("077", 0o600), ("000", 0o666)] {
        let program = command(
            at,
            &[
                "convert",
                "top.qcow2",
                "out.raw",
                "--bitmap",
                "--force",
                "-q",
                "--report",
                "r.json",
                "--receipt",
                "c.json",
            ],
        );
        let run = |umask: &str| {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("umask {umask} && exec \"$0\" \"$@\"")]).arg(program.get_program());
            let output = shell.args(program.get_args()).current_dir(at).output().unwrap();
            assert!(output.status.success(), "{}", printed(&output));
        };
        run(umask);
        let files = ["out.raw", "out.mf", "r.json", "c.json"];
        assert_eq!(files.map(mode), [new; 4], "umask {umask}");
        for name in files {
            fs::set_permissions(at.join(name), fs::Permissions::from_mode(0o604)).unwrap();
        }
        run(umask);
        // A RAW's old bitmap goes before the RAW does: the new one is a new file.
        assert_eq!([mode("out.raw"), mode("r.json"), mode("c.json")], [0o604; 3]);
        files.iter().for_each(|name| fs::remove_file(at.join(name)).unwrap());
    }
}
