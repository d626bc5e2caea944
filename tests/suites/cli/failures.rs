//! Errors of inputs, payloads and outputs: each has its code.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use testdata_gen::{Noise, disk_of, good};

use crate::support::outputs::{MIB, overlay, refused};
use crate::support::program::{command, has_strace, has_tool, imgprep, names, printed};

/// A process that is ended when this is dropped.
struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Somebody writes to the image: `qemu-io` that waits for its next command.
fn held_by_qemu(folder: &Path, format: &str, image: &str) -> Held {
    let mut child = Command::new("qemu-io")
        .args(["-f", format, image])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // An answer: it has the image open.
    child.stdin.as_mut().unwrap().write_all(b"length\n").unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    assert!(lines.read_line(&mut line).unwrap() > 0);
    Held(child)
}

#[test]
fn image_locked_by_qemu_is_rejected() {
    if !has_tool("qemu-io") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let disk = overlay(at);
    for (format, image) in [("qcow2", "top.qcow2"), ("raw", "base.raw")] {
        let held = held_by_qemu(at, format, image);
        refused(at, &["convert", "top.qcow2", "out.raw"], "[source.in-use");
        refused(at, &["convert", "top.qcow2", "out.raw", "--dry-run"], "[source.in-use");
        refused(at, &["bitmap", "top.qcow2", "out.mf"], "[source.in-use");
        let output = imgprep(at, &["check", image, "--allow", "safety/backing-file"]);
        assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
        assert!(printed(&output).contains("[source.in-use"), "{}", printed(&output));
        drop(held);
    }
    let output = imgprep(at, &["convert", "top.qcow2", "out.raw", "-q"]);
    assert!(output.status.success(), "{}", printed(&output));
    assert!(fs::read(at.join("out.raw")).unwrap() == disk);
}

#[test]
fn source_changed_in_place_during_a_conversion_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("big.raw"), Noise::new(1).bytes(8 * MIB)).unwrap();
    let mut child = command(at, &["convert", "big.raw", "-", "-O", "raw", "-q"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The pipe is full then, and the conversion waits in the middle.
    let mut first = [0; 1];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    OpenOptions::new().write(true).open(at.join("big.raw")).unwrap().write_all_at(b"x", 0).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("big.raw") && text.contains("[io.read.changed"), "{text}");
    // A tool that makes a bitmap reads the file by itself: the file must be the same afterwards.
    fs::write(at.join("tool.sh"), "printf x | dd of=\"$1\" conv=notrunc status=none; echo map > \"$2\"\n")
        .unwrap();
    let args = ["bitmap", "big.raw", "big.mf", "--bitmap-command", "sh tool.sh {raw} {mf}"];
    let output = imgprep(at, &args);
    assert_eq!(output.status.code(), Some(1));
    assert!(printed(&output).contains("[io.read.changed"), "{}", printed(&output));
    assert!(!at.join("big.mf").exists());
}

#[test]
fn codes_of_inputs_and_outputs_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("disk.raw"), Noise::new(1).bytes(MIB)).unwrap();
    fs::create_dir(at.join("folder")).unwrap();
    for (args, code) in [
        (&["convert", "disk.raw/inside", "out.raw"][..], "[io.open.failed"),
        (&["convert", "folder", "out.raw"], "[io.open.directory"),
        (&["convert", "/dev/null", "out.raw"], "[io.open.special"),
        (&["convert", "no-such.raw", "out.raw"], "[io.open.not-found"),
        (&["convert", "disk.raw", "folder", "-O", "raw", "--force"], "[io.output.special"),
        (&["convert", "disk.raw", "/dev/null", "-O", "raw", "--force"], "[io.output.special"),
        (&["convert", "disk.raw", "no/such/folder.raw"], "[io.output.failed"),
        (&["convert", "disk.raw", "-", "-O", "raw", "--verify"], "[convert.verify-pipe"),
    ] {
        refused(at, args, code);
    }
    let piped = |size: &str, bytes: &[u8]| {
        let args = ["convert", "-", "out.raw", "--from", "raw", "--size", size, "-q"];
        let mut child = command(at, &args).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), at.join("out.raw").exists()), (Some(1), false));
        printed(&output)
    };
    let short = piped("1000", &[1; 999]);
    assert!(short.contains("ended after 999 bytes") && short.contains("[io.stdin.short"), "{short}");
    let long = piped("1000", &[1; 1001]);
    assert!(
        long.contains("longer than the declared 1000 bytes") && long.contains("[io.stdin.long"),
        "{long}"
    );
}

fn image_file(name: &str) -> (Vec<u8>, Vec<u8>) {
    let image = good().into_iter().find(|image| image.name == name).unwrap();
    (image.files[0].bytes.clone(), image.disk)
}

#[test]
fn codes_of_payloads_that_cannot_be_decompressed_or_compressed() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    // The first record of a ZVHD2 declares three bytes more than its frame has: padding counts as payload then.
    let (mut file, _) = image_file("zvhd2-zstd");
    let len = u32::from_le_bytes(file[4096 + 12..4096 + 16].try_into().unwrap());
    file[4096 + 12..4096 + 16].copy_from_slice(&(len + 3).to_le_bytes());
    fs::write(at.join("a.zvhd2"), file).unwrap();
    refused(at, &["convert", "a.zvhd2", "out.raw"], "[codec.decompress.left-over");
    // One stream: all records after a broken one are lost, and each has its reason.
    let (mut file, _) = image_file("zvhd-mixed");
    file[4096 + 48..4096 + 64].fill(0xff);
    fs::write(at.join("a.zvhd"), file).unwrap();
    let output = imgprep(at, &["convert", "a.zvhd", "out.raw", "--salvage", "--output", "json", "-q"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let losses = report["losses"].as_array().unwrap();
    let codes: Vec<_> = losses.iter().map(|loss| loss["code"].as_str().unwrap()).collect();
    assert_eq!(codes[0], "codec.decompress.garbage", "{report}");
    assert!(
        codes.len() > 1 && codes[1..].iter().all(|code| *code == "codec.decompress.broken-stream"),
        "{report}"
    );
}

#[test]
fn a_level_that_a_format_does_not_have_is_refused_by_the_library() {
    use imgprep::{Compression, ConvertOptions, Destination, Disk, OpenOptions as Open, Target, Zvhd2Target};
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("disk.raw"), disk_of(MIB, &[(0, vec![1; 4096])])).unwrap();
    let disk = Disk::open(&at.join("disk.raw"), &Open::default()).unwrap();
    for compression in [
        Compression::Zstd { level: 23, has_checksum: true },
        Compression::Zstd { level: 0, has_checksum: true },
        Compression::ZlibOpen { level: 10 },
    ] {
        let options = ConvertOptions {
            target: Target::Zvhd2(Zvhd2Target { compression }),
            ..crate::support::library::to_raw()
        };
        let to = Destination::Path(at.join("out.zvhd2"));
        let error = crate::support::library::on_one_thread(|run| imgprep::convert(&disk, &to, &options, run))
            .unwrap_err();
        assert_eq!(error.code().id, "codec.compress.level");
        assert_eq!(names(at), ["disk.raw"]);
    }
}

#[test]
fn an_unreadable_range_of_a_salvage_has_its_code() {
    if !has_strace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("disk.raw"), Noise::new(1).bytes(4 * MIB)).unwrap();
    let program =
        command(at, &["convert", "disk.raw", "out.raw", "--salvage", "-q", "--output", "json", "-j", "1"]);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-P", "disk.raw", "-e", "trace=pread64"]);
    // After two reads at its ends and the first unit: the second unit, and the first step of its second attempt.
    strace.args(["-e", "inject=pread64:error=EIO:when=4..5"]);
    let output = strace.arg(program.get_program()).args(program.get_args()).current_dir(at).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["losses"][0]["code"], "io.read.failed", "{report}");
    assert_eq!(report["losses"].as_array().unwrap().len(), 1);
}

#[test]
fn codes_of_a_batch_that_cannot_run() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::create_dir(at.join("images")).unwrap();
    fs::write(at.join("images/disk.raw"), Noise::new(1).bytes(MIB)).unwrap();
    fs::write(at.join("file"), "").unwrap();
    fs::create_dir_all(at.join("out/imgprep-batch.journal")).unwrap();
    for (args, code) in [
        (["batch", "images", "--out", "file/out"], "[batch.listing"),
        (["batch", "images", "--out", "out"], "[batch.journal.failed"),
    ] {
        let output = imgprep(at, &args);
        assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
        assert!(printed(&output).contains(code), "{}", printed(&output));
    }
    if !has_strace() {
        return;
    }
    let program = command(at, &["batch", "images", "--out", "new"]);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=clone,clone3"]);
    strace.args(["-e", "inject=clone,clone3:error=EAGAIN"]);
    let output = strace.arg(program.get_program()).args(program.get_args()).current_dir(at).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    assert!(printed(&output).contains("[batch.threads"), "{}", printed(&output));
}
