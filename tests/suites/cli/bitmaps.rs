//! A RAW and its bitmap: both or none, and never those of two disks.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use crate::support::outputs::{overlay, refused};
use crate::support::program::{command, has_strace, imgprep, names, printed, skip};

/// The names that a conversion with a bitmap leaves when it is killed at its `nth` link.
fn killed_at_link(folder: &Path, args: &[&str], nth: u32) -> Vec<String> {
    let program = command(folder, args);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=linkat,link,renameat2,rename,renameat"]);
    strace.args(["-e", &format!("inject=linkat:error=EIO:signal=KILL:when={nth}")]);
    let output =
        strace.arg(program.get_program()).args(program.get_args()).current_dir(folder).output().unwrap();
    assert!(!output.status.success(), "{}", printed(&output));
    names(folder)
}

#[test]
fn bitmap_left_by_sigkill_is_replaced_and_a_foreign_bitmap_is_kept() {
    if !has_strace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let disk = overlay(at);
    let args = ["convert", "top.qcow2", "out.raw", "--bitmap", "-q"];
    // The links of a run: a mark, the bitmap's name, the RAW's name.
    let left = killed_at_link(at, &args, 3);
    if !left.contains(&"out.mf".to_string()) {
        skip("nameless-files", "what SIGKILL leaves of a bitmap");
        return;
    }
    assert!(!left.contains(&"out.raw".to_string()), "{left:?}");
    let output = imgprep(at, &args);
    assert!(output.status.success(), "{}", printed(&output));
    assert!(fs::read(at.join("out.raw")).unwrap() == disk);
    assert_eq!(names(at), ["base.raw", "out.mf", "out.raw", "top.qcow2"]);
    // A complete pair, and a foreign bitmap.
    refused(at, &args, "[io.output.exists");
    fs::remove_file(at.join("out.raw")).unwrap();
    refused(at, &args, "[io.output.exists");
    // A bitmap that was changed later.
    fs::remove_file(at.join("out.mf")).unwrap();
    killed_at_link(at, &args, 3);
    fs::write(at.join("out.mf"), "somebody's").unwrap();
    let time =
        fs::metadata(at.join("out.mf")).unwrap().modified().unwrap() + std::time::Duration::from_secs(1);
    File::options().write(true).open(at.join("out.mf")).unwrap().set_modified(time).unwrap();
    refused(at, &args, "[io.output.exists");
}

#[test]
fn replaced_raw_never_stands_beside_a_bitmap_of_another_disk() {
    if !has_strace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let disk = overlay(at);
    let args = ["convert", "top.qcow2", "out.raw", "--bitmap", "-q", "--force"];
    for nth in 1..=4 {
        fs::write(at.join("out.raw"), "old").unwrap();
        fs::write(at.join("out.mf"), "old").unwrap();
        let program = command(at, &args);
        let mut strace = Command::new("strace");
        strace.args([
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=linkat,link,renameat2,rename,renameat,unlink,unlinkat",
        ]);
        strace.args([
            "-e",
            &format!("inject=linkat,rename,renameat,renameat2:error=EIO:signal=KILL:when={nth}"),
        ]);
        let output =
            strace.arg(program.get_program()).args(program.get_args()).current_dir(at).output().unwrap();
        let pair = (fs::read(at.join("out.raw")).unwrap(), fs::read(at.join("out.mf")).ok());
        let is_new = pair.0 == disk;
        assert!(is_new || pair.0 == b"old", "{nth}");
        match &pair.1 {
            None => assert!(!output.status.success(), "{nth}"),
            Some(bitmap) => assert_eq!(bitmap != b"old", is_new, "{nth}: a bitmap of another RAW"),
        }
        for name in names(at).iter().filter(|name| name.starts_with('.')) {
            fs::remove_file(at.join(name)).unwrap();
        }
    }
}
