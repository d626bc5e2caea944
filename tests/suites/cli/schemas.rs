//! The JSON output of the program, validated against `schemas/`.

use std::path::Path;

use serde_json::Value;
use testdata_gen::{broken, good, sample, write_files};

use crate::support::program::{imgprep, printed, root};

pub(crate) struct Schema(jsonschema::Validator);

impl Schema {
    pub(crate) fn of(command: &str) -> Self {
        let path = root().join("schemas").join(format!("{command}.schema.json"));
        let text = std::fs::read_to_string(path).expect("every command has a schema");
        let schema = serde_json::from_str(&text).expect("a schema is JSON");
        Self(jsonschema::draft202012::new(&schema).expect("a schema is a schema"))
    }

    pub(crate) fn holds(&self, json: &[u8], about: &str) {
        let value: Value = serde_json::from_slice(json)
            .unwrap_or_else(|error| panic!("{about}: {error}: {}", String::from_utf8_lossy(json)));
        let wrong: Vec<_> = self.0.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{about}: {wrong:#?}\n{value:#}");
    }
}

/// Runs a command, which may fail, and holds its one object against its schema.
fn holds(schema: &Schema, folder: &Path, args: &[&str]) {
    let output = imgprep(folder, &[args, &["--output", "json"]].concat());
    schema.holds(&output.stdout, &format!("{args:?}"));
}

#[test]
fn info_and_map_of_every_image() {
    let folder = tempfile::tempdir().unwrap();
    let (info, map) = (Schema::of("info"), Schema::of("map"));
    let files =
        good().into_iter().map(|image| image.files).chain(broken().into_iter().map(|image| image.files));
    for files in files {
        let path = write_files(&files, folder.path()).unwrap().display().to_string();
        holds(&info, folder.path(), &["info", &path]);
        holds(&info, folder.path(), &["info", "--chain", &path]);
        holds(&map, folder.path(), &["map", &path]);
    }
    holds(&info, folder.path(), &["info", "no-such-file"]);
    holds(&info, folder.path(), &["info", "no-such-file", "sample.qcow2"]);
    holds(&map, folder.path(), &["map", "no-such-file"]);
}

#[test]
fn a_list_with_a_bad_image_is_one_object_with_an_error() {
    let folder = tempfile::tempdir().unwrap();
    write_files(&sample().files, folder.path()).unwrap();
    let output = imgprep(folder.path(), &["info", "sample.qcow2", "gone", "--output", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["images"].as_array().unwrap().len(), 2);
    assert_eq!(printed["error"]["code"], "usage");
}

#[test]
fn convert_and_bitmap_their_reports_and_receipts() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_files(&sample().files, folder.path()).unwrap().display().to_string();
    let (convert, bitmap, receipt) = (Schema::of("convert"), Schema::of("bitmap"), Schema::of("receipt"));
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    holds(&convert, folder.path(), &["convert", &path, "a.raw", "--dry-run"]);
    holds(&convert, folder.path(), &["convert", &path, "a.raw", "--bitmap", "--receipt", "a.json"]);
    receipt.holds(&read("a.json"), "the receipt of a RAW");
    holds(&convert, folder.path(), &["convert", &path, "a.raw"]);
    let zvhd2 =
        ["convert", &path, "a.zvhd2", "--verify", "--zlib", "--receipt", "b.json", "--report", "c.json"];
    let output = imgprep(folder.path(), &zvhd2);
    assert!(output.status.success(), "{}", printed(&output));
    receipt.holds(&read("b.json"), "the receipt of a ZVHD2");
    convert.holds(&read("c.json"), "the report of a conversion");
    let output = imgprep(folder.path(), &["convert", "gone", "b.zvhd2", "--report", "d.json"]);
    assert_eq!(output.status.code(), Some(1));
    convert.holds(&read("d.json"), "the report of a failure");
    holds(&bitmap, folder.path(), &["bitmap", "a.raw", "b.mf"]);
    holds(&bitmap, folder.path(), &["bitmap", "a.raw", "c.mf", "--bitmap-command", "cp {raw} {mf}"]);
    holds(&bitmap, folder.path(), &["bitmap", "gone"]);
}

#[test]
fn progress_is_one_json_object_per_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_files(&sample().files, folder.path()).unwrap().display().to_string();
    let progress = Schema::of("progress");
    for args in [
        &["convert", &path, "a.zvhd2", "--verify", "--receipt", "a.json"][..],
        &["bitmap", &path, "a.mf"],
        &["compare", &path, "a.zvhd2"],
        &["digest", &path, "a.zvhd2"],
        &["verify", "a.zvhd2", "--receipt", "a.json"],
        &["measure", &path],
        &["optimize", "--dry-run", &path],
    ] {
        let output = imgprep(folder.path(), &[args, &["--progress", "jsonl"]].concat());
        assert!(output.status.success(), "{args:?}: {}", printed(&output));
        let lines = output.stderr.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let lines: Vec<_> = lines.collect();
        assert!(!lines.is_empty(), "{args:?}");
        lines.iter().for_each(|line| progress.holds(line, &format!("{args:?}")));
    }
}

/// A schema that accepts everything would verify nothing.
#[test]
fn schema_of_check_rejects_unknown_fields() {
    let folder = tempfile::tempdir().unwrap();
    write_files(&sample().files, folder.path()).unwrap();
    let check = Schema::of("check");
    for args in [&["sample.qcow2"][..], &["sample.qcow2", "gone"], &["--for", "mars", "sample.qcow2"]] {
        let output = imgprep(folder.path(), &[&["check", "--output", "json"], args].concat());
        let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(check.0.is_valid(&printed), "{args:?}: {printed:#}");
        let mut more = printed.clone();
        more["x"] = 1.into();
        assert!(!check.0.is_valid(&more), "{args:?}");
        if let Some(file) = more["files"].as_array().map(|files| files[0].clone()) {
            let mut nested = printed.clone();
            nested["files"][0] = file;
            nested["files"][0]["x"] = 1.into();
            assert!(!check.0.is_valid(&nested), "{args:?}");
        }
        let mut less = printed;
        less.as_object_mut().unwrap().remove("schema");
        assert!(!check.0.is_valid(&less), "{args:?}");
    }
}

#[test]
fn check_of_every_image_alone_and_together() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let check = Schema::of("check");
    let files =
        good().into_iter().map(|image| image.files).chain(broken().into_iter().map(|image| image.files));
    for files in files {
        let path = write_files(&files, folder).unwrap().display().to_string();
        holds(&check, folder, &["check", "--deep", "--for", "huawei-ims", &path]);
    }
    std::fs::write(folder.join("archive.gz"), [&[0x1f, 0x8b, 8][..], &[0; 600]].concat()).unwrap();
    std::fs::write(folder.join("empty"), "").unwrap();
    for name in ["archive.gz", "empty", "no-such-file", "/dev/null"] {
        holds(&check, folder, &["check", name]);
    }
    holds(&check, folder, &["check", "sample.qcow2", "--for", "mars"]);
    holds(&check, folder, &["check", "--follow", "beside", "."]);
    holds(&check, folder, &["check", "--for", "otc", "--disk", "data", ".", "no-such-file"]);
    std::fs::write(folder.join("many.qcow2"), crate::support::checks::pointing_nowhere(103)).unwrap();
    let output = imgprep(folder, &["check", "many.qcow2", "--output", "json"]);
    check.holds(&output.stdout, "more findings than are kept");
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(printed["more"]["structure/past-end"].is_u64(), "{printed:#}");
}
