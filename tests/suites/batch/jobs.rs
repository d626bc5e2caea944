//! `imgprep batch`: many images, failures, kills.

use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;
use testdata_gen::{Noise, broken, good, write_files};

use crate::cli::schemas::Schema;
use crate::support::program::{command, imgprep, names, said};

pub(crate) const JOURNAL: &str = "imgprep-batch.journal";

/// The complete lines of the journal.
pub(crate) fn journal(out: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(out.join(JOURNAL)).unwrap_or_default();
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n') && line.len() > 9);
    lines.filter_map(|line| serde_json::from_str(&line[9..]).ok()).collect()
}

/// Whether the disk in an image, read by way of `convert`, is this one; a ZVHD2 has whole sectors.
pub(crate) fn holds(folder: &Path, image: &Path, disk: &[u8]) -> bool {
    let image = image.display().to_string();
    let args = ["convert", &image, "back.raw", "--size", "original", "--force", "--no-sync", "-q"];
    let output = imgprep(folder, &args);
    assert!(output.status.success(), "{}", said(&output));
    let mut want = disk.to_vec();
    want.resize(want.len().next_multiple_of(512), 0);
    std::fs::read(folder.join("back.raw")).unwrap() == want
}

pub(crate) fn signal(process: u32, name: &str) {
    let sent = std::process::Command::new("kill").args([name, &process.to_string()]).status().unwrap();
    assert!(sent.success());
}

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
        let said: Value = serde_json::from_slice(&convert.stdout).unwrap();
        let _ = std::fs::remove_file(images.join("x.raw"));
        match said["error"]["code"].as_str() {
            Some(code) => want.insert(name, Err(code.to_string())),
            // An image that is rejected for another reason.
            None => continue,
        };
    }
    std::fs::write(images.join("disk.iso"), vec![0; 100]).unwrap();
    let args =
        ["batch", "images", "--out", "out", "--name", "{name}.{ext}", "--include", "*", "--retry-pause", "1"];
    let output = imgprep(folder.path(), &[&args[..], &["--output", "json", "--no-sync", "-q"]].concat());
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
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

/// Twelve images of several formats and sizes; the disks that they hold, by output.
fn twelve(folder: &Path) -> HashMap<String, Vec<u8>> {
    let images = folder.join("images");
    std::fs::create_dir_all(&images).unwrap();
    let mut want = HashMap::new();
    for index in 0..8 {
        let disk = Noise::new(index).half_compressible(usize::try_from((index + 1) << 20).unwrap());
        std::fs::write(images.join(format!("{index}.raw")), &disk).unwrap();
        want.insert(format!("{index}.raw.zvhd2"), disk);
    }
    let others = good().into_iter().filter(|image| image.files.len() == 1 && image.snapshot.is_none());
    for image in others.filter(|image| image.disk.len() > 100_000).take(4) {
        let path = write_files(&image.files, &images).unwrap();
        want.insert(format!("{}.zvhd2", path.file_name().unwrap().display()), image.disk);
    }
    assert_eq!(want.len(), 12);
    want
}

const TWELVE: &[&str] = &[
    "batch",
    "images",
    "--out",
    "out",
    "--resume",
    "--name",
    "{name}.{ext}",
    "--include",
    "*",
    "--level",
    "19",
];

#[test]
fn thirty_kills_neither_lose_nor_repeat_an_image() {
    let folder = tempfile::tempdir().unwrap();
    let want = twelve(folder.path());
    let out = folder.path().join("out");
    // Times that differ with every run of the test, printed when it fails.
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos();
    let mut random = u64::from(seed) | 1;
    // Inode and time of every output once it is journalled: it stays that file for ever.
    let mut settled: HashMap<String, (u64, i64, i64)> = HashMap::new();
    let mut kills = 0;
    loop {
        let is_last = kills == 30;
        let mut child =
            command(folder.path(), TWELVE).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        if is_last {
            assert!(child.wait().unwrap().success(), "seed {seed}");
        } else {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            std::thread::sleep(Duration::from_millis(random % 250));
            let _ = child.kill();
            child.wait().unwrap();
            kills += 1;
        }
        for event in journal(&out).iter().filter(|event| event["event"] == "done") {
            let output = event["record"]["output"].as_str().unwrap();
            let found = std::fs::metadata(out.join(output)).unwrap();
            let now = (found.ino(), found.mtime(), found.mtime_nsec());
            let before = settled.entry(output.into()).or_insert(now);
            assert_eq!(*before, now, "{output} was converted twice, seed {seed}");
        }
        if is_last {
            break;
        }
    }
    let mut journalled = HashSet::new();
    for event in journal(&out) {
        match (event["event"].as_str(), event["output"].as_str()) {
            (Some("done"), _) => {
                assert!(journalled.insert(event["record"]["output"].as_str().unwrap().to_string()));
            }
            (Some("start"), Some(output)) => assert!(!journalled.contains(output), "{output}, seed {seed}"),
            _ => {}
        }
    }
    assert_eq!(journalled.len(), 12);
    for (output, bytes) in &want {
        assert!(holds(folder.path(), &out.join(output), bytes), "{output}, seed {seed}");
    }
    assert_eq!(names(&out).len(), 13, "{:?}", names(&out));
}

#[test]
fn resume_converts_only_changed_images_again() {
    let folder = tempfile::tempdir().unwrap();
    twelve(folder.path());
    let out = folder.path().join("out");
    let fast = |extra: &[&str]| {
        let args = [
            "batch",
            "images",
            "--out",
            "out",
            "--name",
            "{name}.{ext}",
            "--include",
            "*",
            "--output",
            "json",
        ];
        let output = imgprep(folder.path(), &[&args[..], extra].concat());
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), report)
    };
    assert_eq!(fast(&[]).0, Some(0));
    // Without a word about the earlier batch nothing is touched.
    let (code, report) = fast(&[]);
    assert_eq!((code, report["error"]["code"].as_str()), (Some(1), Some("batch.journal.exists")));
    let (_, report) = fast(&["--resume"]);
    assert_eq!((report["done"].as_u64(), report["earlier"].as_u64()), (Some(12), Some(12)));
    // An input, an output's contents under its old time, an output that is gone, one half-written file.
    std::fs::write(folder.path().join("images/0.raw"), vec![1; 1 << 20]).unwrap();
    let output = out.join("1.raw.zvhd2");
    let mut bytes = std::fs::read(&output).unwrap();
    let time = std::fs::metadata(&output).unwrap().modified().unwrap();
    bytes[700] ^= 1;
    std::fs::write(&output, bytes).unwrap();
    std::fs::File::options().write(true).open(&output).unwrap().set_modified(time).unwrap();
    std::fs::remove_file(out.join("2.raw.zvhd2")).unwrap();
    let hidden = |name: &str| out.join(imgprep::hidden_prefix(name.as_ref()) + "aB3xYz");
    std::fs::write(hidden("3.raw.zvhd2"), "half").unwrap();
    std::fs::write(hidden("other"), "somebody else's").unwrap();
    let (code, report) = fast(&["--resume"]);
    assert_eq!((code, report["earlier"].as_u64()), (Some(0), Some(9)));
    assert!(holds(folder.path(), &out.join("0.raw.zvhd2"), &vec![1; 1 << 20]));
    assert!(!hidden("3.raw.zvhd2").exists() && hidden("other").exists());
    // Other options are other outputs.
    let (code, report) = fast(&["--resume", "--force", "--zlib"]);
    assert_eq!((code, report["earlier"].as_u64()), (Some(0), Some(0)));
    assert_eq!(fast(&["--force"]).1["earlier"].as_u64(), Some(0));
}

/// Damage in the journal is reported, and loses only the damaged line.
#[test]
fn damaged_journal_line_is_reported_and_its_image_converted_again() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("images")).unwrap();
    for name in ["a.raw", "b.raw"] {
        std::fs::write(folder.path().join("images").join(name), vec![1; 8192]).unwrap();
    }
    let batch = |more: &[&str]| {
        let args = ["batch", "images", "--out", "out", "--no-sync"];
        let output = imgprep(folder.path(), &[&args[..], more].concat());
        assert!(output.status.success(), "{}", said(&output));
        said(&output)
    };
    batch(&[]);
    let path = folder.path().join("out").join(JOURNAL);
    let text = std::fs::read_to_string(&path).unwrap();
    let done = text.find("\"event\":\"done\"").unwrap();
    std::fs::write(&path, [&text[..done + 10], "?", &text[done + 11..]].concat()).unwrap();
    let output_text = batch(&["--resume"]);
    assert!(
        output_text.contains("1 incomplete or damaged lines in the journal")
            && output_text.contains("1 of them by an earlier run"),
        "{output_text}"
    );
    let output_text = batch(&["--resume", "--progress", "jsonl"]);
    assert!(
        output_text.contains("\"damaged-lines\":1") && output_text.contains("2 of them by an earlier run"),
        "{output_text}"
    );
}

#[test]
fn batch_keeps_files_that_it_did_not_create() {
    let folder = tempfile::tempdir().unwrap();
    twelve(folder.path());
    let out = folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("0.raw.zvhd2"), "mine").unwrap();
    for _ in 0..2 {
        let output =
            imgprep(folder.path(), &[TWELVE, &["--level", "1"][..0], &["--output", "json"]].concat());
        assert_eq!(output.status.code(), Some(2));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((report["done"].as_u64(), report["failed"].as_u64()), (Some(11), Some(1)));
        assert_eq!(report["images"][0]["error"]["code"], "io.output.exists");
        assert_eq!(std::fs::read(out.join("0.raw.zvhd2")).unwrap(), b"mine");
    }
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
        let told = said(&second);
        assert!(told.contains("batch.locked") && told.contains(&first.id().to_string()), "{told}");
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
    let mut told = Vec::new();
    while !String::from_utf8_lossy(&told).contains("\"retry\"") {
        let mut byte = [0];
        child.stderr.as_mut().unwrap().read_exact(&mut byte).unwrap();
        told.extend(byte);
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
        assert!(output.status.success(), "{}", said(&output));
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
    let text = said(&text);
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
        said(&plan).contains("images/web.qcow2") && said(&plan).contains("io.open.not-found"),
        "{}",
        said(&plan)
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
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", said(&output));
        assert!(said(&output).contains(code), "{args:?}: {}", said(&output));
        assert!(!folder.path().join("out").exists(), "{args:?}");
    }
}

/// Reports, plans, progress and manifests, validated against `schemas/`.
#[test]
fn batch_reports_match_the_schemas() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("images");
    std::fs::create_dir(&images).unwrap();
    write_files(&testdata_gen::sample().files, &images).unwrap();
    std::fs::write(images.join("a.raw"), vec![1; 1 << 20]).unwrap();
    std::fs::write(images.join("b.qcow2"), b"QFI\xfb\0\0\0\x09".repeat(99)).unwrap();
    std::fs::write(images.join("c.gz"), [&[0x1f, 0x8b, 8][..], &[0; 600]].concat()).unwrap();
    std::fs::write(images.join("notes.txt"), "").unwrap();
    let (report, plan, progress) =
        (Schema::of("batch"), Schema::of("batch-plan"), Schema::of("batch-progress"));
    let args = ["batch", "images", "--out", "out", "--profile", "otc", "--output", "json"];
    let planned = imgprep(folder.path(), &[&args[..], &["--plan"]].concat());
    plan.holds(&planned.stdout, "a plan");
    let files = ["--report", "r.json", "--report", "r.xml", "--report", "r.html", "--progress", "jsonl"];
    let output = imgprep(folder.path(), &[&args[..], &files].concat());
    report.holds(&output.stdout, "a report on standard output");
    report.holds(&std::fs::read(folder.path().join("r.json")).unwrap(), "a report in a file");
    let lines: Vec<_> = output.stderr.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    // begin; start and finish of four.
    assert!(lines.len() >= 9);
    lines.iter().for_each(|line| progress.holds(line, "a line of progress"));
    let again = imgprep(folder.path(), &[&args[..], &["--resume", "--plan"]].concat());
    plan.holds(&again.stdout, "a plan of what is left");
    assert!(said(&again).contains("\"done\""));
    let refused = imgprep(folder.path(), &args);
    report.holds(&refused.stdout, "a batch that cannot run");
    let xml = std::fs::read_to_string(folder.path().join("r.xml")).unwrap();
    assert!(
        xml.contains("tests=\"4\"") && xml.contains("errors=\"2\"") && xml.contains("detect.no-disk"),
        "{xml}"
    );
}

/// Every kind of line that a program can get, with a job in it that works for longer than a second and one
/// that is tried again after a longer one.
#[test]
fn every_kind_of_progress_line_matches_its_schema() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("fine.raw"), Noise::new(1).half_compressible(24 << 20)).unwrap();
    std::fs::write(folder.path().join("small.raw"), vec![1; 4096]).unwrap();
    // A file has the name of the output's folder.
    std::fs::create_dir(folder.path().join("out")).unwrap();
    std::fs::write(folder.path().join("out/no"), "").unwrap();
    let manifest =
        "out = 'out'\n[[image]]\npath = 'fine.raw'\n[[image]]\npath = 'small.raw'\noutput = 'no/x.zvhd2'\n";
    std::fs::write(folder.path().join("jobs.toml"), manifest).unwrap();
    let args = ["batch", "jobs.toml", "-j", "1", "--level", "22", "--retries", "1", "--retry-pause", "1500"];
    let output = imgprep(folder.path(), &[&args[..], &["--progress", "jsonl", "--no-sync"]].concat());
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let progress = Schema::of("batch-progress");
    let mut kinds = HashSet::new();
    let mut has_running = false;
    for line in output.stderr.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        progress.holds(line, "a line of progress");
        let line: Value = serde_json::from_slice(line).unwrap();
        has_running |= line["running"].as_array().is_some_and(|running| !running.is_empty());
        kinds.insert(line["event"].as_str().unwrap().to_string());
    }
    let want = ["begin", "start", "retry", "progress", "finish"];
    assert_eq!(kinds, want.into_iter().map(String::from).collect());
    assert!(has_running, "{}", said(&output));
}

#[test]
fn manifest_matches_its_schema() {
    let folder = tempfile::tempdir().unwrap();
    assert!(imgprep(folder.path(), &["batch", "--init"]).status.success());
    let example = std::fs::read_to_string(folder.path().join("jobs.toml")).unwrap();
    // Comments that are keys are right, too.
    let all: String = example
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|line| line.contains(" = ")).unwrap_or(line))
        .map(|line| format!("{line}\n"))
        .collect();
    let schema = Schema::of("batch-manifest");
    for text in [&example, &all] {
        let value: toml::Table = toml::from_str(text).unwrap_or_else(|error| panic!("{error}"));
        schema.holds(&serde_json::to_vec(&value).unwrap(), "a manifest");
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
    assert_eq!(output.status.code(), Some(2), "{}", crate::support::program::said(&output));
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
        crate::support::program::said(&output).contains("huawei-ims"),
        "{}",
        crate::support::program::said(&output)
    );
}
