//! What a conversion puts on the disk, and in which order, as the system sees it: a file, then its name, then the folder.

use std::path::Path;
use std::process::Command;

use testdata_gen::Noise;

use crate::batch::syncs::{Call, calls, next, published};
use crate::support::loop_device::Loop;
use crate::support::program::{command, has_strace, printed};

const TRACED: &str = "trace=fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat";

/// The calls of a command that must succeed.
fn traced(folder: &Path, args: &[&str]) -> Vec<Call> {
    let program = command(folder, args);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-qq", "-s", "100000", "-o", "trace", "-e", TRACED]);
    let output =
        strace.arg(program.get_program()).args(program.get_args()).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", printed(&output));
    calls(&std::fs::read_to_string(folder.join("trace")).unwrap())
}

fn syncs(calls: &[Call]) -> usize {
    calls.iter().filter(|call| call.text.starts_with("fsync")).count()
}

fn disk(folder: &Path) -> String {
    std::fs::write(folder.join("disk.raw"), Noise::new(1).bytes(1 << 20)).unwrap();
    format!("<{}>", folder.canonicalize().unwrap().display())
}

const CONVERT: &[&str] =
    &["convert", "disk.raw", "out.raw", "--bitmap", "--receipt", "c.json", "--report", "r.json", "-q"];

#[test]
fn convert_syncs_each_file_before_its_name_and_the_folder_after_it() {
    if !has_strace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let in_folder = disk(folder.path());
    let calls = traced(folder.path(), CONVERT);
    let mut at = 0;
    for name in ["out.mf", "out.raw", "c.json", "r.json"] {
        at = published(&calls, at, name);
        at = next(&calls, at, &["fsync", &in_folder]);
    }
}

#[test]
fn convert_syncs_files_that_replace_others() {
    if !has_strace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let in_folder = disk(folder.path());
    for name in ["out.raw", "out.mf", "c.json", "r.json"] {
        std::fs::write(folder.path().join(name), "old").unwrap();
    }
    let calls = traced(folder.path(), &[CONVERT, &["--force"]].concat());
    // The old bitmap is gone for certain before the RAW is another one.
    let mut at = next(&calls, 0, &["unlink", "out.mf"]);
    at = next(&calls, at, &["fsync", &in_folder]);
    for name in ["out.raw", "out.mf", "c.json", "r.json"] {
        at = published(&calls, at, name);
        at = next(&calls, at, &["fsync", &in_folder]);
    }
}

#[test]
fn bitmap_syncs_its_file_and_the_folder() {
    if !has_strace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let in_folder = disk(folder.path());
    for args in [
        &["bitmap", "disk.raw", "a.mf", "-q"][..],
        &["bitmap", "disk.raw", "b.mf", "-q", "--bitmap-command", "cp {raw} {mf}"],
    ] {
        let calls = traced(folder.path(), args);
        let at = published(&calls, 0, args[2]);
        next(&calls, at, &["fsync", &in_folder]);
    }
}

#[test]
fn without_sync_only_the_report_is_synced() {
    if !has_strace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    disk(folder.path());
    let calls = traced(folder.path(), &[CONVERT, &["--no-sync"]].concat());
    // The report and its folder.
    assert_eq!(syncs(&calls), 2, "{calls:#?}");
    let zvhd2 = ["convert", "disk.raw", "out.zvhd2", "-q"];
    assert_eq!(syncs(&traced(folder.path(), &zvhd2)), 2);
    assert_eq!(syncs(&traced(folder.path(), &[&zvhd2[..], &["--force", "--no-sync"]].concat())), 0);
}

#[test]
fn device_is_synced_after_writing_and_opened_exclusively() {
    if !has_strace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    disk(folder.path());
    let backing = folder.path().join("device");
    std::fs::write(&backing, vec![0xee; 2 << 20]).unwrap();
    let Some(device) = Loop::new(&backing) else { return };
    let args = ["convert", "disk.raw", &device.0, "-O", "raw", "--force", "-q"];
    let calls = traced(folder.path(), &args);
    next(&calls, 0, &["fsync", &format!("<{}", device.0)]);
    // Somebody else has it for himself.
    let exclusive = {
        use std::os::unix::fs::OpenOptionsExt;
        let flags = 0o200; // O_EXCL
        std::fs::OpenOptions::new().read(true).custom_flags(flags).open(&device.0).unwrap()
    };
    let before = std::fs::read(&device.0).unwrap();
    let output = command(folder.path(), &args).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(printed(&output).contains("[io.output.busy"), "{}", printed(&output));
    assert!(std::fs::read(&device.0).unwrap() == before);
    drop(exclusive);
    assert!(command(folder.path(), &args).output().unwrap().status.success());
    // The other node of the same device is the same file.
    let report =
        command(folder.path(), &["convert", "--from", "raw", &device.0, &device.0, "-O", "raw", "--force"]);
    let output = { report }.output().unwrap();
    assert!(printed(&output).contains("[output.is-source"), "{}", printed(&output));
}
