//! Cases that users met with `imgprep batch`.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;
use testdata_gen::{Noise, sample, write_files};

use crate::support::batches::{JOURNAL, holds, journal};
use crate::support::escaping::{HOSTILE, file_is_clean, printed_clean};
use crate::support::program::{command, imgprep, names, printed};

pub(super) fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", printed(output)))
}

/// Two small disks in `images`.
pub(super) fn two(folder: &Path) -> Vec<Vec<u8>> {
    std::fs::create_dir(folder.join("images")).unwrap();
    let disk = |index: u64| {
        let disk = Noise::new(index).half_compressible(200_000);
        std::fs::write(folder.join(format!("images/{index}.raw")), &disk).unwrap();
        disk
    };
    (0..2).map(disk).collect()
}

pub(super) fn with_input(folder: &Path, args: &[&str], input: &[u8]) -> Output {
    let mut child = command(folder, args);
    let child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

const BATCH: &[&str] = &["batch", "images", "--out", "out", "--no-sync", "--output", "json"];

/// The case `batch --resume` with other options: the difference is shown, and nothing is replaced without `--force`.
#[test]
fn a_batch_is_not_resumed_with_other_options() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let disks = two(folder);
    let out = folder.join("out");
    assert!(imgprep(folder, &[BATCH, &["--level", "1"]].concat()).status.success());
    let bytes = || ["0.zvhd2", "1.zvhd2", JOURNAL].map(|name| std::fs::read(out.join(name)).unwrap());
    let before = bytes();
    for (more, difference) in [
        (&[][..], "option level was 1, is the default (2 images)"),
        (&["--level", "9"], "option level was 1, is 9 (2 images)"),
        (&["--level", "1", "--verify"], "verify was the default, is yes (2 images)"),
        (&["--level", "1", "--salvage"], "salvage was the default, is yes (2 images)"),
        (&["--level", "1", "--for", "otc"], "profile was the default, is otc (2 images)"),
        (&["--level", "1", "--disk", "data"], "disk was the default, is data (2 images)"),
        (&["--level", "1", "--follow", "any"], "follow was the default, is any (2 images)"),
        (&["--level", "1", "--accept-parent"], "accept-parent was the default, is yes (2 images)"),
        (&["--level", "1", "--from", "raw"], "from was the default, is raw (2 images)"),
        (&["-O", "raw"], "option level was 1, is the default (2 images); to was zvhd2, is raw (2 images)"),
        (
            &["--level", "1", "--name", "x-{stem}.{ext}"],
            "the output of images/0.raw was 0.zvhd2, is x-0.zvhd2; the output of images/1.raw was 1.zvhd2, is x-1.zvhd2",
        ),
    ] {
        for plan in [&[][..], &["--plan"]] {
            let output = imgprep(folder, &[BATCH, &["--resume"], more, plan].concat());
            assert_eq!(output.status.code(), Some(1), "{more:?}");
            let want = format!(
                "out/{JOURNAL}: the batch was started with other options: {difference} [batch.options.differ]"
            );
            let error = &json(&output)["error"];
            assert_eq!(
                (&error["message"], &error["hint"]),
                (&want.into(), &"restart-batch".into()),
                "{more:?}"
            );
            assert!(bytes() == before, "{more:?}");
        }
    }
    let resume = |more: &[&str]| json(&imgprep(folder, &[BATCH, &["--resume"], more].concat()));
    assert_eq!(resume(&["--level", "1"])["earlier"], 2);
    let planned =
        json(&imgprep(folder, &[BATCH, &["--resume", "--force", "--level", "9", "--plan"]].concat()));
    assert_eq!(
        (&planned["images"][0]["intent"], &planned["images"][0]["error"]),
        (&"convert".into(), &Value::Null)
    );
    let done = resume(&["--force", "--level", "9"]);
    assert_eq!((&done["done"], &done["earlier"]), (&2.into(), &0.into()));
    assert!(bytes() != before && holds(folder, &out.join("0.zvhd2"), &disks[0]));
    // What counts from now on are the new options.
    assert_eq!(resume(&["--level", "9"])["earlier"], 2);
    assert_eq!(resume(&["--level", "1"])["error"]["code"], "batch.options.differ");
}

/// Other spellings of the same paths and another working directory are no other options.
#[test]
fn a_batch_is_resumed_from_another_directory() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    two(folder);
    symlink("images", folder.join("link")).unwrap();
    std::fs::create_dir(folder.join("elsewhere")).unwrap();
    assert!(imgprep(folder, BATCH).status.success());
    let whole = folder.join("images").display().to_string();
    for (place, images, out) in [
        (".", "./images/", "out"),
        (".", "link", "./out"),
        (".", whole.as_str(), "out"),
        ("elsewhere", "../images", "../out"),
        ("images", ".", "../out"),
    ] {
        let args = ["batch", images, "--out", out, "--resume", "--output", "json"];
        let output = imgprep(&folder.join(place), &args);
        assert!(output.status.success(), "{args:?}: {}", printed(&output));
        assert_eq!(json(&output)["earlier"], 2, "{args:?}");
    }
}

/// The cases `file-names/dangling.qcow2` and `p.vmdk -> /etc/passwd`.
#[test]
fn links_that_lead_nowhere_or_out_of_the_folder_fail_in_a_batch() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    two(folder);
    std::fs::write(folder.join("outside.raw"), vec![1; 4096]).unwrap();
    let images = folder.join("images");
    symlink("0.raw", images.join("same.raw")).unwrap();
    symlink("/nonexistent", images.join("dangling.qcow2")).unwrap();
    symlink("/etc/passwd", images.join("p.vmdk")).unwrap();
    symlink("../outside.raw", images.join("out.raw")).unwrap();
    symlink("/etc", images.join("etc")).unwrap();
    std::fs::write(folder.join("jobs.toml"), "out = 'm'\n[[image]]\npath = 'images'\n").unwrap();
    for args in [
        &["batch", "images", "--out", "out"][..],
        &["batch", "jobs.toml"],
        &["batch", "images", "--out", "x", "--plan"],
    ] {
        let output = imgprep(folder, &[args, &["--output", "json"]].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let report = json(&output);
        let code = |name: &str| {
            let source = format!("images/{name}");
            let all = report["images"].as_array().unwrap();
            let image = all.iter().find(|image| image["source"].as_str() == Some(&source)).unwrap();
            image["error"]["code"].as_str().map(String::from)
        };
        let codes = ["0.raw", "1.raw", "same.raw", "dangling.qcow2", "p.vmdk", "out.raw"].map(code);
        let outside = Some("folder.link.outside".to_string());
        let want = [None, None, None, Some("folder.link.dangling".into()), outside.clone(), outside];
        assert_eq!(codes, want, "{args:?}");
        assert_eq!(report["left-out"], serde_json::json!(["images/etc"]));
    }
    assert_eq!(names(&folder.join("out")), ["0.zvhd2", "1.zvhd2", JOURNAL, "same.zvhd2"]);
    // Asked for, or named by hand.
    let args = ["batch", "images", "--out", "any", "--follow", "any", "--include", "out.raw"];
    assert!(imgprep(folder, &args).status.success());
    let output = with_input(folder, &["batch", "-", "--out", "list"], b"images/out.raw\n");
    assert!(output.status.success(), "{}", printed(&output));
    assert!(holds(folder, &folder.join("list/out.zvhd2"), &vec![1; 4096]));
}

/// The case `file-names/`: names in lines of progress, in the summary, in plans and in every report.
#[test]
fn control_characters_in_file_names_are_escaped_in_every_output_of_a_batch() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::create_dir(folder.join("images")).unwrap();
    let whole = &sample().files[0].bytes;
    for (index, name) in HOSTILE.into_iter().enumerate() {
        std::fs::write(folder.join("images").join(name), if index % 2 == 0 { whole } else { &whole[..300] })
            .unwrap();
        std::fs::write(folder.join("images").join(format!("{name}.txt")), "left out").unwrap();
    }
    let out = HOSTILE[0];
    let args = ["batch", "images", "--out", out, "--no-sync", "--for", "otc", "--retry-pause", "1"];
    for plan in ["text", "json"] {
        printed_clean(&imgprep(folder, &[&args[..], &["--plan", "--output", plan]].concat()), plan);
    }
    let reports = ["--report", "r.json", "--report", "r.xml", "--report", "r.html"];
    for more in [&["--progress", "jsonl"][..], &["-q"], &[], &["--output", "json"]] {
        let output = imgprep(folder, &[&args[..], &reports, more, &["--force"]].concat());
        assert_eq!(output.status.code(), Some(2), "{}", printed(&output));
        printed_clean(&output, &format!("batch {more:?}"));
        for name in ["r.json", "r.xml", "r.html"] {
            file_is_clean(&folder.join(name));
        }
    }
    let report: Value = serde_json::from_slice(&std::fs::read(folder.join("r.json")).unwrap()).unwrap();
    let mut sources: Vec<_> =
        report["images"].as_array().unwrap().iter().map(|image| image["source"].as_str().unwrap()).collect();
    let mut want = HOSTILE.map(|name| format!("images/{name}"));
    sources.sort_unstable();
    want.sort_unstable();
    assert_eq!(sources, want, "JSON has the exact names");
    printed_clean(&imgprep(folder, &args), "a batch that worked before");
    printed_clean(&imgprep(folder, &[&args[..], &["--resume", "--verify"]].concat()), "other options");
    printed_clean(&imgprep(folder, &["batch", "images", "--out", "y", "--name", out]), "a template");
    let manifest = format!("out = 'z'\n[[image]]\npath = \"images\"\nto = {out:?}\n");
    std::fs::write(folder.join("jobs.toml"), manifest.replace("\\u{", "\\u00").replace('}', "")).unwrap();
    printed_clean(&imgprep(folder, &["batch", "jobs.toml"]), "a manifest");
    assert_eq!(journal(&folder.join(out)).last().unwrap()["event"], "end");
}

/// Errors that end a batch before its first image, each with its code.
#[test]
fn batch_that_cannot_run_reports_a_code() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    two(folder);
    std::fs::create_dir_all(folder.join(format!("dir/{JOURNAL}"))).unwrap();
    std::fs::write(folder.join("file"), "").unwrap();
    std::fs::write(folder.join("bad.toml"), "out = \n").unwrap();
    for (args, code, message) in [
        (
            &["images", "--out", "dir"][..],
            "batch.journal.failed",
            "the journal cannot be opened: Is a directory",
        ),
        (&["images", "--out", "file/out"], "batch.listing", "file: cannot create the folder: File exists"),
        (&["bad.toml"], "batch.manifest", "line 1, column "),
        (&["images", "--out", "x", "--include", "{a"], "batch.setting", "{a"),
    ] {
        let output = imgprep(folder, &[&["batch"], args, &["--output", "json"]].concat());
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", printed(&output));
        let error = &json(&output)["error"];
        assert_eq!(error["code"], code, "{error}");
        let text = error["message"].as_str().unwrap();
        assert!(text.contains(message) && !text.contains("os error"), "{text}");
    }
}

/// The files of an image that is converted are not shown under the names that they have while they are written.
#[test]
fn errors_name_the_output_and_not_its_temporary_file() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let path = write_files(&sample().files, folder).unwrap().display().to_string();
    std::fs::write(folder.join("no"), "a file where a folder would be").unwrap();
    let output = imgprep(folder, &["convert", &path, "no/out.raw"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        printed(&output).contains("no/out.raw: ") && !printed(&output).contains(".imgprep-"),
        "{}",
        printed(&output)
    );
}
