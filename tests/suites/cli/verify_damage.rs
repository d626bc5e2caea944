//! Outputs that are damaged before they are read back, and sources that change: nothing of it goes unnoticed.
//!
//! `strace` makes a write of the output succeed without writing anything: what the file holds there are zeros.

use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Output};

use imgprep::{
    BitmapMaker, BitmapShape, CheckOptions, Depth, Destination, Disk, Error, Existing, Interrupt, OnLoss,
    OpenOptions, OutputOptions, Progress, RunOptions, Sync, policy,
};
use testdata_gen::Noise;

use crate::support::batches::journal;
use crate::support::library::to_raw;
use crate::support::program::{command, has_strace, names, printed};

const UNIT: usize = 2 << 20;

fn strace(folder: &Path, options: &[&str], args: &[&str]) -> Output {
    let program = command(folder, args);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", "trace=pwritev"]).args(options);
    strace.arg(program.get_program()).args(program.get_args()).current_dir(folder).output().unwrap()
}

/// Runs a command in which the first write of `len` bytes to an output is lost.
fn damaged(folder: &Path, nth: usize, len: usize, args: &[&str]) -> Output {
    let inject = format!("inject=pwritev:retval={len}:when={nth}");
    strace(folder, &["-o", "/dev/null", "-e", &inject], args)
}

#[test]
fn convert_verify_finds_a_write_that_was_lost() {
    if !has_strace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let disk = Noise::new(1).bytes(UNIT);
    fs::write(at.join("disk.img"), &disk).unwrap();
    let args = ["convert", "--from", "raw", "disk.img", "out.raw", "-q", "-j", "1"];
    let output = damaged(at, 1, UNIT, &args);
    assert!(output.status.success(), "{}", printed(&output));
    assert!(fs::read(at.join("out.raw")).unwrap() == vec![0; UNIT], "the write is lost, and nobody sees it");
    fs::remove_file(at.join("out.raw")).unwrap();
    for more in [&["--verify"][..], &["--verify", "--receipt", "c.json", "--bitmap"]] {
        let output = damaged(at, 1, UNIT, &[&args[..], more].concat());
        assert_eq!(output.status.code(), Some(1));
        let text = printed(&output);
        assert!(
            text.contains("out.raw") && text.contains("[verify.differs") && !text.contains("/proc"),
            "{text}"
        );
        assert_eq!(names(at), ["disk.img"]);
    }
}

#[test]
fn convert_verify_reads_a_zvhd2_back_too() {
    if !has_strace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("disk.img"), Noise::new(1).bytes(UNIT)).unwrap();
    let args = [
        "convert",
        "--from",
        "raw",
        "disk.img",
        "out.zvhd2",
        "-q",
        "-j",
        "1",
        "--verify",
        "--uuid",
        &"0".repeat(32),
        // With direct I/O the record and the header page are one write.
        "--cache",
        "buffered",
    ];
    let output = strace(at, &["-o", "trace"], &args);
    assert!(output.status.success(), "{}", printed(&output));
    fs::remove_file(at.join("out.zvhd2")).unwrap();
    // The record: the longest write.
    let trace = fs::read_to_string(at.join("trace")).unwrap();
    // An strace that does not know a system call traces it as well.
    let writes = trace.lines().filter(|line| line.contains("pwritev("));
    let written = writes.filter_map(|line| line.rsplit_once(" = ")?.1.trim().parse::<usize>().ok());
    let written: Vec<_> = written.collect();
    let (nth, len) = written.iter().enumerate().max_by_key(|(_, len)| **len).unwrap();
    assert!(*len >= UNIT, "{written:?}");
    fs::remove_file(at.join("trace")).unwrap();
    let output = damaged(at, nth + 1, *len, &args);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        printed(&output).contains("out.zvhd2") && printed(&output).contains("verifying"),
        "{}",
        printed(&output)
    );
    assert_eq!(names(at), ["disk.img"]);
}

#[test]
fn batch_verify_finds_a_write_that_was_lost() {
    if !has_strace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::create_dir(at.join("images")).unwrap();
    fs::write(at.join("images/disk.img"), Noise::new(1).bytes(UNIT)).unwrap();
    let args = ["batch", "images", "--out", "out", "-O", "raw", "-q", "-j", "1"];
    let output = damaged(at, 1, UNIT, &[&args[..], &["--force"]].concat());
    assert!(output.status.success(), "{}", printed(&output));
    assert!(fs::read(at.join("out/disk.raw")).unwrap() == vec![0; UNIT]);
    fs::remove_dir_all(at.join("out")).unwrap();
    let output = damaged(at, 1, UNIT, &[&args[..], &["--verify", "--retries", "0"]].concat());
    assert_eq!(output.status.code(), Some(2), "{}", printed(&output));
    assert_eq!(names(&at.join("out")), [crate::support::batches::JOURNAL]);
    let events = journal(&at.join("out"));
    let failed = events.iter().find(|event| event["event"] == "fail").unwrap();
    assert_eq!(failed["record"]["error"]["code"], "verify.differs", "{failed}");
    // The next attempt is not damaged, and is what counts.
    let again = [&args[..], &["--verify", "--force", "--retries", "1", "--retry-pause", "1"]].concat();
    let output = damaged(at, 1, UNIT, &again);
    assert!(output.status.success(), "{}", printed(&output));
    assert!(fs::read(at.join("out/disk.raw")).unwrap() == fs::read(at.join("images/disk.img")).unwrap());
}

/// Runs `work` on a source of which a byte changes at its first progress; what it gives.
fn changing<T>(path: &Path, work: impl FnOnce(&RunOptions<'_>) -> T) -> T {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    work(&RunOptions {
        threads: NonZeroUsize::MIN,
        memory: 64 << 20,
        on_loss: OnLoss::Stop,
        interrupt: &Interrupt::default(),
        progress: &Progress::default(),
        observe: &|_| file.write_all_at(b"x", 0).unwrap(),
    })
}

#[track_caller]
fn is_changed(error: &Error) {
    assert_eq!(error.code().id, "io.read.changed");
    assert!(error.to_string().contains("its timestamps changed"), "{error}");
}

/// A change in place is detected by the last check of the source: one for each path through the engine.
#[test]
fn source_changed_in_place_ends_every_run() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let path = at.join("disk.raw");
    fs::write(&path, Noise::new(1).bytes(UNIT)).unwrap();
    let open = || Disk::open(&path, &OpenOptions::default()).unwrap();
    let to = Destination::Path(at.join("out.raw"));
    is_changed(&changing(&path, |run| imgprep::convert(&open(), &to, &to_raw(), run)).unwrap_err());
    let (maker, bitmap) = (BitmapMaker::Ours(BitmapShape::default()), at.join("disk.mf"));
    let output = OutputOptions { existing: Existing::Refuse, sync: Sync::None, ..OutputOptions::default() };
    is_changed(
        &changing(&path, |run| imgprep::write_bitmap(&open(), &bitmap, &maker, output, run)).unwrap_err(),
    );
    assert_eq!(names(at), ["disk.raw"]);
    // A check scans the disk where a bitmap is beside it.
    fs::write(&bitmap, vec![1; 4096]).unwrap();
    let options = CheckOptions {
        open: OpenOptions::default(),
        profile: Some(policy::Profile::built_in("flexible-engine").unwrap().unwrap()),
        intent: policy::CheckIntent::default(),
        depth: Depth::Tables,
        bitmap: Some(BitmapShape::default()),
    };
    let checked = changing(&path, |run| imgprep::check_file(&path, &options, run));
    is_changed(&checked.error.expect("the check does not end well"));
}
