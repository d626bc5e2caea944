//! What a command writes: never over what it reads, under any name, whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use testdata_gen::{Cell, Noise, Qcow2, disk_of, good, write_files};

use crate::batch::jobs::signal;
use crate::support::program::{command, has_strace, has_tool, imgprep, names, said, skip};

const MIB: usize = 1 << 20;

/// A disk of 64 KiB of data in an overlay of 128 KiB over `base.raw`.
fn overlay(folder: &Path) -> Vec<u8> {
    let mut recipe = Qcow2::new(16, 2 << 16);
    recipe.cells.insert(1, Cell::Data(vec![7; 1 << 16]));
    recipe.backing = Some(("base.raw".into(), Some("raw".into())));
    let base = vec![3; 2 << 16];
    fs::write(folder.join("base.raw"), &base).unwrap();
    fs::write(folder.join("top.qcow2"), recipe.write().file).unwrap();
    [&base[..1 << 16], &vec![7; 1 << 16]].concat()
}

/// All names in a folder with their contents.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    names(folder)
        .into_iter()
        .map(|name| (fs::read(folder.join(&name)).unwrap_or_default(), name))
        .map(|(bytes, name)| (name, bytes))
        .collect()
}

/// Runs a command that must be rejected with this code and change nothing.
#[track_caller]
fn refused(folder: &Path, args: &[&str], code: &str) -> String {
    let before = contents(folder);
    let output = imgprep(folder, args);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {text}");
    assert!(text.contains(code), "{args:?}: {text}");
    assert!(contents(folder) == before, "{args:?} changed a file");
    text
}

#[test]
fn report_or_receipt_path_that_names_an_input_or_output_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    overlay(at);
    for (index, file) in ["top.qcow2", "base.raw"].iter().enumerate() {
        symlink(file, at.join(format!("soft{index}"))).unwrap();
        fs::hard_link(at.join(file), at.join(format!("hard{index}"))).unwrap();
    }
    symlink("out.raw", at.join("soft-out")).unwrap();
    let convert = ["convert", "top.qcow2", "out.raw"];
    for path in ["top.qcow2", "base.raw", "./base.raw", "soft0", "soft1", "hard0", "hard1"] {
        for option in ["--report", "--receipt"] {
            for more in [&[][..], &["--force"], &["--dry-run"], &["--dry-run", "--force"]] {
                let text = refused(at, &[&convert[..], &[option, path], more].concat(), "[output.is-source");
                assert!(text.contains(&format!("the {} is also a source", &option[2..])), "{text}");
            }
        }
    }
    for path in ["out.raw", "soft-out", "./out.raw"] {
        for option in ["--report", "--receipt"] {
            refused(at, &[&convert[..], &[option, path]].concat(), "[output.twice");
            refused(at, &[&convert[..], &[option, path, "--dry-run", "--force"]].concat(), "[output.twice");
        }
    }
    refused(at, &[&convert[..], &["--report", "r", "--receipt", "./r"]].concat(), "[output.twice");
    refused(at, &[&convert[..], &["--report", "out.mf", "--bitmap"]].concat(), "[output.twice");
}

#[test]
fn output_or_bitmap_path_that_names_an_input_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    overlay(at);
    fs::hard_link(at.join("base.raw"), at.join("hard.raw")).unwrap();
    symlink("top.qcow2", at.join("soft.raw")).unwrap();
    for output in ["hard.raw", "soft.raw", "base.raw"] {
        refused(at, &["convert", "top.qcow2", output, "--force"], "[output.is-source");
        refused(at, &["convert", "top.qcow2", output, "--force", "--dry-run"], "[output.is-source");
    }
    // A RAW that is called as its own bitmap would be.
    fs::write(at.join("disk.mf"), vec![1; MIB]).unwrap();
    let args = ["convert", "--from", "raw", "disk.mf", "disk.raw", "--bitmap"];
    refused(at, &args, "[output.is-source");
    refused(at, &[&args[..], &["--force"]].concat(), "[output.is-source");
    for bitmap in ["base.raw", "hard.raw", "soft.raw"] {
        refused(at, &["bitmap", "top.qcow2", bitmap, "--force"], "[output.is-source");
    }
    refused(at, &["bitmap", "base.raw", "b.mf", "--report", "base.raw"], "[output.is-source");
    refused(at, &["bitmap", "base.raw", "b.mf", "--report", "b.mf"], "[output.twice");
    let args = ["bitmap", "base.raw", "hard.raw", "--force", "--bitmap-command", "cp {raw} {mf}"];
    refused(at, &args, "[output.is-source");
}

#[test]
fn every_extent_of_a_split_image_is_protected() {
    let image = good().into_iter().find(|image| image.name == "vmdk-split-flat").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let source = write_files(&image.files, folder.path()).unwrap();
    let source = source.file_name().unwrap().to_str().unwrap();
    let all = names(folder.path());
    assert!(all.len() > 2, "{all:?}");
    for extent in &all {
        for args in [
            ["convert", source, "out.raw", "--report", extent],
            ["convert", source, "out.raw", "--receipt", extent],
        ] {
            refused(folder.path(), &[&args[..], &["--force"]].concat(), "[output.is-source");
        }
        refused(folder.path(), &["convert", source, extent, "-O", "raw", "--force"], "[output.is-source");
    }
}

#[test]
fn files_behind_standard_input_and_output_are_protected() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("disk.raw"), vec![5; MIB]).unwrap();
    let before = contents(at);
    let size = MIB.to_string();
    let args = ["convert", "-", "out.raw", "--from", "raw", "--size", &size, "--report", "disk.raw"];
    let output = command(at, &args).stdin(File::open(at.join("disk.raw")).unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("[output.is-source"), "{}", said(&output));
    let appended = OpenOptions::new().append(true).open(at.join("disk.raw")).unwrap();
    let output = command(at, &["convert", "disk.raw", "-", "-O", "raw"]).stdout(appended).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("[output.is-source"), "{}", said(&output));
    assert!(contents(at) == before);
}

/// What a failed command would have read is not all known: its report replaces only a report.
#[test]
fn the_report_of_a_failed_conversion_replaces_no_image() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    overlay(at);
    // The middle layer is damaged, so the base below it is never opened.
    fs::write(at.join("middle.qcow2"), b"QFI\xfb damaged").unwrap();
    let backing = Some(("middle.qcow2".to_string(), Some("qcow2".to_string())));
    fs::write(at.join("upper.qcow2"), Qcow2 { backing, ..Qcow2::new(16, 2 << 16) }.write().file).unwrap();
    for report in ["base.raw", "middle.qcow2", "upper.qcow2"] {
        refused(at, &["convert", "upper.qcow2", "out.raw", "--report", report], "");
    }
    refused(at, &["convert", "no-such.qcow2", "out.raw", "--report", "out.raw"], "[io.open.not-found");
    let args = ["convert", "upper.qcow2", "out.raw", "--report", "r.json"];
    for before in [None, Some(""), Some("{\"schema\":\"imgprep/convert/1\"}")] {
        before.map_or(Ok(()), |text| fs::write(at.join("r.json"), text)).unwrap();
        assert_eq!(imgprep(at, &args).status.code(), Some(1));
        let report: Value = serde_json::from_slice(&fs::read(at.join("r.json")).unwrap()).unwrap();
        assert!(report["error"]["code"].as_str().unwrap().starts_with("qcow2."), "{report}");
    }
    fs::write(at.join("r.json"), "{\"mine\":1}").unwrap();
    let text = refused(at, &args, "not replaced");
    assert!(text.contains("r.json"), "{text}");
}

#[test]
fn batch_never_overwrites_images_backing_files_manifests_or_outputs() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::create_dir(at.join("images")).unwrap();
    overlay(&at.join("images"));
    fs::rename(at.join("images/base.raw"), at.join("images/base.json")).unwrap();
    let mut recipe = Qcow2::new(16, 2 << 16);
    recipe.backing = Some(("base.json".into(), Some("raw".into())));
    fs::write(at.join("images/top.qcow2"), recipe.write().file).unwrap();
    symlink("images/top.qcow2", at.join("top.json")).unwrap();
    let batch = ["batch", "images", "--out", "out", "--name", "{stem}.json", "-q"];
    let unchanged = |args: &[&str], code: &str| {
        let before = contents(&at.join("images"));
        let output = imgprep(at, args);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", said(&output));
        assert!(said(&output).contains(code), "{args:?}: {}", said(&output));
        assert!(contents(&at.join("images")) == before && !at.join("out").exists(), "{args:?}");
    };
    for more in [&[][..], &["--force"], &["--plan"]] {
        for (report, code) in [
            ("images/base.json", "[output.is-source"),
            ("top.json", "[output.is-source"),
            ("out/top.json", "[output.twice"),
        ] {
            // The folder of the last one is not there yet: its name is compared.
            unchanged(&[&batch[..], &["--report", report], more].concat(), code);
        }
        unchanged(
            &[&batch[..], &["--report", "a.json", "--report", "./a.json"], more].concat(),
            "[output.twice",
        );
    }
    // An output that would replace another image's backing file.
    fs::create_dir(at.join("out")).unwrap();
    fs::rename(at.join("images/base.json"), at.join("out/top.json")).unwrap();
    recipe.backing = Some(("../out/top.json".into(), Some("raw".into())));
    fs::write(at.join("images/top.qcow2"), recipe.write().file).unwrap();
    let before = fs::read(at.join("out/top.json")).unwrap();
    let output = imgprep(at, &[&batch[..], &["--force", "--follow", "any"]].concat());
    assert!(said(&output).contains("[output.is-source"), "{}", said(&output));
    assert!(fs::read(at.join("out/top.json")).unwrap() == before);
}

#[test]
fn an_output_name_of_240_to_255_bytes_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let disk = overlay(at);
    for len in [240, 250, 255] {
        let name = "x".repeat(len - 4) + ".raw";
        let report = "r".repeat(len);
        let args = ["convert", "top.qcow2", &name, "--bitmap", "--verify", "-q", "--report", &report];
        for more in [&[][..], &["--force"]] {
            let output = imgprep(at, &[&args[..], more].concat());
            assert!(output.status.success(), "{len}: {}", said(&output));
            assert!(fs::read(at.join(&name)).unwrap() == disk);
        }
        let command = ["convert", "top.qcow2", &name, "-q", "--force", "--bitmap-command", "cp {raw} {mf}"];
        let output = imgprep(at, &command);
        assert!(output.status.success(), "{len}: {}", said(&output));
    }
    fs::create_dir(at.join("images")).unwrap();
    let name = "y".repeat(251) + ".raw";
    fs::write(at.join("images").join(&name), &disk).unwrap();
    let output = imgprep(at, &["batch", "images", "--out", "out", "-O", "raw", "-q"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(fs::read(at.join("out").join(&name)).unwrap() == disk);
    let hidden = |name: &String| name.starts_with('.');
    assert!(!names(at).iter().any(hidden) && !names(&at.join("out")).iter().any(hidden));
}

#[test]
fn errors_do_not_contain_hidden_file_names() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    overlay(at);
    // A tool whose last words are its arguments.
    fs::write(at.join("tool.sh"), "echo \"cannot use $1 and $2\" >&2\nexit 9\n").unwrap();
    let args = ["convert", "top.qcow2", "out.raw", "--bitmap-command", "sh tool.sh {raw} {mf}"];
    let text = refused(at, &args, "[bitmap.command-failed");
    assert!(text.contains("cannot use out.raw and out.mf") && !text.contains("imgprep-"), "{text}");
}

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
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(
            said(&output).contains("[io.write.failed") && said(&output).contains("File too large"),
            "{}",
            said(&output)
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
        let text = said(&output);
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
    assert!(texts.contains("out of memory: ") && texts.contains("[codec.pack.failed"), "{texts}");
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
        assert!(output.status.success(), "{}", said(&output));
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
        assert_eq!(names(&out), [""; 0], "{mib} MiB: {}", said(&output));
        seen.push(said(&output));
        if seen.iter().any(|text| text.contains("out of memory")) {
            return;
        }
    }
    panic!("no limit was met: {seen:?}");
}

#[test]
fn unwritten_payload_is_a_failure_and_unread_text_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("big.raw"), Noise::new(1).bytes(8 * MIB)).unwrap();
    let closed = |args: &[&str]| {
        let mut child = command(at, args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        child.wait_with_output().unwrap()
    };
    for format in ["raw", "zvhd2"] {
        let output = closed(&["convert", "big.raw", "-", "-O", format, "-q"]);
        assert_eq!(output.status.code(), Some(1), "{format}");
        assert!(said(&output).contains("[io.write.closed"), "{}", said(&output));
    }
    for args in [
        &["info", "big.raw"][..],
        &["map", "big.raw"],
        &["check", "big.raw"],
        &["check", "--rules"],
        &["completions", "bash"],
    ] {
        let output = closed(args);
        assert_eq!((output.status.code(), said(&output).as_str()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn json_to_a_full_or_closed_standard_output_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("disk.raw"), Noise::new(1).bytes(MIB)).unwrap();
    fs::create_dir(at.join("images")).unwrap();
    fs::copy(at.join("disk.raw"), at.join("images/disk.raw")).unwrap();
    let json: &[&[&str]] = &[
        &["info", "disk.raw"],
        &["info", "no-such"],
        &["map", "disk.raw"],
        &["check", "disk.raw"],
        &["check", "no-such"],
        &["convert", "disk.raw", "a.raw", "--force"],
        &["convert", "no-such", "b.raw"],
        &["bitmap", "disk.raw", "a.mf", "--force"],
        &["batch", "images", "--out", "out", "--force", "--progress", "none"],
        &["batch", "images", "--out", "out", "--plan"],
        &["batch", "nowhere", "--out", "out"],
    ];
    let shell = |line: &str, args: &[&str]| {
        let program = command(at, args);
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec \"$0\" \"$@\" {line}")]).arg(program.get_program());
        shell.args(program.get_args()).current_dir(at).output().unwrap()
    };
    for args in json {
        let args = [args, &["--output", "json"][..]].concat();
        for line in [">/dev/full", ">&-"] {
            let output = shell(line, &args);
            assert_eq!(output.status.code(), Some(1), "{args:?} {line}: {}", said(&output));
            assert!(said(&output).starts_with("imgprep: "), "{args:?} {line}: {}", said(&output));
        }
    }
    for args in [&["info", "disk.raw"][..], &["check", "disk.raw"], &["--help"], &["man"]] {
        assert_eq!(shell(">/dev/full", args).status.code(), Some(1), "{args:?}");
    }
    // Nothing can be printed at all.
    let output = shell(">/dev/full 2>/dev/full", &["info", "no-such", "--output", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let output = shell(">&-", &["convert", "disk.raw", "-", "-O", "raw", "-q"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("cannot write standard output"), "{}", said(&output));
}

/// The names that a conversion with a bitmap leaves when it is killed at its `nth` link.
fn killed_at_link(folder: &Path, args: &[&str], nth: u32) -> Vec<String> {
    let program = command(folder, args);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=linkat,link,renameat2,rename,renameat"]);
    strace.args(["-e", &format!("inject=linkat:error=EIO:signal=KILL:when={nth}")]);
    let output =
        strace.arg(program.get_program()).args(program.get_args()).current_dir(folder).output().unwrap();
    assert!(!output.status.success(), "{}", said(&output));
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
    assert!(output.status.success(), "{}", said(&output));
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

#[test]
fn new_outputs_follow_the_umask_and_replaced_ones_keep_their_mode() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    overlay(at);
    let mode = |name: &str| fs::metadata(at.join(name)).unwrap().mode() & 0o7777;
    for (umask, new) in [("027", 0o640), ("077", 0o600), ("000", 0o666)] {
        let program = command(
            at,
            &[
                "convert",
                "top.qcow2",
                "out.raw",
                "--bitmap",
                "--force",
                "-q",
                "--report",
                "r.json",
                "--receipt",
                "c.json",
            ],
        );
        let run = |umask: &str| {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("umask {umask} && exec \"$0\" \"$@\"")]).arg(program.get_program());
            let output = shell.args(program.get_args()).current_dir(at).output().unwrap();
            assert!(output.status.success(), "{}", said(&output));
        };
        run(umask);
        let files = ["out.raw", "out.mf", "r.json", "c.json"];
        assert_eq!(files.map(mode), [new; 4], "umask {umask}");
        for name in files {
            fs::set_permissions(at.join(name), fs::Permissions::from_mode(0o604)).unwrap();
        }
        run(umask);
        // A RAW's old bitmap goes before the RAW does: the new one is a new file.
        assert_eq!([mode("out.raw"), mode("r.json"), mode("c.json")], [0o604; 3]);
        files.iter().for_each(|name| fs::remove_file(at.join(name)).unwrap());
    }
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
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains("[io.write.no-space"), "{}", said(&output));
        assert_eq!(names(folder.path()), ["big.raw"]);
    }
}

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
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains("[source.in-use"), "{}", said(&output));
        drop(held);
    }
    let output = imgprep(at, &["convert", "top.qcow2", "out.raw", "-q"]);
    assert!(output.status.success(), "{}", said(&output));
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
    assert!(said(&output).contains("[io.read.changed"), "{}", said(&output));
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
        said(&output)
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
    refused(at, &["convert", "a.zvhd2", "out.raw"], "[codec.unpack.left-over");
    // One stream: all records behind a broken one are lost, and each has its reason.
    let (mut file, _) = image_file("zvhd-mixed");
    file[4096 + 48..4096 + 64].fill(0xff);
    fs::write(at.join("a.zvhd"), file).unwrap();
    let output = imgprep(at, &["convert", "a.zvhd", "out.raw", "--salvage", "--output", "json", "-q"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let losses = report["losses"].as_array().unwrap();
    let codes: Vec<_> = losses.iter().map(|loss| loss["code"].as_str().unwrap()).collect();
    assert_eq!(codes[0], "codec.unpack.garbage", "{report}");
    assert!(
        codes.len() > 1 && codes[1..].iter().all(|code| *code == "codec.unpack.broken-stream"),
        "{report}"
    );
}

#[test]
fn a_level_that_a_format_does_not_have_is_refused_by_the_library() {
    use imgprep::{Compression, ConvertOptions, Destination, Disk, OpenOptions as Open, Target};
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("disk.raw"), disk_of(MIB, &[(0, vec![1; 4096])])).unwrap();
    let disk = Disk::open(&at.join("disk.raw"), &Open::default()).unwrap();
    for compression in [
        Compression::Zstd { level: 23, has_checksum: true },
        Compression::Zstd { level: 0, has_checksum: true },
        Compression::ZlibOpen { level: 10 },
    ] {
        let options =
            ConvertOptions { target: Target::Zvhd2(compression), ..crate::support::library::to_raw() };
        let to = Destination::Path(at.join("out.zvhd2"));
        let error = crate::support::library::on_one_thread(|run| imgprep::convert(&disk, &to, &options, run))
            .unwrap_err();
        assert_eq!(error.code(), "codec.pack.level");
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
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains(code), "{}", said(&output));
    }
    if !has_strace() {
        return;
    }
    let program = command(at, &["batch", "images", "--out", "new"]);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=clone,clone3"]);
    strace.args(["-e", "inject=clone,clone3:error=EAGAIN"]);
    let output = strace.arg(program.get_program()).args(program.get_args()).current_dir(at).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("[batch.threads"), "{}", said(&output));
}
