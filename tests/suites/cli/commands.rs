//! The program as a user meets it.

use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use testdata_gen::{disk_of, good, sample, write_files};

use crate::cli::schemas::Schema;
use crate::support::program::{command, has_tool, imgprep, names, printed};

const UUID: &str = "00112233-4455-6677-8899-aabbccddeeff";

#[test]
fn the_same_input_gives_the_same_bytes_with_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_files(&sample().files, folder.path()).unwrap().display().to_string();
    for compression in [&["--level", "3"][..], &["--zlib"]] {
        let mut outputs = Vec::new();
        for threads in ["1", "2", "7"] {
            let args = [
                &["convert", &path, "out.zvhd2", "--force", "--no-sync", "-q", "--uuid", UUID, "-j", threads]
                    [..],
                compression,
            ]
            .concat();
            let output = imgprep(folder.path(), &args);
            assert!(output.status.success(), "{}", printed(&output));
            outputs.push(std::fs::read(folder.path().join("out.zvhd2")).unwrap());
        }
        assert!(outputs[0] == outputs[1] && outputs[1] == outputs[2], "{compression:?}");
    }
}

#[test]
fn a_pipe_gets_the_same_bytes_as_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_files(&sample().files, folder.path()).unwrap().display().to_string();
    for format in ["zvhd2", "raw"] {
        let file = format!("out.{format}");
        assert!(imgprep(folder.path(), &["convert", &path, &file, "-q", "--uuid", UUID]).status.success());
        let piped = imgprep(folder.path(), &["convert", &path, "-", "-O", format, "-q", "--uuid", UUID]);
        assert!(piped.status.success(), "{}", String::from_utf8_lossy(&piped.stderr));
        assert!(piped.stdout == std::fs::read(folder.path().join(file)).unwrap(), "{format}");
    }
}

#[test]
fn raw_is_read_from_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk_of(5_000_000, &[(4_000_000, vec![9; 5000])]);
    let args = ["convert", "-", "out.raw", "--from", "raw", "--size", "5000000", "-q"];
    let mut child = command(folder.path(), &args).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&disk).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(std::fs::read(folder.path().join("out.raw")).unwrap() == disk);
}

#[test]
fn raw_output_is_sparse_and_its_bitmap_is_made_in_the_same_pass() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_files(&sample().files, folder.path()).unwrap().display().to_string();
    let output = imgprep(folder.path(), &["convert", &path, "a.raw", "--bitmap", "-q"]);
    assert!(output.status.success(), "{}", printed(&output));
    let bitmap = std::fs::read(folder.path().join("a.mf")).unwrap();
    let disk = sample().disk;
    let mut want = vec![0; 4096];
    for (block, bytes) in disk.chunks(2 << 20).enumerate() {
        want[block / 8] |= u8::from(bytes.iter().any(|byte| *byte != 0)) << (block % 8);
    }
    assert!(bitmap == want);
    let output = imgprep(folder.path(), &["bitmap", "a.raw", "b.mf", "-q"]);
    assert!(output.status.success(), "{}", printed(&output));
    assert!(std::fs::read(folder.path().join("b.mf")).unwrap() == want);
    let finer = ["bitmap", &path, "c.mf", "-q", "--bitmap-block", "512", "--bitmap-order", "msb"];
    assert!(imgprep(folder.path(), &finer).status.success());
    let finer = std::fs::read(folder.path().join("c.mf")).unwrap();
    assert_eq!(finer.len(), 64 << 20 >> 9 >> 3);
    for (block, bytes) in disk.chunks(512).enumerate() {
        let is_set = finer[block / 8] >> (7 - block % 8) & 1 == 1;
        assert_eq!(is_set, bytes.iter().any(|byte| *byte != 0), "{block}");
    }
    let blocks = std::fs::metadata(folder.path().join("a.raw")).unwrap().blocks();
    assert!(blocks * 512 < 8 << 20, "{blocks} blocks are allocated");
}

#[test]
fn existing_output_is_kept_without_force() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_files(&sample().files, folder.path()).unwrap().display().to_string();
    std::fs::write(folder.path().join("out.raw"), "mine").unwrap();
    let output = imgprep(folder.path(), &["convert", &path, "out.raw"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(printed(&output).contains("io.output.exists"), "{}", printed(&output));
    assert_eq!(std::fs::read(folder.path().join("out.raw")).unwrap(), b"mine");
    let output = imgprep(folder.path(), &["convert", &path, &path, "-O", "raw", "--force"]);
    assert!(printed(&output).contains("output.is-source"), "{}", printed(&output));
}

#[test]
fn dry_run_writes_nothing_and_predicts_the_size() {
    let folder = tempfile::tempdir().unwrap();
    for image in good().into_iter().filter(|image| image.snapshot.is_none()) {
        let path = write_files(&image.files, folder.path()).unwrap().display().to_string();
        let before = names(folder.path());
        for (target, is_exact) in [("dry.zvhd2", false), ("dry.raw", true)] {
            let planned =
                imgprep(folder.path(), &["convert", &path, target, "--dry-run", "--output", "json"]);
            let planned: serde_json::Value = serde_json::from_slice(&planned.stdout).unwrap();
            assert_eq!(names(folder.path()), before);
            let done = imgprep(folder.path(), &["convert", &path, target, "--no-sync", "--output", "json"]);
            let done: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
            let (planned, done) =
                (planned["output-size"].as_u64().unwrap(), done["output-size"].as_u64().unwrap());
            assert!(done <= planned && (!is_exact || done == planned), "{}: {done} of {planned}", image.name);
            std::fs::remove_file(folder.path().join(target)).unwrap();
        }
    }
}

#[test]
fn usage_errors_are_1_and_help_is_0() {
    let folder = tempfile::tempdir().unwrap();
    for args in [&["convert"][..], &["nothing"], &["convert", "a", "b"], &["info", "--from", "floppy", "a"]] {
        assert_eq!(imgprep(folder.path(), args).status.code(), Some(1), "{args:?}");
    }
    for args in [&["--help"][..], &["convert", "--help"], &["--version"]] {
        assert_eq!(imgprep(folder.path(), args).status.code(), Some(0), "{args:?}");
    }
}

#[test]
fn files_that_are_not_disks_are_rejected_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.gz"), [&[0x1f, 0x8b, 8][..], &[0; 600]].concat()).unwrap();
    let mut vhd = vec![0; 1 << 20];
    vhd.extend(b"conectix");
    vhd.resize((1 << 20) + 512, 0);
    std::fs::write(folder.path().join("a.vhd"), vhd).unwrap();
    std::fs::write(folder.path().join("a.hdd"), [&b"WithoutFreeSpace"[..], &[0; 600]].concat()).unwrap();
    // A file like a fixed VHD is never read as RAW, even if its footer is invalid.
    for (file, code) in
        [("a.gz", "detect.no-disk"), ("a.hdd", "detect.unsupported"), ("a.vhd", "vhd.footer.checksum")]
    {
        let output = imgprep(folder.path(), &["convert", file, "out.raw"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(printed(&output).contains(code), "{}", printed(&output));
        assert!(!folder.path().join("out.raw").exists());
    }
}

#[test]
fn interrupt_removes_unfinished_outputs_and_exits_130() {
    let folder = tempfile::tempdir().unwrap();
    let noise = testdata_gen::Noise::new(1).bytes(64 << 20);
    std::fs::write(folder.path().join("big.raw"), noise).unwrap();
    // Slow enough to be running when the signal is sent, after the first progress line.
    let args = ["convert", "big.raw", "out.zvhd2", "--level", "22", "-j", "1", "--progress", "jsonl"];
    let mut child = command(folder.path(), &args).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 1];
    child.stderr.as_mut().unwrap().read_exact(&mut first).unwrap();
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(names(folder.path()), ["big.raw"]);
}

/// The mapped source loses its end at work: an error with the place, not a signal.
#[test]
fn a_source_that_shrinks_is_a_clean_error_with_its_offset() {
    let folder = tempfile::tempdir().unwrap();
    let disk = testdata_gen::Noise::new(1).half_compressible(64 << 20);
    std::fs::write(folder.path().join("big.raw"), disk).unwrap();
    for (target, options) in [("out.zvhd2", ["--level", "22"]), ("-", ["-O", "raw"])] {
        let source = folder.path().join("shrinks.raw");
        std::fs::copy(folder.path().join("big.raw"), &source).unwrap();
        let args =
            [&["convert", "shrinks.raw", target, "-j", "1", "--progress", "jsonl"][..], &options].concat();
        let piped = command(folder.path(), &args).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = piped.unwrap();
        // The conversion has started: progress is shown, or (a pipe) the first bytes are written and the pipe is full.
        let mut first = [0; 1];
        match target {
            "-" => child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap(),
            _ => child.stderr.as_mut().unwrap().read_exact(&mut first).unwrap(),
        }
        std::fs::OpenOptions::new().write(true).open(&source).unwrap().set_len(1 << 20).unwrap();
        let output = child.wait_with_output().unwrap();
        let reported = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{target}: {reported}");
        assert!(reported.contains("io.read.changed, file offset "), "{target}: {reported}");
        std::fs::remove_file(source).unwrap();
        assert_eq!(names(folder.path()), ["big.raw"]);
    }
}

#[test]
fn a_shell_completes_commands_options_and_values() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = imgprep(folder.path(), &["completions", shell]);
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && script.contains("accept-parent"), "{shell}");
        std::fs::write(folder.path().join(shell), script).unwrap();
    }
    assert_eq!(imgprep(folder.path(), &["completions", "abacus"]).status.code(), Some(1));
    if !has_tool("bash") {
        return;
    }
    for (words, want) in [
        ("imgprep conv", "convert"),
        ("imgprep convert --sal", "--salvage"),
        ("imgprep batch --follow be", "beside"),
    ] {
        let line = format!(
            ". ./bash; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _imgprep imgprep \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; echo \"${{COMPREPLY[@]}}\""
        );
        let output = Command::new("bash").args(["-c", &line]).current_dir(folder.path()).output().unwrap();
        assert_eq!(printed(&output).trim(), want, "{words}");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let first = imgprep(folder.path(), &["man"]);
    let first = String::from_utf8(first.stdout).unwrap();
    assert!(imgprep(folder.path(), &["man", "pages"]).status.success());
    let pages = names(&folder.path().join("pages"));
    let page = |name: &str| std::fs::read_to_string(folder.path().join("pages").join(name)).unwrap();
    assert_eq!(page("imgprep.1"), first);
    assert!(first.contains(".TH imgprep 1"));
    let help = printed(&imgprep(folder.path(), &["--help"]));
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let commands = commands.lines().filter_map(|line| line.split_whitespace().next());
    let commands: Vec<_> = commands.filter(|name| *name != "help").collect();
    for command in &commands {
        let name = format!("imgprep-{command}.1");
        assert!(first.contains(&format!("imgprep\\-{command}(1)")), "{command}: {first}");
        assert!(page(&name).contains(&format!(".TH imgprep-{command} 1  \"imgprep ")), "{}", page(&name));
        assert!(pages.contains(&name));
    }
    assert_eq!(pages.len(), commands.len() + 1, "{pages:?}");
    // Pages that are there are kept.
    assert_eq!(imgprep(folder.path(), &["man", "pages"]).status.code(), Some(1));
    assert!(imgprep(folder.path(), &["man", "pages", "--force"]).status.success());
}

#[test]
fn check_keeps_its_exit_code_if_its_output_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_files(&sample().files, folder.path()).unwrap();
    let path = path.display().to_string();
    for (args, code) in [
        (&["check", &path, "missing"][..], 1),
        (&["check", "--profile", "otc", "--deny", "warnings", &path], 3),
    ] {
        let mut child =
            command(folder.path(), args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(code), "{args:?}");
    }
}

#[test]
fn formats_lists_every_format_and_the_options_of_the_writable_ones() {
    let folder = tempfile::tempdir().unwrap();
    let text = printed(&imgprep(folder.path(), &["formats"]));
    let json = imgprep(folder.path(), &["formats", "--output", "json"]);
    Schema::of("formats").holds(&json.stdout, "formats");
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let listed: Vec<_> = json["formats"].as_array().unwrap().iter().map(|format| &format["name"]).collect();
    assert_eq!(listed, imgprep::FORMATS.iter().map(|format| format.name).collect::<Vec<_>>());
    for format in json["formats"].as_array().unwrap() {
        let name = format["name"].as_str().unwrap();
        let target = imgprep::TargetFormat::by_name(name);
        let what = if target.is_some() { "read, write" } else { "read" };
        assert!(
            text.contains(&format!("\n{name:<8} {what}\n"))
                || text.starts_with(&format!("{name:<8} {what}\n")),
            "{text}"
        );
        assert_eq!(format["written"], target.is_some());
        for option in target.map_or(&[][..], |target| target.options) {
            assert!(text.contains(&format!("  {}={}", option.key, option.values)), "{text}");
        }
    }
}

#[test]
fn options_of_one_format_are_listed_with_and_without_files() {
    let folder = tempfile::tempdir().unwrap();
    for args in [
        &["convert", "-O", "vhd", "-o", "help"][..],
        &["convert", "a", "b.VHD", "-o", "help"],
        &["convert", "-O", "VPC", "-o", "help"],
    ] {
        let output = imgprep(folder.path(), args);
        assert!(output.status.success(), "{args:?}: {}", printed(&output));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let keys: Vec<_> = text.lines().filter_map(|line| line.trim().split('=').next()).collect();
        assert_eq!(keys, ["subformat", "block_size", "align"], "{args:?}");
    }
    let raw = imgprep(folder.path(), &["convert", "-O", "raw", "-o", "help"]);
    assert_eq!(printed(&raw), "raw has no options\n");
    for (args, want) in [
        (&["convert", "-O", "floppy", "-o", "help"][..], "-O floppy: unknown format"),
        (&["convert", "-O", "vhd"], "required arguments"),
        (&["convert", "a", "-O", "vhd", "-o", "align=1M"], "required arguments"),
    ] {
        let output = imgprep(folder.path(), args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(printed(&output).contains(want), "{args:?}: {}", printed(&output));
    }
}
