//! `imgprep compare`: differing ranges, exit codes, and `qemu-img compare` as a second opinion.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use testdata_gen::{Cell, Noise, Qcow2, broken, good, sample, write_files};

use super::schemas::Schema;
use crate::support::outputs::MIB;
use crate::support::program::{bounded, command, has_tool, imgprep, names, printed, tool};

/// The exit code and the object of `compare --output json`, which has the form of its schema.
fn compare(folder: &Path, args: &[&str]) -> (Option<i32>, Value) {
    let output = imgprep(folder, &[&["compare", "--output", "json"], args].concat());
    Schema::of("compare").holds(&output.stdout, &format!("{args:?}"));
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

/// The exit code and the differing ranges.
fn ranges(folder: &Path, args: &[&str]) -> (Option<i32>, Vec<(u64, u64)>) {
    let (code, found) = compare(folder, args);
    let listed = found["differences"].as_array().unwrap_or_else(|| panic!("{args:?}: {found:#}"));
    let number = |value: &Value| value.as_u64().unwrap();
    (code, listed.iter().map(|range| (number(&range["start"]), number(&range["end"]))).collect())
}

#[test]
fn every_image_is_the_same_as_its_raw_in_both_orders() {
    let folder = tempfile::tempdir().unwrap();
    for image in good() {
        let path = write_files(&image.files, folder.path()).unwrap().display().to_string();
        // The bytes of the recipe, not of our own converter.
        let mut disk = image.disk.clone();
        fs::write(folder.path().join("disk.raw"), &disk).unwrap();
        let snapshot =
            |option| image.snapshot.iter().flat_map(move |name| [option, *name]).collect::<Vec<_>>();
        let first = [&[&path, "disk.raw", "-F", "raw"][..], &snapshot("--snapshot")].concat();
        let second = [&["disk.raw", &path, "-f", "raw"][..], &snapshot("--snapshot-b")].concat();
        for args in [&first, &second] {
            assert_eq!(ranges(folder.path(), args), (Some(0), vec![]), "{}", image.name);
        }
        let Some(at) = disk.len().checked_sub(1) else { continue };
        disk[at] ^= 1;
        fs::write(folder.path().join("disk.raw"), &disk).unwrap();
        let want = vec![(at as u64, disk.len() as u64)];
        for args in [first, second] {
            let args = [&args[..], &["--granularity", "1", "-j", "3"]].concat();
            assert_eq!(ranges(folder.path(), &args), (Some(1), want.clone()), "{}", image.name);
        }
    }
}

#[test]
fn a_changed_byte_is_found_with_its_block_for_every_granularity() {
    let folder = tempfile::tempdir().unwrap();
    let disk = sample().disk;
    write_files(&sample().files, folder.path()).unwrap();
    let last = disk.len() - 1;
    for at in [0, 1, 4095, 2 * MIB - 1, 2 * MIB, last / 2, last] {
        let mut changed = disk.clone();
        changed[at] ^= 0x80;
        fs::write(folder.path().join("changed.raw"), &changed).unwrap();
        for (granularity, size) in [("1", 1), ("512", 512), ("4K", 4096), ("2M", 2 * MIB)] {
            let start = at / size * size;
            let want = vec![(start as u64, (start + size).min(disk.len()) as u64)];
            for pair in [["sample.qcow2", "changed.raw"], ["changed.raw", "sample.qcow2"]] {
                let args = [&pair[..], &["--granularity", granularity]].concat();
                assert_eq!(ranges(folder.path(), &args), (Some(1), want.clone()), "{at} {granularity}");
            }
        }
    }
}

#[test]
fn adjacent_blocks_are_one_range_across_chunks_and_others_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let zeros = vec![0; 9 * MIB];
    let mut other = zeros.clone();
    other[MIB..5 * MIB].fill(1);
    [6 * MIB, 7 * MIB, 8 * MIB].iter().for_each(|start| other[*start] = 1);
    fs::write(at.join("a.raw"), &zeros).unwrap();
    fs::write(at.join("b.raw"), &other).unwrap();
    let mib = MIB as u64;
    let (code, found) = compare(at, &["a.raw", "b.raw", "--limit", "2", "-j", "3"]);
    assert_eq!(code, Some(1));
    let want = serde_json::json!([
        { "start": mib, "end": 5 * mib }, { "start": 6 * mib, "end": 6 * mib + 4096 },
    ]);
    assert_eq!(found["differences"], want);
    assert_eq!(
        (&found["difference-count"], &found["differing-bytes"]),
        (&4.into(), &(4 * mib + 3 * 4096).into())
    );
    let text = printed(&imgprep(at, &["compare", "a.raw", "b.raw", "--limit", "2"]));
    let want = "different: disk bytes 1048576..5242880, 4 MiB (4194304 bytes)\n\
        different: disk bytes 6291456..6295552, 4 KiB (4096 bytes)\nand 2 more ranges\n\
        a.raw and b.raw: different in 4 ranges, 4 MiB (4206592 bytes) in blocks of 4 KiB (4096 bytes)\n";
    assert_eq!(text, want);
}

#[test]
fn results_are_the_same_for_every_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let (a, mut noise) = (Noise::new(1).half_compressible(30 * MIB), Noise::new(2));
    let mut b = a.clone();
    for start in (0..b.len() - 9000).step_by(700_001) {
        b[start..start + 9000].copy_from_slice(&noise.bytes(9000));
    }
    fs::write(folder.path().join("a.raw"), &a).unwrap();
    fs::write(folder.path().join("b.raw"), &b).unwrap();
    tool(
        folder.path(),
        env!("CARGO_BIN_EXE_imgprep"),
        &["convert", "-q", "b.raw", "b.zvhd2", "--level", "1"],
    );
    // The blocks that differ, counted by this test.
    let mut want: Vec<(u64, u64)> = Vec::new();
    for (index, (a, b)) in a.chunks(512).zip(b.chunks(512)).enumerate() {
        let (start, end) = (index as u64 * 512, (index as u64 + 1) * 512);
        match want.last_mut() {
            _ if a == b => {}
            Some(last) if last.1 == start => last.1 = end,
            _ => want.push((start, end)),
        }
    }
    assert!(want.len() > 40);
    for threads in ["1", "2", "7"] {
        for b in ["b.raw", "b.zvhd2"] {
            let args = ["a.raw", b, "--granularity", "512", "-j", threads];
            assert_eq!(ranges(folder.path(), &args), (Some(1), want.clone()), "{threads} {b}");
        }
    }
}

#[test]
fn sizes_that_differ_by_zeros_are_the_same_unless_strict() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut disk = Noise::new(3).bytes(3 * MIB + 512);
    fs::write(at.join("a.raw"), &disk).unwrap();
    disk.resize(7 * MIB, 0);
    fs::write(at.join("b.raw"), &disk).unwrap();
    *disk.last_mut().unwrap() = 1;
    fs::write(at.join("c.raw"), &disk).unwrap();
    for [a, b] in [["a.raw", "b.raw"], ["b.raw", "a.raw"]] {
        let (code, found) = compare(at, &[a, b]);
        assert_eq!((code, &found["same-size"], &found["same"]), (Some(0), &false.into(), &true.into()));
        for strict in ["-s", "--strict"] {
            let (code, found) = compare(at, &[a, b, strict]);
            assert_eq!(
                (code, &found["same-contents"], &found["same"]),
                (Some(1), &true.into(), &false.into())
            );
            assert_eq!(found["differences"], serde_json::json!([]));
        }
    }
    let text = printed(&imgprep(at, &["compare", "--strict", "a.raw", "b.raw"]));
    let want = "a.raw has 3 MiB (3146240 bytes), b.raw has 7 MiB (7340032 bytes); the rest is zeros\n\
        a.raw and b.raw: different sizes\n";
    assert_eq!(text, want);
    let end = (7 * MIB) as u64;
    assert_eq!(ranges(at, &["a.raw", "c.raw"]), (Some(1), vec![(end - 4096, end)]));
    assert_eq!(compare(at, &["b.raw", "b.raw", "-s"]).0, Some(0));
}

/// All pairs of images: the exit code of `qemu-img compare` is ours.
#[test]
fn exit_codes_are_those_of_qemu_img() {
    if !has_tool("qemu-img") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let disk = Noise::new(4).half_compressible(5 * MIB);
    let mut changed = disk.clone();
    changed[4 * MIB + 77] ^= 1;
    let mut longer = disk.clone();
    longer.resize(6 * MIB, 0);
    for (name, bytes) in [("a", &disk), ("b", &changed), ("c", &longer)] {
        fs::write(at.join(format!("{name}.raw")), bytes).unwrap();
    }
    let others =
        [("qcow2", "b", "b.qcow2"), ("vmdk", "a", "a.vmdk"), ("vdi", "c", "c.vdi"), ("vpc", "b", "b.vhd")];
    for (format, disk, image) in others {
        tool(at, "qemu-img", &["convert", "-f", "raw", "-O", format, &format!("{disk}.raw"), image]);
    }
    let images = ["a.raw", "b.raw", "c.raw", "b.qcow2", "a.vmdk", "c.vdi", "b.vhd"];
    for a in images {
        for b in images {
            let theirs =
                Command::new("qemu-img").args(["compare", "-q", a, b]).current_dir(at).output().unwrap();
            let ours = imgprep(at, &["compare", "-q", a, b]);
            assert_eq!(ours.status.code(), theirs.status.code(), "{a} {b}: {}", printed(&ours));
            assert_eq!(printed(&ours), "", "{a} {b}");
        }
    }
    assert!(theirs_on_a_missing_file(at));
}

/// Whether `qemu-img` has the same exit code for what could not be compared.
fn theirs_on_a_missing_file(at: &Path) -> bool {
    let output =
        Command::new("qemu-img").args(["compare", "a.raw", "gone"]).current_dir(at).output().unwrap();
    output.status.code() == Some(2)
}

#[test]
fn damaged_and_unreadable_images_are_never_reported_as_different() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("other.raw");
    fs::write(&raw, vec![5; 3 << 20]).unwrap();
    for image in broken() {
        let path = write_files(&image.files, folder.path()).unwrap().display().to_string();
        for pair in [[&path[..], "other.raw"], ["other.raw", &path]] {
            let (code, found) = compare(folder.path(), &pair);
            assert_eq!(code, Some(2), "{}: {found:#}", image.name);
            assert!(found["error"]["code"].is_string(), "{}: {found:#}", image.name);
        }
    }
    for args in [&["gone", "other.raw"][..], &["other.raw", "gone"], &["other.raw", "."], &["-", "-"]] {
        assert_eq!(compare(folder.path(), args).0, Some(2), "{args:?}");
    }
}

/// A payload that cannot be decompressed is found only when it is read.
#[test]
fn a_damaged_payload_is_an_error_at_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("a.raw"), Noise::new(5).half_compressible(8 * MIB)).unwrap();
    tool(at, env!("CARGO_BIN_EXE_imgprep"), &["convert", "-q", "a.raw", "a.zvhd2"]);
    let mut image = fs::read(at.join("a.zvhd2")).unwrap();
    let middle = image.len() / 2;
    image[middle..middle + 64].fill(0x55);
    fs::write(at.join("a.zvhd2"), &image).unwrap();
    for threads in ["1", "2"] {
        let (code, found) = compare(at, &["a.raw", "a.zvhd2", "-j", threads]);
        assert_eq!((code, &found["error"]["class"]), (Some(2), &"corrupt".into()), "{found:#}");
        assert_eq!(found["error"]["file"], "a.zvhd2");
    }
}

#[test]
fn wrong_arguments_exit_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("a.raw"), [1; 512]).unwrap();
    for (args, want) in [
        (&["a.raw"][..], "required arguments"),
        (&["a.raw", "a.raw", "--limit", "x"], "invalid value"),
        (&["a.raw", "a.raw", "--from", "floppy"], "unknown format"),
        (&["a.raw", "a.raw", "-F", "floppy"], "unknown format"),
        (&["a.raw", "a.raw", "--granularity", "3"], "[compare.granularity]"),
        (&["a.raw", "a.raw", "--granularity", "0"], "[compare.granularity]"),
        (&["a.raw", "a.raw", "--granularity", "4M"], "at most 2097152"),
        (&["a.raw", "a.raw", "--granularity", "original"], "--granularity must be a number of bytes"),
        (&["a.raw", "a.raw", "--memory", "1M"], "[engine.memory]"),
        (&["a.raw", "a.raw", "--report", "a.raw"], "[output.is-source"),
        (&["-", "-"], "only one of the two images can be standard input"),
    ] {
        let output = imgprep(at, &[&["compare"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", printed(&output));
        assert!(printed(&output).contains(want), "{args:?}: {}", printed(&output));
    }
    assert_eq!(names(at), ["a.raw"]);
}

#[test]
fn an_undecided_format_is_reported_with_the_option_of_its_side() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("a.raw"), [1; 512]).unwrap();
    fs::write(at.join("b.qcow2"), [1; 512]).unwrap();
    let output = imgprep(at, &["compare", "a.raw", "b.qcow2"]);
    assert_eq!(output.status.code(), Some(2));
    let want = "select the format of b.qcow2 with: --from raw (--from-b for B)";
    assert!(printed(&output).contains(want), "{}", printed(&output));
    assert_eq!(compare(at, &["a.raw", "b.qcow2", "--from-b", "raw"]).0, Some(0));
}

#[test]
fn options_of_each_side_apply_to_that_side_only() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write_files(&sample().files, at).unwrap();
    fs::copy(at.join("sample.qcow2"), at.join("copy.qcow2")).unwrap();
    // Read as RAW, the file is another disk.
    assert_eq!(compare(at, &["sample.qcow2", "copy.qcow2"]).0, Some(0));
    assert_eq!(compare(at, &["-f", "raw", "sample.qcow2", "copy.qcow2"]).0, Some(1));
    assert_eq!(compare(at, &["-F", "raw", "sample.qcow2", "copy.qcow2"]).0, Some(1));
    assert_eq!(compare(at, &["-f", "raw", "-F", "raw", "sample.qcow2", "copy.qcow2"]).0, Some(0));
    // A parent outside of the folder, named for one side.
    let mut recipe = Qcow2::new(16, 2 << 16);
    recipe.cells.insert(1, Cell::Data(vec![7; 1 << 16]));
    recipe.backing = Some(("gone.raw".into(), Some("raw".into())));
    fs::write(at.join("top.qcow2"), recipe.write().file).unwrap();
    fs::write(at.join("base.raw"), vec![3; 2 << 16]).unwrap();
    fs::write(at.join("whole.raw"), [vec![3; 1 << 16], vec![7; 1 << 16]].concat()).unwrap();
    assert_eq!(compare(at, &["--parent", "base.raw", "top.qcow2", "whole.raw"]).0, Some(0));
    assert_eq!(compare(at, &["--parent-b", "base.raw", "whole.raw", "top.qcow2"]).0, Some(0));
    assert_eq!(compare(at, &["whole.raw", "top.qcow2"]).0, Some(2));
}

#[test]
fn a_raw_on_standard_input_is_compared() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("a.raw"), Noise::new(6).bytes(MIB)).unwrap();
    let from = |args: &[&str]| {
        let mut program = command(at, &[&["compare", "-q"], args].concat());
        program.stdin(fs::File::open(at.join("a.raw")).unwrap()).output().unwrap()
    };
    let output = from(&["-", "a.raw", "--from", "raw", "--size", "1M"]);
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    let output = from(&["a.raw", "-", "-F", "raw", "--size-b", "1M"]);
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
}

/// Both maps report the whole disk as zeros, except for a few MiB: reading 8 EiB would not end.
#[test]
fn cost_depends_on_the_data_and_memory_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    if !has_tool("qemu-img") || !has_tool("qemu-io") {
        return;
    }
    for (name, format) in [("a.qcow2", "qcow2"), ("b.vhdx", "vhdx")] {
        tool(at, "qemu-img", &["create", "-q", "-f", format, name, "60T"]);
        for at_gib in [0, 7, 50_000] {
            let write = format!("write -P {} {at_gib}G 24M", at_gib % 250 + 1);
            tool(at, "qemu-io", &["-f", format, "-c", &write, name]);
        }
    }
    let args = ["compare", "a.qcow2", "b.vhdx", "-q", "-j", "2", "--memory", "32M"];
    let output = bounded(&command(at, &args), (32 + 64) << 10).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    tool(at, "qemu-io", &["-f", "qcow2", "-c", "write -P 9 40T 512", "a.qcow2"]);
    assert_eq!(
        ranges(at, &["a.qcow2", "b.vhdx", "--granularity", "512"]),
        (Some(1), vec![(40 << 40, (40 << 40) + 512)])
    );
}

/// With little memory the process ends with 2: 1 would mean that the disks differ.
#[test]
fn exhausted_memory_exits_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("a.raw"), Noise::new(7).bytes(8 * MIB)).unwrap();
    tool(at, env!("CARGO_BIN_EXE_imgprep"), &["convert", "-q", "a.raw", "a.zvhd2"]);
    let mut codes = Vec::new();
    for kib in (256..16_384).step_by(512) {
        let output =
            bounded(&command(at, &["compare", "a.raw", "a.zvhd2", "-q", "-j", "2"]), kib).output().unwrap();
        let code = output.status.code();
        assert!([Some(0), Some(2), Some(127), None].contains(&code), "{kib}: {code:?}: {}", printed(&output));
        if printed(&output).contains("out of memory") {
            codes.push(code);
        }
    }
    assert!(!codes.is_empty() && codes.iter().all(|code| *code == Some(2)), "{codes:?}");
}

/// A reader that closed the pipe does not turn a difference into success; an output that cannot be written is a failure.
#[test]
fn a_result_that_is_not_read_keeps_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("a.raw"), [1; 512]).unwrap();
    fs::write(at.join("b.raw"), [2; 512]).unwrap();
    for (b, want) in [("a.raw", 0), ("b.raw", 1)] {
        let mut child = command(at, &["compare", "a.raw", b]);
        let mut child = child.stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(want), "{b}");
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = command(at, &["compare", "a.raw", b]).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{b}: {}", printed(&output));
    }
}
