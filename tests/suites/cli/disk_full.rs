//! File systems that run full: one image, and a batch.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use testdata_gen::Noise;

use crate::support::batches::{holds, journal};
use crate::support::program::{command, imgprep, names, printed, skip};

/// A small file system in a folder; gone when dropped.
struct Small(PathBuf);

impl Small {
    fn new(folder: &Path, mib: u32) -> Option<Self> {
        let at = folder.join("small");
        std::fs::create_dir(&at).unwrap();
        let size = format!("size={mib}m");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&at).output().ok();
        if mounted.is_some_and(|output| output.status.success()) {
            return Some(Self(at));
        }
        skip("mount-tmpfs", "disks that run full");
        None
    }

    /// Another file fills the file system to the last byte.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("somebody-else's");
        let mut file = File::create(&path).unwrap();
        let mut step = vec![0xaa; 1 << 20];
        while !step.is_empty() {
            if file.write_all(&step).is_err() {
                step.truncate(step.len() / 2);
            }
        }
        path
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// An image of noise: no output is smaller.
fn noise(path: &Path, mib: usize) -> Vec<u8> {
    let disk = Noise::new(mib as u64).bytes(mib << 20);
    std::fs::write(path, &disk).unwrap();
    disk
}

#[test]
fn conversion_onto_a_full_disk_reports_it_and_leaves_no_output() {
    let folder = tempfile::tempdir().unwrap();
    let Some(small) = Small::new(folder.path(), 6) else { return };
    noise(&folder.path().join("a.raw"), 8);
    for output in ["a.zvhd2", "b.raw"] {
        let name = format!("small/{output}");
        let output = imgprep(folder.path(), &["convert", "a.raw", &name, "-q", "--output", "json"]);
        assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let error = &report["error"];
        assert_eq!(
            (error["code"].as_str(), error["class"].as_str()),
            (Some("io.write.no-space"), Some("io"))
        );
        assert_eq!(error["file"], name.as_str());
        assert!(error["message"].as_str().unwrap().contains("no space left"), "{error}");
        assert_eq!(names(&small.0), [""; 0]);
    }
}

/// Twelve images that do not fit, and two that do.
fn fourteen(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let images = folder.join("images");
    std::fs::create_dir(&images).unwrap();
    for index in 0..12 {
        noise(&images.join(format!("large-{index}.raw")), 8);
    }
    (1..=2)
        .map(|mib| (format!("small-{mib}.zvhd2"), noise(&images.join(format!("small-{mib}.raw")), mib)))
        .collect()
}

const BATCH: &[&str] = &["batch", "images", "--out", "small/out", "-j", "1"];

#[test]
fn plan_reports_missing_space() {
    let folder = tempfile::tempdir().unwrap();
    let Some(small) = Small::new(folder.path(), 6) else { return };
    fourteen(folder.path());
    let plan = |more: &[&str]| printed(&imgprep(folder.path(), &[BATCH, &["--plan"], more].concat()));
    let short = plan(&[]);
    assert!(short.contains("6 MiB free") && short.contains("not enough space: up to"), "{short}");
    let fits = plan(&["--include", "small-1.raw"]);
    assert!(fits.contains("6 MiB free") && !fits.contains("not enough"), "{fits}");
    assert_eq!(names(&small.0), [""; 0]);
}

/// What fits is done. What does not fails with its code and leaves nothing, also when not even a byte for the journal
/// is free any more. With room again the rest is done.
#[test]
fn batch_on_a_full_disk_converts_what_fits_and_can_be_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let Some(small) = Small::new(folder.path(), 6) else { return };
    let fit = fourteen(folder.path());
    let args =
        [BATCH, &["--retries", "1", "--retry-pause", "3000", "--progress", "jsonl", "--report", "r.json"]];
    let mut child =
        command(folder.path(), &args.concat()).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let (mut failed, mut done) = (0, 0);
    let mut filled = None;
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        failed += u32::from(line.contains("\"retry\""));
        done += u32::from(line.contains("\"finish\"") && line.contains("\"state\":\"done\""));
        // Between the two attempts at what does not fit.
        if failed >= 12 && done == 2 && filled.is_none() {
            filled = Some(small.fill());
        }
    }
    assert_eq!(child.wait().unwrap().code(), Some(2));
    let report: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("r.json")).unwrap()).unwrap();
    let records = report["images"].as_array().unwrap();
    assert_eq!((report["done"].as_u64(), report["failed"].as_u64()), (Some(2), Some(12)), "{report:#}");
    for record in records.iter().filter(|record| record["state"] == "failed") {
        assert_eq!(
            (record["error"]["code"].as_str(), record["attempts"].as_u64()),
            (Some("io.write.no-space"), Some(2))
        );
        assert!(record["error"]["message"].as_str().unwrap().contains(record["output"].as_str().unwrap()));
    }
    let out = small.0.join("out");
    assert_eq!(journal(&out).last().unwrap()["event"], "end");
    assert_eq!(names(&out), ["imgprep-batch.journal", "small-1.zvhd2", "small-2.zvhd2"]);
    std::fs::remove_file(filled.unwrap()).unwrap();
    let grown = Command::new("mount").args(["-o", "remount,size=160m"]).arg(&small.0).status().unwrap();
    assert!(grown.success());
    let output = imgprep(folder.path(), &[BATCH, &["--resume", "--output", "json", "-q"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((report["done"].as_u64(), report["earlier"].as_u64()), (Some(14), Some(2)));
    let large = Noise::new(8).bytes(8 << 20);
    for (name, disk) in fit
        .iter()
        .map(|(name, disk)| (name.as_str(), disk))
        .chain([("large-0.zvhd2", &large), ("large-11.zvhd2", &large)])
    {
        assert!(holds(folder.path(), &out.join(name), disk), "{name}");
    }
}
