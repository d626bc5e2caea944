//! Batches that are killed or changed, and resumed.

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use testdata_gen::{Noise, good, write_files};

use crate::support::batches::{JOURNAL, holds, journal};
use crate::support::program::{command, imgprep, names, printed};

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
        assert!(output.status.success(), "{}", printed(&output));
        printed(&output)
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
