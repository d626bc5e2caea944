//! Cases that users met with the command line.

use std::collections::BTreeSet;

use serde_json::Value;
use testdata_gen::{broken, good, sample, write_files};

use crate::cli::schemas::Schema;
use crate::support::files::{qcow2, write};
use crate::support::program::{imgprep, printed};
use crate::support::reports::json;

/// The case `file-names/dangling.qcow2`, and `p.vmdk -> /etc/passwd`.
#[test]
fn links_that_lead_nowhere_or_out_of_the_folder_are_reported_by_check() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::create_dir(folder.join("images")).unwrap();
    write(folder, "images/a.qcow2", qcow2());
    write(folder, "outside.qcow2", qcow2());
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(target, folder.join("images").join(name)).unwrap();
    };
    link("a.qcow2", "same.qcow2");
    let output = imgprep(folder, &["check", "images"]);
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    link("/nonexistent", "dangling.qcow2");
    let output = imgprep(folder, &["check", "images", "--output", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let dangling = json(&output)["files"]
        .as_array()
        .unwrap()
        .iter()
        .find(|file| file["filename"] == "images/dangling.qcow2")
        .cloned();
    let dangling = dangling.unwrap();
    assert_eq!(
        (&dangling["error"]["code"], &dangling["outcome"]),
        (&"folder.link.dangling".into(), &"not-checked".into())
    );
    let output = imgprep(folder, &["check", "images"]);
    assert_eq!(output.status.code(), Some(1));
    let want = "images/dangling.qcow2: the link points to \"/nonexistent\", which does not exist [folder.link.dangling]\n";
    assert!(printed(&output).contains(want), "{}", printed(&output));
    std::fs::remove_file(folder.join("images/dangling.qcow2")).unwrap();
    link("../outside.qcow2", "out.qcow2");
    link("/etc/passwd", "p.vmdk");
    link("/etc/passwd", "passwd");
    for follow in [&[][..], &["--follow", "beside"], &["--follow", "none"]] {
        let output = imgprep(folder, &[&["check", "images"], follow].concat());
        assert_eq!(output.status.code(), Some(1), "{follow:?}");
        assert_eq!(printed(&output).matches("[folder.link.outside]").count(), 2, "{}", printed(&output));
    }
    std::fs::remove_file(folder.join("images/p.vmdk")).unwrap();
    let output = imgprep(folder, &["check", "images", "--follow", "any"]);
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    assert!(printed(&output).contains("images/out.qcow2: qcow2, fine"), "{}", printed(&output));
}

/// The case `convert -O vmdk`: every format that is read is also written; other names get the list of writable formats.
#[test]
fn error_for_an_unwritable_format_names_the_writable_ones() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let writable = imgprep::writable();
    for format in imgprep::FORMATS {
        assert!(imgprep::TargetFormat::by_name(format.name).is_some(), "{}", format.name);
    }
    write(folder, "a.qcow2", qcow2());
    let cannot = format!("cannot write avhdx: the writable formats are {writable}");
    let unknown = format!("floppy: unknown format; the writable formats are {writable}");
    let options: Vec<_> = imgprep::TARGETS.iter().map(|format| format!("-O {}", format.name)).collect();
    let options = imgprep::listed(&options, "or");
    for (args, want) in [
        (&["convert", "a.raw", "b.avhdx"][..], cannot.as_str()),
        (&["convert", "a.raw", "b.raw", "-O", "floppy"], &format!("-O {unknown}")),
        (&["convert", "a.raw", "b"], &format!("b: the extension selects no writable format: use {options}")),
        (&["batch", ".", "--out", "x", "--to", "avhdx"], &cannot),
        (&["batch", ".", "--out", "x", "--to", "floppy"], &format!("to {unknown}")),
    ] {
        let output = imgprep(folder, args);
        assert_eq!(output.status.code(), Some(1));
        assert!(printed(&output).contains(want), "{args:?}: {}", printed(&output));
    }
}

/// The command of `qemu-img` is named, and nothing is suggested that is not near.
#[test]
fn unknown_command_error_names_the_alternative() {
    let temp = tempfile::tempdir().unwrap();
    let output = imgprep(temp.path(), &["resize", "a"]);
    assert_eq!(output.status.code(), Some(1));
    let want =
        "unknown command 'resize': imgprep does not modify the contents of images; use qemu-img resize";
    assert!(printed(&output).contains(want) && !printed(&output).contains("similar"), "{}", printed(&output));
    let near = printed(&imgprep(temp.path(), &["covert", "a", "b"]));
    assert!(near.contains("a similar subcommand exists: 'convert'"), "{near}");
    let far = printed(&imgprep(temp.path(), &["complete"]));
    assert!(far.contains("unrecognized subcommand 'complete'") && !far.contains("similar"), "{far}");
}

#[test]
fn conversion_to_a_pipe_writes_the_disk() {
    let temp = tempfile::tempdir().unwrap();
    write_files(&sample().files, temp.path()).unwrap();
    let output = imgprep(temp.path(), &["convert", "sample.qcow2", "-", "-O", "raw"]);
    assert!(output.status.success() && output.stdout == sample().disk);
}

/// The case `-j 0`, and other numbers that are not.
#[test]
fn invalid_number_is_explained() {
    let temp = tempfile::tempdir().unwrap();
    for command in
        [&["convert", "a", "b.raw"][..], &["check", "a"], &["bitmap", "a"], &["batch", "a", "--out", "b"]]
    {
        for number in ["0", "-1", "x", "1.5"] {
            let threads = format!("-j{number}");
            let text = printed(&imgprep(temp.path(), &[command, &[&threads]].concat()));
            let want =
                format!("invalid value '{number}' for '--threads <N>': expected a whole number from 1\n");
            assert!(text.contains(&want), "{text}");
        }
        let text = printed(&imgprep(temp.path(), &[command, &["--memory", "1.5G"]].concat()));
        assert!(text.contains("expected a whole number, optionally followed by K, M, G or T\n"), "{text}");
    }
}

/// The case `imgprep.toml` with a wrong profile: the file and the line are blamed, not the command line.
#[test]
fn a_wrong_value_in_the_configuration_is_reported_with_file_and_line() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let below = folder.join("below");
    std::fs::create_dir(&below).unwrap();
    write(&below, "a.raw", vec![1; 4096]);
    for (text, place, what) in [
        ("[check]\nprofile = \"mars\"\n", "2:11", "profile: mars: unknown profile; the profiles are "),
        (
            "# a\n[check]\nprofile = 'otc'\nroute = \"up\"\n",
            "4:9",
            "route: up: unknown route; the profile has ",
        ),
        ("[check]\nroute = \"up\"\n", "2:9", "route: up: a route requires a profile"),
        ("[check]\ndeny = [\n  'size/*',\n  'no/rule',\n]\n", "4:3", "deny: unknown rule \"no/rule\""),
        ("[check]\nallow = ['x']\n", "2:10", "allow: unknown rule \"x\""),
        ("[check]\nprofile-file = 'gone.toml'\n", "2:16", "profile-file: "),
        ("[check]\nprofil = 'otc'\n", "2:1", "unknown field"),
        ("\u{feff}[check]\r\nprofile = 'mars'\r\n", "2:11", "profile: mars"),
    ] {
        write(folder, "imgprep.toml", text);
        let output = imgprep(&below, &["check", "a.raw"]);
        assert_eq!(output.status.code(), Some(1));
        let want =
            format!("{}:{place}: {what}", folder.canonicalize().unwrap().join("imgprep.toml").display());
        assert!(
            printed(&output).contains(&want) && !printed(&output).contains("--profile "),
            "{want}: {}",
            printed(&output)
        );
    }
    // An invalid option is reported for the option, not for the file.
    write(folder, "imgprep.toml", "[check]\nprofile = 'otc'\n");
    let output = printed(&imgprep(&below, &["check", "--for", "mars", "a.raw"]));
    assert!(
        output.contains("imgprep: --profile mars: unknown profile") && !output.contains("imgprep.toml"),
        "{output}"
    );
    let output = printed(&imgprep(&below, &["check", "--route", "up", "a.raw"]));
    assert!(output.contains("imgprep: --route up: unknown route"), "{output}");
}

/// Every command that reports something has `--output json`.
#[test]
fn every_command_prints_its_result_as_json() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let (rules, init) = (Schema::of("rules"), Schema::of("init"));
    let all = imgprep(folder, &["check", "--rules", "--output", "json"]);
    rules.holds(&all.stdout, "--rules");
    let ids: Vec<_> = json(&all)["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["id"].as_str().unwrap().to_string())
        .collect();
    let listed = printed(&imgprep(folder, &["check", "--rules"]));
    assert!(listed.lines().map(|line| line.split(' ').next().unwrap()).eq(ids.iter().map(String::as_str)));
    let one = imgprep(folder, &["check", "--explain", "structure/leak", "--output", "json"]);
    rules.holds(&one.stdout, "--explain");
    assert_eq!(json(&one)["rules"][0]["id"], "structure/leak");
    for (args, name) in
        [(&["check", "--config-init"][..], "imgprep.toml"), (&["batch", "--init"], "jobs.toml")]
    {
        let output = imgprep(folder, &[args, &["--output", "json"]].concat());
        init.holds(&output.stdout, name);
        assert_eq!(json(&output)["written"], name);
    }
}

/// Text for people has every code and every offset once, no empty value, and no text that Rust prints for programmers.
#[test]
fn messages_have_every_code_and_offset_once() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let mut flaws = BTreeSet::new();
    let mut run = |args: &[&str]| flaws.extend(printed(&imgprep(folder, args)).lines().filter_map(flaw));
    let files =
        broken().into_iter().map(|image| image.files).chain(good().into_iter().map(|image| image.files));
    for files in files {
        let path = write_files(&files, folder).unwrap().display().to_string();
        run(&["info", "--chain", &path]);
        run(&["check", "--for", "otc", &path]);
        run(&["convert", &path, "out.raw", "--dry-run"]);
    }
    run(&["info", "gone"]);
    run(&["info", "gone", "."]);
    run(&["info", "/dev/null"]);
    run(&["check", "gone", "."]);
    run(&["convert", "gone", "b.raw"]);
    run(&["convert", ".", "b.raw"]);
    run(&["batch", "gone", "--out", "b"]);
    run(&["batch", ".", "--out", "b", "--plan"]);
    assert!(flaws.is_empty(), "{flaws:#?}");
}

/// What is wrong with a line for people, as a word and the line.
fn flaw(line: &str) -> Option<String> {
    let debug = ["Some(", "None)", "Error(", "Os {", "(os error", "Error {", "\\\\u{", "stream did not"];
    let empty = [" ,", "[]", ": :", "()"];
    let mut words = debug.iter().chain(&empty).filter(|word| line.contains(**word)).map(ToString::to_string);
    let codes = line.split('[').skip(1).filter_map(|rest| rest.split(']').next());
    let is_place = |part: &&str| part.contains(['.', '/']) || part.starts_with("file offset");
    let mut twice = codes
        .flat_map(|codes| codes.split(", "))
        .filter(is_place)
        .filter(|part| line.matches(part).count() > 1);
    let is_padded = line.trim_end() != line;
    let word =
        words.next().or_else(|| twice.next().map(String::from)).or(is_padded.then(|| "the end".into()));
    let word = word.or(line.contains(".imgprep-").then(|| "a temporary name".into()));
    word.map(|word| format!("{word}: {line}"))
}

/// With `--verify` the second pass has a name of its own.
#[test]
fn the_second_pass_of_a_verified_conversion_is_called_verifying() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    write_files(&sample().files, folder).unwrap();
    for (more, want) in [(&["--verify"][..], "verifying"), (&[], "converting")] {
        let args = ["convert", "sample.qcow2", "out.raw", "--force", "--progress", "jsonl", "-p"];
        let output = imgprep(folder, &[&args[..], more].concat());
        assert!(output.status.success(), "{}", printed(&output));
        let text = String::from_utf8(output.stderr).unwrap();
        let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(last["phase"], want);
        Schema::of("progress").holds(last.to_string().as_bytes(), "progress");
    }
}

/// A failure to print the result is a failure, with its code.
#[test]
fn unprintable_result_is_io_print() {
    let temp = tempfile::tempdir().unwrap();
    write_files(&sample().files, temp.path()).unwrap();
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = crate::support::program::command(temp.path(), &["info", "sample.qcow2"]);
    let output = command.stdout(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(printed(&output), "imgprep: cannot write standard output: No space left on device\n");
    // As JSON in the report of a conversion whose text has no place.
    let args = ["convert", "sample.qcow2", "out.raw", "--report", "r.json", "--no-sync"];
    let output = crate::support::program::command(temp.path(), &args).stdout(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&std::fs::read(temp.path().join("r.json")).unwrap()).unwrap();
    assert_eq!(report["error"]["code"], "io.print");
}

/// Examples of the help are command lines that the program understands: what they lack here is the images.
#[test]
fn examples_of_the_help_are_accepted() {
    let temp = tempfile::tempdir().unwrap();
    let mut count = 0;
    for command in ["", "info", "map", "check", "convert", "bitmap", "batch"] {
        let args: &[&str] = if command.is_empty() { &["--help"] } else { &[command, "--help"] };
        let help = printed(&imgprep(temp.path(), args));
        let examples = help.split("Examples:\n").nth(1).unwrap();
        for line in examples.lines().filter_map(|line| line.trim().strip_prefix("imgprep ")) {
            let words = line.split(' ').take_while(|word| !["|", "&&"].contains(word));
            let output = imgprep(temp.path(), &words.collect::<Vec<_>>());
            assert!(!printed(&output).contains("Usage: "), "{line}: {}", printed(&output));
            count += 1;
        }
    }
    assert!(count >= 15, "{count}");
}
