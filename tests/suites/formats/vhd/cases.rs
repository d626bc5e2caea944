//! VHDs, VHDXs and VDIs that users met: which size counts, bitmaps over data, single damaged bytes, tables that name
//! one block again and again.

use std::fs::File;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;

use imgprep::{OpenOptions, SourceFile, SourceOptions};
use imgprep_engine::{Compared, EngineError, Interrupt, Layer, OnLoss, Options, Progress, conflicts};
use imgprep_map::ReadAt;
use serde_json::Value;
use testdata_gen::{
    GoodImage, bitmap_cases, bitmap_of_a_child, footers_of_different_disks, good, repeated_entries_vdi,
    shuffled_vhd, vdi_cases, vhd_cases, write_files,
};

use crate::support::program::{has_tool, imgprep, said, tool};
use crate::support::structure::{Asked, Counted, cost_of_check, cost_of_walk};

fn recipe(name: &str) -> GoodImage {
    good().into_iter().find(|image| image.name == name).unwrap_or_else(|| panic!("no {name}"))
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(output)))
}

/// Code, severity and offset of each violation of `check`.
fn violations(folder: &Path, name: &str) -> Vec<(String, String, Option<u64>)> {
    let checked = json(&imgprep(folder, &["check", "--output", "json", name]));
    let of = |violation: &Value| {
        let text = |key: &str| violation[key].as_str().unwrap_or_default().to_string();
        (text("code"), text("severity"), violation["offset"].as_u64())
    };
    let file = checked["files"].get(0).unwrap_or(&checked);
    file["judgements"].as_array().unwrap_or_else(|| panic!("{checked}")).iter().map(of).collect()
}

/// Converts to `out.raw`; the JSON report.
fn convert(folder: &Path, name: &str) -> Value {
    let output =
        imgprep(folder, &["convert", name, "out.raw", "--force", "--no-sync", "-q", "--output", "json"]);
    assert_eq!(output.status.code(), Some(0), "{name}: {}", said(&output));
    json(&output)
}

/// The findings of the first layer in a report of `convert`: code, severity, offset.
fn found(report: &Value) -> Vec<(String, String, Option<u64>)> {
    let findings = report["findings"][0]["findings"].as_array().cloned().unwrap_or_default();
    let of = |finding: &Value| {
        let text = |key: &str| finding[key].as_str().unwrap_or_default().to_string();
        (text("code"), text("severity"), finding["offset"].as_u64())
    };
    findings.iter().map(of).collect()
}

fn row(code: &str, severity: &str, at: u64) -> (String, String, Option<u64>) {
    (code.into(), severity.into(), Some(at))
}

/// Writes a file that is a hole but for its pieces.
fn sparse(folder: &Path, name: &str, (len, pieces): (u64, Vec<(u64, Vec<u8>)>)) -> PathBuf {
    let path = folder.join(name);
    let file = File::create(&path).unwrap();
    file.set_len(len).unwrap();
    pieces.iter().for_each(|(at, bytes)| file.write_all_at(bytes, *at).unwrap());
    path
}

#[test]
fn virtual_server_means_the_stored_size() {
    let folder = tempfile::tempdir().unwrap();
    for (name, size) in [
        ("vhd-size-vs", 600_064),
        ("vhd-fixed-size-vs", 600_064),
        ("vhd-size-vpc", 8 * 4 * 17 * 512),
        ("vhd-fixed-size-qemu", 8 * 4 * 17 * 512),
    ] {
        let image = recipe(name);
        let file = image.files[0].name.clone();
        write_files(&image.files, folder.path()).unwrap();
        convert(folder.path(), &file);
        let raw = std::fs::read(folder.path().join("out.raw")).unwrap();
        assert_eq!(raw.len(), size, "{name}");
        assert!(raw == image.disk, "{name}");
        // QEMU agrees on each of them.
        if has_tool("qemu-img") {
            let args = ["convert", "-f", "vpc", "-O", "raw", &file, "theirs.raw"];
            tool(folder.path(), "qemu-img", &args);
            let theirs = std::fs::metadata(folder.path().join("theirs.raw")).unwrap().len();
            assert_eq!(theirs, size as u64, "{name}");
        }
    }
}

#[test]
fn vhd_bitmap_never_set_reads_as_zeros_with_a_warning() {
    for case in bitmap_cases() {
        let folder = tempfile::tempdir().unwrap();
        write_files(std::slice::from_ref(&case.file), folder.path()).unwrap();
        let want: Vec<_> = case.at.iter().map(|at| row("vhd.bitmap.clear", "warning", *at)).collect();
        let of_bitmap = |all: Vec<(String, String, Option<u64>)>| {
            all.into_iter().filter(|(code, ..)| code.starts_with("vhd.bitmap")).collect::<Vec<_>>()
        };
        assert_eq!(of_bitmap(violations(folder.path(), &case.file.name)), want, "{}", case.name);
        let report = convert(folder.path(), &case.file.name);
        assert_eq!(of_bitmap(found(&report)), want, "{}", case.name);
        if case.at.is_some() {
            let message = report["findings"][0]["findings"][0]["message"].as_str().unwrap().to_string();
            let want = if case.blocks == 1 { "1 block contains data" } else { "3 blocks contain data" };
            assert!(message.starts_with(want), "{}: {message}", case.name);
        }
        let raw = std::fs::read(folder.path().join("out.raw")).unwrap();
        assert!(raw == case.disk, "{}", case.name);
    }
}

#[test]
fn a_clear_bit_of_a_differencing_vhd_is_no_warning() {
    let folder = tempfile::tempdir().unwrap();
    let (files, disk) = bitmap_of_a_child();
    write_files(&files, folder.path()).unwrap();
    let report = convert(folder.path(), "child.vhd");
    assert_eq!(report["findings"], serde_json::json!([]));
    assert!(std::fs::read(folder.path().join("out.raw")).unwrap() == disk);
}

#[test]
fn vhd_footers_of_different_disks_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (field, file, at) in footers_of_different_disks() {
        write_files(std::slice::from_ref(&file), folder.path()).unwrap();
        let output = imgprep(folder.path(), &["convert", &file.name, "out.raw", "--output", "json"]);
        assert_eq!(output.status.code(), Some(1), "{}: {}", file.name, said(&output));
        let error = json(&output)["error"].clone();
        assert_eq!((&error["code"], &error["offset"]), (&"vhd.footer.differ".into(), &at.into()), "{error}");
        assert!(error.to_string().contains(field), "{}: {error}", file.name);
        assert!(!folder.path().join("out.raw").exists());
    }
}

#[test]
fn what_is_odd_about_a_vhd_has_its_code_and_place() {
    let folder = tempfile::tempdir().unwrap();
    for image in vhd_cases() {
        write_files(&image.files, folder.path()).unwrap();
        let found = violations(folder.path(), &image.files[0].name);
        let is_there = found.iter().any(|(code, _, at)| code == image.code && *at == image.at);
        assert!(is_there, "{}: {:?} {found:?}", image.name, (image.code, image.at));
    }
}

#[test]
fn a_changed_byte_of_a_vdi_header_is_a_warning_of_check_and_convert() {
    let folder = tempfile::tempdir().unwrap();
    for image in vdi_cases() {
        let name = &image.files[0].name;
        write_files(&image.files, folder.path()).unwrap();
        let want = (image.code.to_string(), "warning".to_string(), image.at);
        let checked = violations(folder.path(), name);
        assert!(checked.contains(&want), "{}: {want:?} {checked:?}", image.name);
        let args = ["convert", name, "out.raw", "--force", "--no-sync", "-q", "--output", "json"];
        let output = imgprep(folder.path(), &args);
        // Refused, or read with the warning.
        if output.status.code() == Some(0) {
            let converted = found(&json(&output));
            assert!(converted.contains(&want), "{}: {want:?} {converted:?}", image.name);
        } else {
            assert_eq!(output.status.code(), Some(1), "{}: {}", image.name, said(&output));
        }
    }
}

#[test]
fn contents_without_a_signature_are_no_image_of_the_format_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("zeros.img"), vec![0; 1 << 20]).unwrap();
    for (format, code, at) in [
        ("vhd", "vhd.footer.none", (1 << 20) - 512),
        ("vhdx", "vhdx.file.signature", 0),
        ("vdi", "vdi.header.signature", 64),
    ] {
        let args = ["convert", "zeros.img", "out.raw", "--from", format, "--output", "json"];
        let output = imgprep(folder.path(), &args);
        assert_eq!(output.status.code(), Some(1), "{format}: {}", said(&output));
        let error = json(&output)["error"].clone();
        assert_eq!((&error["code"], &error["offset"]), (&code.into(), &at.into()), "{error}");
    }
}

/// The layer of an image whose reads are counted.
fn counted(path: &Path) -> (Layer, Asked) {
    let file = SourceFile::open(path, SourceOptions::default()).unwrap();
    let mut chain = imgprep::open_source("image".into(), file, &OpenOptions::default()).unwrap();
    let asked = Asked::default();
    let top = chain.layers.remove(0);
    let wrap =
        |file: Arc<dyn ReadAt>| -> Arc<dyn ReadAt> { Arc::new(Counted { file, asked: asked.clone() }) };
    let (files, names) = (top.readers().into_iter().map(wrap).collect(), top.names());
    let image = *top.image;
    (Layer { map: image.map, files, names }, asked)
}

/// Conflicts of an image with so much memory, how far the comparison went, and the bytes of tables that it read.
fn compared(path: &Path, memory: u64) -> (Vec<EngineError>, Compared, u64) {
    let (layer, asked) = counted(path);
    let (interrupt, progress) = (Interrupt::default(), Progress::default());
    let threads = std::num::NonZeroUsize::MIN;
    let options = Options {
        threads,
        memory,
        on_loss: OnLoss::Stop,
        interrupt: &interrupt,
        progress: &progress,
        observe: &|_| {},
    };
    let mut found = Vec::new();
    let done = conflicts(&layer, &options, &mut |error| {
        found.push(error.detail::<EngineError>().unwrap().clone());
    });
    (found, done.unwrap(), asked.bytes())
}

#[test]
fn repeated_entries_of_a_vdi_are_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = sparse(folder.path(), "repeated-entries.vdi", repeated_entries_vdi(1_000_000, 1 << 18));
    // 1024 runs fit: the second page of the map fills them.
    let (found, done, read) = compared(&path, 0);
    assert_eq!((found.len(), done, read), (1021, Compared::Part, 4096));
    let data = (512u64 + 4_000_000).next_multiple_of(512);
    assert!(found.iter().all(|error| matches!(
        error,
        EngineError::Overlap { bytes, .. } if *bytes == (data..data + (1 << 20))
    )));
    // With room for all of them the map is read once, and the report ends at its bound.
    let (found, done, read) = compared(&path, 1 << 30);
    assert_eq!((found.len(), done), (4096, Compared::Part));
    // What else lies in the last page of the file that is no hole is read, too.
    assert!((1 << 20..(1 << 20) + (64 << 10)).contains(&read), "{read}");
}

#[test]
fn repeated_entries_vdi_is_refused_by_check_and_convert() {
    let folder = tempfile::tempdir().unwrap();
    let name = "repeated-entries.vdi";
    sparse(folder.path(), name, repeated_entries_vdi(1_000_000_000, 1 << 18));
    let output = imgprep(folder.path(), &["check", "--output", "json", name]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let found = violations(folder.path(), name);
    for code in ["claims.overlap", "vdi.map.hole"] {
        assert!(found.iter().any(|(found, ..)| found == code), "{code}: {found:?}");
    }
    let output = imgprep(folder.path(), &["convert", name, "out.raw", "--output", "json"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert_eq!(json(&output)["error"]["code"], "claims.overlap");
    assert!(!folder.path().join("out.raw").exists());
    // A salvage lists what is doubtful up to a bound, and says that there may be more.
    let args = ["convert", name, "out.raw", "--salvage", "--dry-run", "--output", "json"];
    let report = json(&imgprep(folder.path(), &args));
    let losses = report["losses"].as_array().unwrap_or_else(|| panic!("{report}"));
    assert!(losses.len() < 5000, "{}", losses.len());
    assert!(losses.iter().any(|loss| loss["code"] == "claims.many"), "{:?}", losses.last());
}

#[test]
fn the_passes_over_a_shuffled_vhd_are_bounded_by_its_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = 1 << 14;
    let path = sparse(folder.path(), "shuffled.vhd", shuffled_vhd(blocks));
    // A bitmap and data for each block, of which each pass keeps at least 512.
    let table = blocks * 4;
    let (found, done, read) = compared(&path, 0);
    assert_eq!((found, done), (Vec::new(), Compared::All));
    assert_eq!(read % table, 0);
    assert!((2..=blocks * 2 / 512 + 1).contains(&(read / table)), "{}", read / table);
    // With room for all, one.
    assert_eq!(compared(&path, 64 << 20), (Vec::new(), Compared::All, table));
}

#[test]
fn a_hole_with_all_blocks_of_a_shuffled_vhd_is_asked_about_once_in_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = 1 << 14;
    let path = sparse(folder.path(), "shuffled.vhd", shuffled_vhd(blocks));
    let (asked, walked) = cost_of_walk(&path);
    walked.unwrap();
    assert!(asked.calls() < blocks / 16, "{}", asked.calls());
    // A bitmap or two may lie in a page that is no hole.
    assert!((blocks * 4..blocks * 4 + 64).contains(&asked.bytes()), "{}", asked.bytes());
    let asked = cost_of_check(&path);
    assert!(asked.calls() < blocks / 16, "{}", asked.calls());
}

#[test]
fn a_shuffled_vhd_has_no_conflicts() {
    let folder = tempfile::tempdir().unwrap();
    sparse(folder.path(), "shuffled.vhd", shuffled_vhd(1 << 14));
    let errors: Vec<_> = violations(folder.path(), "shuffled.vhd")
        .into_iter()
        .filter(|(code, severity, _)| {
            severity == "error" || (severity == "warning" && code.starts_with("vhd."))
        })
        .collect();
    assert_eq!(errors, []);
    convert(folder.path(), "shuffled.vhd");
    let raw = std::fs::read(folder.path().join("out.raw")).unwrap();
    assert_eq!((raw.len(), raw.iter().all(|byte| *byte == 0)), (1 << 26, true));
}

#[test]
fn a_raised_interrupt_ends_every_walk_of_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let interrupt = Interrupt::default();
    interrupt.raise();
    let progress = Progress::default();
    let threads = std::num::NonZeroUsize::MIN;
    let options = Options {
        threads,
        memory: 1 << 20,
        on_loss: OnLoss::Zero,
        interrupt: &interrupt,
        progress: &progress,
        observe: &|_| {},
    };
    let mut formats = std::collections::BTreeSet::new();
    for image in good() {
        if image.files.len() != 1 || image.format == "raw" || !formats.insert(image.format) {
            continue;
        }
        let path = write_files(&image.files, folder.path()).unwrap();
        let (layer, asked) = counted(&path);
        let mut nothing = |_| ControlFlow::Continue(());
        let walks = [
            conflicts(&layer, &options, &mut |error| panic!("{error}")).map(|_| ()),
            imgprep_engine::gaps(&layer, &options, &mut |error| panic!("{error}")),
            imgprep_engine::check_structure(&layer, &options, &mut nothing).map(|_| ()),
            imgprep_engine::check_unused(&layer, &interrupt, &mut |_| {}),
        ];
        for walked in walks {
            let error = walked.expect_err(&image.name);
            assert_eq!(error.detail(), Some(&EngineError::Interrupted), "{}", image.name);
        }
        assert_eq!((asked.calls(), asked.bytes()), (0, 0), "{}", image.name);
    }
    assert!(formats.len() >= 8, "{formats:?}");
}
