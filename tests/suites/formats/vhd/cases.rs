//! VHDs from reports of users: which size counts, bitmaps over data, shuffled blocks.

use imgprep_engine::Compared;
use testdata_gen::{
    GoodImage, bitmap_cases, bitmap_of_a_child, footers_of_different_disks, good, shuffled_vhd, vhd_cases,
    write_files,
};

use crate::support::conflicts::compared;
use crate::support::files::sparse;
use crate::support::program::{bounded, command, has_tool, imgprep, printed, tool};
use crate::support::reports::{convert, found, json, row, violations};
use crate::support::resource_bombs::BOUND_KIB;
use crate::support::structure::{cost_of_check, cost_of_walk};

fn recipe(name: &str) -> GoodImage {
    good().into_iter().find(|image| image.name == name).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn vhd_of_virtual_server_has_the_stored_size() {
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
fn sectors_with_clear_bitmap_bits_read_as_zeros_with_a_warning() {
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
fn clear_bitmap_bit_of_a_differencing_vhd_gives_no_warning() {
    let folder = tempfile::tempdir().unwrap();
    let (files, disk) = bitmap_of_a_child();
    write_files(&files, folder.path()).unwrap();
    let report = convert(folder.path(), "child.vhd");
    assert_eq!(report["findings"], serde_json::json!([]));
    assert!(std::fs::read(folder.path().join("out.raw")).unwrap() == disk);
}

#[test]
fn vhd_footers_of_different_disks_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    for (field, file, at) in footers_of_different_disks() {
        write_files(std::slice::from_ref(&file), folder.path()).unwrap();
        let output = imgprep(folder.path(), &["convert", &file.name, "out.raw", "--output", "json"]);
        assert_eq!(output.status.code(), Some(1), "{}: {}", file.name, printed(&output));
        let error = json(&output)["error"].clone();
        assert_eq!((&error["code"], &error["offset"]), (&"vhd.footer.differ".into(), &at.into()), "{error}");
        assert!(error.to_string().contains(field), "{}: {error}", file.name);
        assert!(!folder.path().join("out.raw").exists());
    }
}

#[test]
fn anomalies_of_a_vhd_have_code_and_offset() {
    let folder = tempfile::tempdir().unwrap();
    for image in vhd_cases() {
        write_files(&image.files, folder.path()).unwrap();
        let found = violations(folder.path(), &image.files[0].name);
        let is_there = found.iter().any(|(code, _, at)| code == image.code && *at == image.at);
        assert!(is_there, "{}: {:?} {found:?}", image.name, (image.code, image.at));
    }
}

#[test]
fn the_passes_over_a_shuffled_vhd_are_bounded_by_its_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = 1 << 14;
    let (len, pieces) = shuffled_vhd(blocks);
    let path = sparse(folder.path(), "shuffled.vhd", len, &pieces);
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
fn shuffled_vhd_in_a_hole_needs_few_hole_queries() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = 1 << 14;
    let (len, pieces) = shuffled_vhd(blocks);
    let path = sparse(folder.path(), "shuffled.vhd", len, &pieces);
    let (asked, walked) = cost_of_walk(&path);
    walked.unwrap();
    assert!(asked.calls() < blocks / 16, "{}", asked.calls());
    // A bitmap or two may lie in a page that is no hole.
    assert!((blocks * 4..blocks * 4 + 64).contains(&asked.bytes()), "{}", asked.bytes());
    let asked = cost_of_check(&path);
    assert!(asked.calls() < blocks / 16, "{}", asked.calls());
}

/// Blocks of the largest shuffled VHD; `IMGPREP_SHUFFLED_BLOCKS` overrides the number. With 2^23 a release build takes ten seconds
/// of processor time.
const SHUFFLED: u64 = 1 << 19;

/// A file of a few MiB whose blocks are in random order: the runs of the comparison do not fit into memory.
#[test]
fn shuffled_vhd_costs_no_more_memory_than_the_budget() {
    const BUDGET_MIB: u64 = 16;
    let folder = tempfile::tempdir().unwrap();
    let blocks = std::env::var("IMGPREP_SHUFFLED_BLOCKS").map_or(SHUFFLED, |text| text.parse().unwrap());
    let (len, pieces) = shuffled_vhd(blocks);
    sparse(folder.path(), "shuffled.vhd", len, &pieces);
    let memory = format!("{BUDGET_MIB}M");
    for args in [
        &["info", "shuffled.vhd"][..],
        &["check", "--memory", &memory, "shuffled.vhd"],
        &["convert", "--dry-run", "--memory", &memory, "shuffled.vhd", "out.raw"],
    ] {
        let asking = command(folder.path(), args);
        let output = bounded(&asking, BOUND_KIB + (BUDGET_MIB << 10)).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", printed(&output));
    }
}

#[test]
fn a_shuffled_vhd_has_no_conflicts() {
    let folder = tempfile::tempdir().unwrap();
    let (len, pieces) = shuffled_vhd(1 << 14);
    sparse(folder.path(), "shuffled.vhd", len, &pieces);
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
