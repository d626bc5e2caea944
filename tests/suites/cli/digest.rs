//! `imgprep digest`: digests of the contents, compared with `sha256sum`, `b3sum` and hashes of whole disks.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use testdata_gen::{Noise, good, sample, write_files};

use super::schemas::Schema;
use crate::support::outputs::MIB;
use crate::support::program::{bounded, command, has_tool, imgprep, names, printed, tool};

/// Digests of bytes, hashed as a whole.
fn of_bytes(bytes: &[u8]) -> Value {
    let sha256 = imgprep::hex(&Sha256::digest(bytes));
    json!({ "blake3": blake3::hash(bytes).to_string(), "sha256": sha256 })
}

/// The exit code and the object of `digest --output json` with both algorithms, which has the form of its schema.
fn digest(folder: &Path, args: &[&str]) -> (Option<i32>, Value) {
    let output = imgprep(folder, &[&["digest", "-a", "blake3,sha256", "--output", "json"], args].concat());
    Schema::of("digest").holds(&output.stdout, &format!("{args:?}"));
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

#[track_caller]
fn has_digests(folder: &Path, args: &[&str], bytes: &[u8]) {
    let (code, found) = digest(folder, args);
    assert_eq!((code, &found["images"][0]["digests"]), (Some(0), &of_bytes(bytes)), "{args:?}: {found:#}");
}

#[test]
fn digests_of_every_image_are_those_of_its_disk() {
    let folder = tempfile::tempdir().unwrap();
    for image in good() {
        let path = write_files(&image.files, folder.path()).unwrap().display().to_string();
        let snapshot = image.snapshot.iter().flat_map(|name| ["--snapshot", *name]).collect::<Vec<_>>();
        let mut disk = image.disk.clone();
        if image.format.starts_with("zvhd") {
            disk.resize(disk.len().next_multiple_of(512), 0);
        }
        has_digests(folder.path(), &[&[&path[..]], &snapshot[..]].concat(), &disk);
    }
}

/// Around the chunk of the pipeline, and around the powers of two where the tree of BLAKE3 changes its form.
#[test]
fn digests_of_disks_of_every_length_do_not_depend_on_the_threads() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let noise = Noise::new(1).bytes(9 * MIB);
    for chunks in [0, 1, 2, 3, 4] {
        for more in [0, 1, 511, 1025] {
            let len = chunks * 2 * MIB + more;
            // A chunk of zeros in the middle, and one at the end.
            let mut disk = noise[..len].to_vec();
            disk.iter_mut().skip(2 * MIB).take(2 * MIB).for_each(|byte| *byte = 0);
            fs::write(at.join("a.raw"), &disk).unwrap();
            for threads in ["1", "2", "7"] {
                has_digests(at, &["-f", "raw", "a.raw", "-j", threads], &disk);
            }
        }
    }
}

#[test]
fn holes_and_compressed_blocks_are_hashed_like_the_raw() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut disk = vec![0; 40 * MIB + 512];
    disk[9 * MIB..20 * MIB].copy_from_slice(&Noise::new(2).half_compressible(11 * MIB));
    fs::write(at.join("a.raw"), &disk).unwrap();
    for (name, options) in [
        ("b.raw", &[][..]),
        ("b.zvhd2", &[]),
        ("c.zvhd2", &["--zlib"]),
        ("b.qcow2", &["--level", "1"]),
        ("b.vhd", &[]),
    ] {
        let args = [&["convert", "-q", "a.raw", name, "--no-sync"], options].concat();
        tool(at, env!("CARGO_BIN_EXE_imgprep"), &args);
        for threads in ["1", "3"] {
            has_digests(at, &[name, "-j", threads, "--memory", "64M"], &disk);
        }
    }
    // The import into the cloud pads the disk of a ZVHD2 to whole GiB.
    disk.resize(1 << 30, 0);
    has_digests(at, &["b.zvhd2", "--size", "current"], &disk);
}

#[test]
fn lists_are_accepted_by_sha256sum_and_b3sum() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let files = [
        "a.raw",
        "with blank.raw",
        "back\\slash.raw",
        "line\nbreak.raw",
        "carriage\rreturn.raw",
        "-dash.raw",
    ];
    for (index, name) in files.iter().enumerate() {
        fs::write(at.join(name), Noise::new(index as u64).bytes(MIB + index)).unwrap();
    }
    // b3sum 1.2 does not know the escape of a carriage return.
    let known: Vec<_> = files.iter().copied().filter(|name| !name.contains('\r')).collect();
    for (algorithm, program, files) in [("sha256", "sha256sum", &files[..]), ("blake3", "b3sum", &known)] {
        let args = [&["digest", "--list", "-q", "-a", algorithm, "-f", "raw", "--"], files].concat();
        let output = imgprep(at, &args);
        assert!(output.status.success(), "{}", printed(&output));
        assert_eq!(output.stdout.split(|byte| *byte == b'\n').count(), files.len() + 1);
        if !has_tool(program) {
            continue;
        }
        fs::write(at.join("LIST"), &output.stdout).unwrap();
        let checked = Command::new(program).args(["-c", "LIST"]).current_dir(at).output().unwrap();
        assert!(checked.status.success(), "{}", printed(&checked));
        assert_eq!(printed(&checked).matches(": OK\n").count(), files.len());
        let theirs = Command::new(program).arg("--").args(files).current_dir(at).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&theirs.stdout), String::from_utf8_lossy(&output.stdout));
        fs::remove_file(at.join("LIST")).unwrap();
    }
}

#[test]
fn text_has_name_size_and_each_digest() {
    let folder = tempfile::tempdir().unwrap();
    write_files(&sample().files, folder.path()).unwrap();
    let want = of_bytes(&sample().disk);
    let output = imgprep(folder.path(), &["digest", "sample.qcow2", "-a", "sha256,blake3"]);
    let [sha256, blake3] = ["sha256", "blake3"].map(|name| want[name].as_str().unwrap());
    let text =
        format!("sample.qcow2: qcow2, 64 MiB (67108864 bytes)\n  sha256 {sha256}\n  blake3 {blake3}\n");
    assert_eq!(printed(&output), text);
    let output = imgprep(folder.path(), &["digest", "sample.qcow2"]);
    assert!(
        printed(&output).ends_with(&format!("  blake3 {blake3}\n")) && !printed(&output).contains("sha256")
    );
    assert_eq!(printed(&imgprep(folder.path(), &["digest", "-q", "sample.qcow2"])), "");
}

#[test]
fn an_unreadable_image_does_not_hide_the_others_and_exits_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write_files(&sample().files, at).unwrap();
    let (code, found) = digest(at, &["gone", "sample.qcow2"]);
    assert_eq!((code, &found["images"][1]["digests"]), (Some(1), &of_bytes(&sample().disk)));
    assert!(found["images"][0]["error"]["code"].is_string() && found["error"]["code"].is_string());
    let output = imgprep(at, &["digest", "--list", "gone", "sample.qcow2"]);
    assert_eq!(output.status.code(), Some(1));
    let line = format!("{}  sample.qcow2\n", blake3::hash(&sample().disk));
    assert_eq!(String::from_utf8_lossy(&output.stdout), line);
    let (code, found) = digest(at, &["gone"]);
    assert_eq!((code, found["error"]["code"].is_string()), (Some(1), true));
}

#[test]
fn a_damaged_payload_has_no_digest() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("a.raw"), Noise::new(5).half_compressible(8 * MIB)).unwrap();
    tool(at, env!("CARGO_BIN_EXE_imgprep"), &["convert", "-q", "a.raw", "a.zvhd2"]);
    let mut image = fs::read(at.join("a.zvhd2")).unwrap();
    let middle = image.len() / 2;
    image[middle..middle + 64].fill(0x55);
    fs::write(at.join("a.zvhd2"), &image).unwrap();
    for algorithm in ["blake3", "sha256"] {
        let output = imgprep(at, &["digest", "a.zvhd2", "--list", "-a", algorithm]);
        assert_eq!((output.status.code(), &output.stdout[..]), (Some(1), &b""[..]), "{}", printed(&output));
        assert!(printed(&output).contains("a.zvhd2"), "{}", printed(&output));
    }
}

#[test]
fn a_raw_on_standard_input_is_hashed() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let disk = Noise::new(6).bytes(MIB);
    fs::write(at.join("a.raw"), &disk).unwrap();
    let mut program = command(at, &["digest", "--list", "-", "--from", "raw", "--size", "1M"]);
    let output = program.stdin(fs::File::open(at.join("a.raw")).unwrap()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{}  -\n", blake3::hash(&disk)));
}

#[test]
fn wrong_arguments_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("a.raw"), [1; 512]).unwrap();
    for (args, want) in [
        (&[][..], "required arguments"),
        (&["a.raw", "-a", "md5"], "[possible values: blake3, sha256]"),
        (&["a.raw", "-a", "blake3,sha256", "--list"], "--list has one algorithm"),
        (&["a.raw", "--list", "--output", "json"], "--list is not JSON"),
        (&["a.raw", "a.raw", "--parent", "a.raw"], "--parent applies to one image"),
        (&["-", "-"], "only one of the images can be standard input"),
        (&["a.raw", "--report", "a.raw"], "[output.is-source"),
        (&["a.raw", "--memory", "1M"], "[engine.memory]"),
    ] {
        let output = imgprep(at, &[&["digest"], args].concat());
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", printed(&output));
        assert!(printed(&output).contains(want), "{args:?}: {}", printed(&output));
    }
    assert_eq!(names(at), ["a.raw"]);
}

#[test]
fn memory_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut disk = Noise::new(8).half_compressible(96 * MIB);
    disk.resize(400 * MIB, 0);
    fs::write(at.join("a.raw"), &disk).unwrap();
    tool(at, env!("CARGO_BIN_EXE_imgprep"), &["convert", "-q", "--level", "1", "a.raw", "a.zvhd2"]);
    let args = ["digest", "a.zvhd2", "-a", "sha256,blake3", "-j", "2", "--memory", "32M", "-q"];
    let output = bounded(&command(at, &args), (32 + 64) << 10).output().unwrap();
    assert!(output.status.success(), "{}", printed(&output));
}

/// Every image has its own counters, and its lines name it.
#[test]
fn progress_of_several_images_names_each_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let sizes = [("a.raw", 3 * MIB), ("b.raw", 5 * MIB), ("c.raw", 2 * MIB)];
    for (name, size) in sizes {
        fs::write(at.join(name), Noise::new(9).bytes(size)).unwrap();
    }
    let lines = |args: &[&str]| -> Vec<Value> {
        let output = imgprep(at, &[&["digest", "--progress", "jsonl"], args].concat());
        assert!(output.status.success(), "{}", printed(&output));
        output
            .stderr
            .split_inclusive(|byte| *byte == b'\n')
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    };
    let all = lines(&["a.raw", "b.raw", "c.raw"]);
    for (index, (name, size)) in sizes.into_iter().enumerate() {
        let last =
            all.iter().rfind(|line| line["filename"] == name).unwrap_or_else(|| panic!("{name}: {all:?}"));
        assert_eq!((&last["image"], &last["images"]), (&(index + 1).into(), &3.into()), "{last}");
        for counter in ["disk-total", "disk-done", "source-read"] {
            assert_eq!(last[counter], size, "{counter}: {last}");
        }
    }
    let one = lines(&["a.raw"]);
    assert!(one.iter().all(|line| line["filename"].is_null() && line["images"].is_null()), "{one:?}");
}
