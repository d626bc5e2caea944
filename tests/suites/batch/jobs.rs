//! `imgprep batch`: many images, failures, plans.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;
use testdata_gen::{Noise, broken, good, write_files};

use crate::support::batches::{JOURNAL, holds};
use crate::support::program::{command, imgprep, names, printed};

#[test]
fn batch_converts_good_images_and_reports_broken_ones() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("images");
    std::fs::create_dir(&images).unwrap();
    let mut want = HashMap::new();
    let good = good().into_iter().filter(|image| image.files.len() == 1 && image.snapshot.is_none());
    for image in good.take(12) {
        let path = write_files(&image.files, &images).unwrap();
        want.insert(path.file_name().unwrap().to_string_lossy().into_owned(), Ok(image.disk));
    }
    for image in broken().into_iter().filter(|image| image.files.len() == 1).take(40) {
        let path = write_files(&image.files, &images).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let convert = imgprep(&images, &["convert", &name, "x.raw", "--no-sync", "--output", "json"]);
        let printed: Value = serde_json::from_slice(&convert.stdout).unwrap();
        let _ = std::fs::remove_file(images.join("x.raw"));
        match printed["error"]["code"].as_str() {
            Some(code) => want.insert(name, Err(code.to_string())),
            // An image that is rejected for another reason.
            None => continue,
        };
    }
    std::fs::write(images.join("disk.iso"), vec![0; 100]).unwrap();
    let args =
        ["batch", "images", "--out", "out", "--name", "{name}.{ext}", "--include", "*", "--retry-pause", "1"];
    let output = imgprep(folder.path(), &[&args[..], &["--output", "json", "--no-sync", "-q"]].concat());
    assert_eq!(output.status.code(), Some(2), "{}", printed(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut seen = 0;
    for record in report["images"].as_array().unwrap() {
        let name = Path::new(record["source"].as_str().unwrap()).file_name().unwrap().to_str().unwrap();
        match want.get(name) {
            Some(Ok(bytes)) => {
                assert_eq!(record["state"], "done", "{record:#}");
                let output = folder.path().join("out").join(record["output"].as_str().unwrap());
                assert!(holds(folder.path(), &output, bytes), "{name}");
            }
            Some(Err(code)) => {
                assert_eq!(
                    (record["state"].as_str(), record["error"]["code"].as_str()),
                    (Some("failed"), Some(code.as_str()))
                );
                assert!(!folder.path().join("out").join(record["output"].as_str().unwrap()).exists());
            }
            None => continue,
        }
        seen += 1;
    }
    assert_eq!(seen, want.len());
    assert!(names(&folder.path().join("out")).iter().all(|name| !name.starts_with('.')));
}

/// A batch that is slow enough to be met at work.
fn slow(folder: &Path, extra: &[&str]) -> Child {
    let images = folder.join("images");
    std::fs::create_dir_all(&images).unwrap();
    for name in ["a.raw", "b.raw", "c.raw"] {
        if !images.join(name).exists() {
            std::fs::write(images.join(name), Noise::new(1).half_compressible(48 << 20)).unwrap();
        }
    }
    let args = [
        "batch",
        "images",
        "--out",
        "out",
        "--level",
        "22",
        "-j",
        "1",
        "--memory",
        "1G",
        "--progress",
        "jsonl",
    ];
    let mut child = command(folder, &[&args[..], extra].concat())
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // "begin" and "start" are out: the journal is locked and the first image at work.
    let (mut lines, mut byte) = (0, [0]);
    while lines < 2 {
        child.stderr.as_mut().unwrap().read_exact(&mut byte).unwrap();
        lines += u32::from(byte[0] == b'\n');
    }
    child
}

#[test]
fn second_batch_on_a_folder_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = slow(folder.path(), &[]);
    for extra in [&[][..], &["--resume"], &["--force"]] {
        let second = imgprep(folder.path(), &[&["batch", "images", "--out", "out"][..], extra].concat());
        assert_eq!(second.status.code(), Some(1));
        let reported = printed(&second);
        assert!(
            reported.contains("batch.locked") && reported.contains(&first.id().to_string()),
            "{reported}"
        );
    }
    first.kill().unwrap();
    first.wait().unwrap();
}

#[test]
fn fail_fast_starts_no_further_image() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("images");
    std::fs::create_dir(&images).unwrap();
    // The largest is the first.
    std::fs::write(images.join("z.raw"), vec![1; 1 << 20]).unwrap();
    std::fs::write(images.join("a.qcow2"), [b"QFI\xfb\0\0\0\x09".to_vec(), vec![1; 4 << 20]].concat())
        .unwrap();
    let args = ["batch", "images", "--out", "out", "-j", "1", "--output", "json"];
    let output = imgprep(folder.path(), &[&args[..], &["--fail-fast"]].concat());
    assert_eq!(output.status.code(), Some(2));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((report["failed"].as_u64(), report["stopped"].as_u64()), (Some(1), Some(1)), "{report:#}");
    let output = imgprep(folder.path(), &[&args[..], &["--resume"]].concat());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((report["failed"].as_u64(), report["done"].as_u64()), (Some(1), Some(1)));
}

/// A folder without the right to write is an error of the system: it is tried again. A missing image and a
/// corrupt one are not.
#[test]
fn only_io_errors_are_retried() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.qcow2"), b"QFI\xfb\0\0\0\x09".repeat(99)).unwrap();
    std::fs::write(folder.path().join("fine.raw"), vec![1; 4096]).unwrap();
    let manifest = "out = 'out'\n[[image]]\npath = 'bad.qcow2'\n[[image]]\npath = 'gone.raw'\n\
                    [[image]]\npath = 'fine.raw'\noutput = 'no/such/x.zvhd2'\n";
    std::fs::write(folder.path().join("jobs.toml"), manifest).unwrap();
    // A file has the name of the output's folder.
    std::fs::create_dir(folder.path().join("out")).unwrap();
    std::fs::write(folder.path().join("out/no"), "").unwrap();
    let begun = std::time::Instant::now();
    let args = ["batch", "jobs.toml", "--retries", "3", "--retry-pause", "100", "--output", "json", "-q"];
    let output = imgprep(folder.path(), &args);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let attempts: Vec<_> = report["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image["attempts"].as_u64().unwrap())
        .collect();
    assert_eq!(attempts, [1, 1, 4], "{report:#}");
    // 100, 200, 400.
    assert!(begun.elapsed() >= Duration::from_millis(700));
    // It passes while it is tried.
    let args =
        ["batch", "jobs.toml", "--resume", "--retries", "9", "--retry-pause", "100", "--progress", "jsonl"];
    let mut child =
        command(folder.path(), &args).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut reported = Vec::new();
    while !String::from_utf8_lossy(&reported).contains("\"retry\"") {
        let mut byte = [0];
        child.stderr.as_mut().unwrap().read_exact(&mut byte).unwrap();
        reported.extend(byte);
    }
    std::fs::remove_file(folder.path().join("out/no")).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert!(folder.path().join("out/no/such/x.zvhd2").exists());
}

#[test]
fn list_is_read_from_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.raw", "b c.raw"] {
        std::fs::write(folder.path().join(name), vec![1; 4096]).unwrap();
    }
    let mut child =
        command(folder.path(), &["batch", "-", "--out", "out", "-q"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"a.raw\n\nb c.raw\n").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(names(&folder.path().join("out")), ["a.zvhd2", "b c.zvhd2", JOURNAL]);
}

/// Names of files are bytes: a list and the journal take them as they are.
#[test]
fn file_names_that_are_not_utf8_are_converted_and_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let names = [&b"\xff\xfe.raw"[..], b"caf\xe9.raw", b"caf\xc3\xa9.raw"];
    for name in names {
        std::fs::write(folder.path().join(std::ffi::OsStr::from_bytes(name)), vec![name[0]; 8192]).unwrap();
    }
    let batch = |more: &[&str]| {
        let args = ["batch", "-", "--out", "out", "--to", "raw", "--output", "json", "-q"];
        let mut child = command(folder.path(), &[&args[..], more].concat());
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&names.join(&b"\r\n"[..])).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", printed(&output));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    assert_eq!(batch(&[])["done"], 3);
    for name in names {
        let bytes = std::fs::read(folder.path().join("out").join(std::ffi::OsStr::from_bytes(name))).unwrap();
        assert_eq!(bytes, vec![name[0]; 8192]);
    }
    assert_eq!(batch(&["--resume"])["earlier"], 3);
}

#[test]
fn plan_writes_nothing_and_lists_expected_failures() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("images");
    std::fs::create_dir(&images).unwrap();
    std::fs::write(images.join("a.raw"), vec![1; 1 << 20]).unwrap();
    std::fs::write(images.join("b.qcow2"), b"QFI\xfb\0\0\0\x09".repeat(99)).unwrap();
    std::fs::write(images.join("readme.txt"), "no image").unwrap();
    let args = ["batch", "images", "--out", "out", "--profile", "otc", "--plan"];
    let text = imgprep(folder.path(), &args);
    assert_eq!(text.status.code(), Some(2));
    let text = printed(&text);
    for part in ["images/a.raw", "can be imported (otc)", "fails: ", "2 images into out", "ignored", "free"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let json = imgprep(folder.path(), &[&args[..], &["--output", "json"]].concat());
    let plan: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(plan["images"][0]["intent"], "convert");
    assert_eq!(
        (plan["images"][1]["intent"].as_str(), plan["images"][1]["error"]["class"].as_str()),
        (Some("fail"), Some("unsupported"))
    );
    assert_eq!(names(folder.path()), ["images"]);
}

#[test]
fn example_manifest_is_written_and_accepted() {
    let folder = tempfile::tempdir().unwrap();
    assert!(imgprep(folder.path(), &["batch", "--init"]).status.success());
    // It is kept.
    assert_eq!(imgprep(folder.path(), &["batch", "--init"]).status.code(), Some(1));
    let plan = imgprep(folder.path(), &["batch", "jobs.toml", "--plan"]);
    assert_eq!(plan.status.code(), Some(2));
    assert!(
        printed(&plan).contains("images/web.qcow2") && printed(&plan).contains("io.open.not-found"),
        "{}",
        printed(&plan)
    );
}

#[test]
fn invalid_batch_is_rejected_before_writing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("images")).unwrap();
    for name in ["a.raw", "a.img"] {
        std::fs::write(folder.path().join("images").join(name), vec![1; 4096]).unwrap();
    }
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    std::fs::write(folder.path().join("typo.toml"), "out = 'out'\n[[image]]\npath = 'a'\nverfy = true\n")
        .unwrap();
    std::fs::write(folder.path().join("none.toml"), "out = 'out'\n").unwrap();
    for (args, code) in [
        (&["images", "--out", "out"][..], "batch.output.twice"),
        (&["images"], "--out"),
        (&["empty", "--out", "out"], "batch.no-jobs"),
        (&["none.toml"], "batch.no-jobs"),
        (&["typo.toml"], "line 4, column 1"),
        (&["gone.toml"], "gone.toml"),
        (&["images/a.raw", "--out", "out"], "manifest"),
        (&["images", "--out", "out", "--name", "{x}"], "{x}"),
        (&["images", "--out", "out", "--to", "floppy"], "floppy"),
        (&["images", "--out", "out", "--name", "{name}", "--report", "x.doc"], "x.doc"),
        (&["images", "--out", "out", "--name", "../{name}"], "inside"),
        (&["images", "--out", "images", "--to", "raw", "--name", "{name}"], "batch.output.is-input"),
    ] {
        let output = imgprep(folder.path(), &[&["batch"], args].concat());
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", printed(&output));
        assert!(printed(&output).contains(code), "{args:?}: {}", printed(&output));
        assert!(!folder.path().join("out").exists(), "{args:?}");
    }
}

/// The rules of `imgprep check` judge what came out: a disk of 3 TiB goes nowhere.
#[test]
fn a_profile_judges_every_output() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("in")).unwrap();
    std::fs::write(folder.path().join("in/small.raw"), vec![7; 2 << 20]).unwrap();
    let wide = testdata_gen::Qcow2::new(21, 3 << 40).write().file;
    std::fs::write(folder.path().join("in/wide.qcow2"), wide).unwrap();
    let args = ["batch", "in", "--out", "out", "--profile", "huawei-ims", "--report", "r.json", "-q"];
    let output = crate::support::program::imgprep(folder.path(), &args);
    assert_eq!(output.status.code(), Some(2), "{}", crate::support::program::printed(&output));
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("r.json")).unwrap()).unwrap();
    let images = report["images"].as_array().unwrap();
    let importable = |name: &str| {
        let image = images.iter().find(|image| image["source"].as_str().unwrap().ends_with(name)).unwrap();
        image["verdict"]["importable"].clone()
    };
    assert_eq!(importable("small.raw"), true, "{report:#}");
    assert_eq!(importable("wide.qcow2"), false, "{report:#}");
    let output = crate::support::program::imgprep(
        folder.path(),
        &["batch", "in", "--out", "out2", "--profile", "nobody"],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        crate::support::program::printed(&output).contains("huawei-ims"),
        "{}",
        crate::support::program::printed(&output)
    );
}
