//! Standard output that is full or closed.

use std::fs;
use std::process::{Command, Stdio};

use testdata_gen::Noise;

use crate::support::outputs::MIB;
use crate::support::program::{command, printed};

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
        assert!(printed(&output).contains("[io.write.closed"), "{}", printed(&output));
    }
    for args in [
        &["info", "big.raw"][..],
        &["map", "big.raw"],
        &["check", "big.raw"],
        &["check", "--rules"],
        &["completions", "bash"],
    ] {
        let output = closed(args);
        assert_eq!((output.status.code(), printed(&output).as_str()), (Some(0), ""), "{args:?}");
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
            assert_eq!(output.status.code(), Some(1), "{args:?} {line}: {}", printed(&output));
            assert!(printed(&output).starts_with("imgprep: "), "{args:?} {line}: {}", printed(&output));
        }
    }
    for args in [&["info", "disk.raw"][..], &["check", "disk.raw"], &["--help"], &["man"]] {
        assert_eq!(shell(">/dev/full", args).status.code(), Some(1), "{args:?}");
    }
    // Nothing can be printed at all.
    let output = shell(">/dev/full 2>/dev/full", &["info", "no-such", "--output", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let output = shell(">&-", &["convert", "disk.raw", "-", "-O", "raw", "-q"]);
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    assert!(printed(&output).contains("cannot write standard output"), "{}", printed(&output));
}
