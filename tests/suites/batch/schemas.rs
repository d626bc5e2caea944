//! Reports, plans, progress and manifests of a batch, validated against `schemas/`.

use std::collections::HashSet;

use serde_json::Value;
use testdata_gen::{Noise, write_files};

use crate::cli::schemas::Schema;
use crate::support::program::{imgprep, printed};

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
    assert!(printed(&again).contains("\"done\""));
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
    assert_eq!(output.status.code(), Some(2), "{}", printed(&output));
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
    assert!(has_running, "{}", printed(&output));
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
