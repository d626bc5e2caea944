//! Conversions that are stopped: by signals, by limits of the system, by a full quota.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use testdata_gen::Noise;

use crate::support::batches::signal;
use crate::support::outputs::MIB;
use crate::support::program::{command, has_strace, names, printed};

/// Sends a signal once a conversion is at work, and waits for its end.
fn stopped(folder: &Path, program: &Command, name: &str) -> Option<i32> {
    // These tests may run under nohup, and a signal that is ignored stays so in a child.
    let mut child = Command::new("env");
    child.arg("--default-signal=HUP").arg(program.get_program()).args(program.get_args()).current_dir(folder);
    let mut child = child.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut first = [0; 1];
    child.stderr.as_mut().unwrap().read_exact(&mut first).unwrap();
    signal(child.id(), name);
    let output = child.wait_with_output().unwrap();
    assert_eq!(names(folder), ["big.raw"], "{name}");
    output.status.code()
}

/// Slow enough to be running when a signal is sent after the first line of progress.
const SLOW: &[&str] = &["convert", "big.raw", "out.zvhd2", "--level", "22", "-j", "1", "--progress", "jsonl"];

#[test]
fn sighup_sigquit_sigterm_and_sigxcpu_stop_a_conversion_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("big.raw"), Noise::new(1).half_compressible(64 * MIB)).unwrap();
    for name in ["-HUP", "-QUIT", "-TERM", "-XCPU"] {
        assert_eq!(stopped(folder.path(), &command(folder.path(), SLOW), name), Some(130), "{name}");
    }
}

#[test]
fn signals_stop_a_comparison() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("big.raw"), Noise::new(1).half_compressible(64 * MIB)).unwrap();
    let other = folder.path().with_extension("raw");
    fs::write(&other, [0; 512]).unwrap();
    // Bytes that differ are compared one by one, which takes long enough.
    let other = other.display().to_string();
    let args =
        ["compare", "big.raw", &other, "-F", "raw", "--granularity", "1", "-j", "1", "--progress", "jsonl"];
    for name in ["-INT", "-TERM"] {
        assert_eq!(stopped(folder.path(), &command(folder.path(), &args), name), Some(130), "{name}");
    }
    fs::remove_file(other).unwrap();
}

/// An image that is rewritten with a high level takes long enough. It is the ZVHD2 that its signature says, whatever its name.
#[test]
fn signals_stop_an_optimization_and_leave_the_image() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big.raw");
    fs::write(&path, Noise::new(1).half_compressible(64 * MIB)).unwrap();
    let args = ["convert", "big.raw", "big.zvhd2", "--level", "1", "--no-sync", "-q"];
    assert!(command(folder.path(), &args).status().unwrap().success());
    fs::rename(folder.path().join("big.zvhd2"), &path).unwrap();
    let image = fs::read(&path).unwrap();
    let slow = ["--level", "22", "-j", "1", "--progress", "jsonl", "big.raw"];
    let measure = ["measure", "--exact", "-o", "level=22", "-j", "1", "--progress", "jsonl", "big.raw"];
    for args in [
        [&["optimize", "--in-place"], &slow[..]].concat(),
        [&["optimize", "--dry-run"], &slow[..]].concat(),
        measure.to_vec(),
    ] {
        assert_eq!(stopped(folder.path(), &command(folder.path(), &args), "-INT"), Some(130), "{args:?}");
        assert!(fs::read(&path).unwrap() == image, "{args:?}");
    }
}

/// The file of the receipt has the length of the disk, so it is hashed, which does not end soon.
#[test]
fn signals_stop_a_verification() {
    let folder = tempfile::tempdir().unwrap();
    let length = 2_u64 << 40;
    fs::File::create(folder.path().join("big.raw")).unwrap().set_len(length).unwrap();
    let receipt = serde_json::json!({
        "schema": "imgprep/receipt/1", "virtual-size": length, "crc32": "00000000",
        "output": { "format": "raw", "length": length },
        "digests": { "algorithm": "blake3", "output-file": "00".repeat(32) },
    });
    let path = folder.path().with_extension("json");
    fs::write(&path, receipt.to_string()).unwrap();
    let path = path.display().to_string();
    let args = ["verify", "big.raw", "--receipt", &path, "--progress", "jsonl"];
    assert_eq!(stopped(folder.path(), &command(folder.path(), &args), "-TERM"), Some(130));
    fs::remove_file(path).unwrap();
}

/// Hashing the zeros of a disk of 2 TiB takes long enough.
#[test]
fn signals_stop_a_digest() {
    let folder = tempfile::tempdir().unwrap();
    fs::File::create(folder.path().join("big.raw")).unwrap().set_len(2 << 40).unwrap();
    for algorithm in ["blake3", "sha256"] {
        let args = ["digest", "big.raw", "-a", algorithm, "--progress", "jsonl"];
        assert_eq!(stopped(folder.path(), &command(folder.path(), &args), "-INT"), Some(130), "{algorithm}");
    }
}

#[test]
fn ignored_sighup_stays_ignored() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("big.raw"), Noise::new(1).bytes(24 * MIB)).unwrap();
    let program = command(folder.path(), SLOW);
    let mut nohup = Command::new("sh");
    nohup
        .args(["-c", "trap '' HUP && exec \"$0\" \"$@\""])
        .arg(program.get_program())
        .args(program.get_args());
    let mut child =
        nohup.current_dir(folder.path()).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut first = [0; 1];
    child.stderr.as_mut().unwrap().read_exact(&mut first).unwrap();
    signal(child.id(), "-HUP");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    assert!(folder.path().join("out.zvhd2").exists());
}

#[test]
fn sigkill_leaves_no_hidden_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("big.raw"), Noise::new(1).half_compressible(64 * MIB)).unwrap();
    // On a file system without files that have no name one stays: see SHORTCOMINGS.md.
    assert_eq!(stopped(folder.path(), &command(folder.path(), SLOW), "-KILL"), None);
}

/// A command under a limit of the shell (`ulimit`).
fn limited(limit: &str, folder: &Path, args: &[&str]) -> Output {
    let program = command(folder, args);
    let mut shell = Command::new("bash");
    let line = format!("ulimit {limit} && exec \"$0\" \"$@\"");
    shell.args(["-c", &line]).arg(program.get_program()).args(program.get_args());
    shell.current_dir(folder).env("SOURCE_DATE_EPOCH", "0").output().unwrap()
}

#[test]
fn file_size_limit_is_a_write_error_and_leaves_no_output() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("big.raw"), Noise::new(1).bytes(8 * MIB)).unwrap();
    for output in ["out.raw", "out.zvhd2"] {
        // In KiB.
        let output = limited("-f 1024", folder.path(), &["convert", "big.raw", output, "-q"]);
        assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
        assert!(
            printed(&output).contains("[io.write.failed") && printed(&output).contains("File too large"),
            "{}",
            printed(&output)
        );
        assert_eq!(names(folder.path()), ["big.raw"]);
    }
}

#[test]
fn exhausted_memory_is_an_error_and_leaves_no_output() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("big.raw"), Noise::new(1).bytes(16 * MIB)).unwrap();
    let mut texts = String::new();
    // From less than the program needs to start at to more than it needs to finish.
    for mib in [16, 20, 24, 28, 32, 40, 56, 72, 88, 120, 200, 400, 1500] {
        let limit = format!("-v {}", mib << 10);
        let args = ["convert", "big.raw", "out.zvhd2", "-q", "-j", "2", "--level", "19"];
        let output = limited(&limit, folder.path(), &args);
        let text = printed(&output);
        match output.status.code() {
            Some(0) => fs::remove_file(folder.path().join("out.zvhd2")).unwrap(),
            Some(1) => {
                assert!(text.contains("imgprep: "), "{mib} MiB: {text}");
                texts += &text;
            }
            // The loader could not even map the program.
            Some(127) => assert!(text.contains("error while loading"), "{mib} MiB: {text}"),
            // The system could not map it, or the loader could not start.
            None => assert!(mib <= 24 && text.is_empty(), "{mib} MiB: {text}"),
            code => panic!("{mib} MiB: {code:?}: {text}"),
        }
        assert_eq!(names(folder.path()), ["big.raw"], "{mib} MiB: {text}");
    }
    // In the allocator, in a codec, and where threads are started.
    assert!(texts.contains("out of memory: ") && texts.contains("[codec.compress.failed"), "{texts}");
}

/// A command on a file system without unnamed files: the first open of the folder fails as it does there.
fn without_nameless_files(folder: &Path, line: &str, args: &[&str]) -> Output {
    let program = command(folder, args);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-P"]).arg(folder.join("out"));
    strace.args(["-e", "trace=openat", "-e", "inject=openat:error=EOPNOTSUPP:when=1"]);
    strace.args(["bash", "-c", &format!("{line} exec \"$0\" \"$@\"")]).arg(program.get_program());
    strace.args(program.get_args()).current_dir(folder).output().unwrap()
}

#[test]
fn file_system_without_unnamed_files_gets_hidden_files_that_are_removed() {
    if !has_strace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("big.raw"), Noise::new(1).bytes(16 * MIB)).unwrap();
    let out = at.join("out");
    fs::create_dir(&out).unwrap();
    for more in [&[][..], &["--force"]] {
        let args = ["convert", "big.raw", "out/a.raw", "-q", "--bitmap"];
        let output = without_nameless_files(at, "", &[&args[..], more].concat());
        assert!(output.status.success(), "{}", printed(&output));
        assert!(fs::read(out.join("a.raw")).unwrap() == fs::read(at.join("big.raw")).unwrap());
        assert_eq!(names(&out), ["a.mf", "a.raw"]);
    }
    for name in names(&out) {
        fs::remove_file(out.join(name)).unwrap();
    }
    let args = ["convert", "big.raw", "out/a.zvhd2", "-q", "-j", "1", "--level", "19"];
    // Memory that runs out in the allocator while the hidden file exists.
    let mut seen = Vec::new();
    for mib in (20..120).step_by(4) {
        let line = format!("ulimit -v {};", mib << 10);
        let output = without_nameless_files(at, &line, &args);
        assert_eq!(names(&out), [""; 0], "{mib} MiB: {}", printed(&output));
        seen.push(printed(&output));
        if seen.iter().any(|text| text.contains("out of memory")) {
            return;
        }
    }
    panic!("no limit was met: {seen:?}");
}

#[test]
fn exhausted_quota_is_reported_as_no_space() {
    if !has_strace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("big.raw"), Noise::new(1).bytes(2 * MIB)).unwrap();
    for (calls, name) in [("pwritev,pwritev2,pwrite64", "out.raw"), ("fsync", "out.zvhd2")] {
        let program = command(folder.path(), &["convert", "big.raw", name, "-q"]);
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
        strace.args(["-e", &format!("inject={calls}:error=EDQUOT:when=1")]);
        let output = strace
            .arg(program.get_program())
            .args(program.get_args())
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
        assert!(printed(&output).contains("[io.write.no-space"), "{}", printed(&output));
        assert_eq!(names(folder.path()), ["big.raw"]);
    }
}
