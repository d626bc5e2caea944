//! Runs the program as a user would, and other tools beside it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The program, built once from the sources that are tested.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let built =
            Command::new(env!("CARGO")).args(["build", "--quiet", "--package", "imgprep-cli"]).status();
        assert!(built.expect("cargo runs").success(), "the program does not build");
        // This test is in TARGET/debug/deps.
        let test = std::env::current_exe().expect("a test has a path");
        test.ancestors().nth(2).expect("a test is in deps").join("imgprep")
    })
}

/// Runs `imgprep` with these arguments in `folder`.
pub(crate) fn imgprep(folder: &Path, args: &[&str]) -> Output {
    command(folder, args).output().expect("the program runs")
}

/// The same, not started yet.
pub(crate) fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(args).current_dir(folder).env("SOURCE_DATE_EPOCH", "0");
    command
}

/// A command that may have so many KiB for all that it may write to and that is no file: heap, stacks of threads, private
/// pages. The system refuses more than that, whether it is touched or not.
pub(crate) fn bounded(command: &Command, kib: u64) -> Command {
    let mut shell = Command::new("bash");
    let line = format!("ulimit -d {kib} && exec \"$0\" \"$@\"");
    shell.args(["-c", &line]).arg(command.get_program()).args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    shell
}

/// What a command said on standard error and standard output.
pub(crate) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout))
}

/// Whether a tool is there. One that is missing is told loudly, and a failure where tools are required.
pub(crate) fn has_tool(name: &str) -> bool {
    let is_there = Command::new(name).arg("--version").output().is_ok();
    if !is_there {
        assert!(std::env::var_os("IMGPREP_REQUIRE_TOOLS").is_none(), "{name} is required and missing");
        eprintln!("SKIPPED: {name} is not installed: the tests that ask it did not run");
    }
    is_there
}

/// Whether `strace` is there and may trace: containers often forbid that.
pub(crate) fn has_strace() -> bool {
    let may_trace = || Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    if !has_tool("strace") {
        return false;
    }
    let is_fine = may_trace().is_ok_and(|status| status.success());
    if !is_fine {
        eprintln!(
            "SKIPPED: strace may not trace here: the order of syncs and a disk that hangs were not tested"
        );
    }
    is_fine
}

/// Runs a tool that must succeed.
pub(crate) fn tool(folder: &Path, name: &str, args: &[&str]) {
    let output = Command::new(name).args(args).current_dir(folder).output().expect("the tool runs");
    assert!(output.status.success(), "{name} {args:?}: {}", said(&output));
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests have a parent").to_path_buf()
}

/// Names in a folder, hidden ones too.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("it is read").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
