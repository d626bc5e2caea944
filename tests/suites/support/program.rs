//! Runs the program as a user would, and other tools beside it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use imgprep::CacheMode;

pub(crate) use imgprep_tests::{has_tool, skip};

/// Runs `imgprep` with these arguments in `folder`.
pub(crate) fn imgprep(folder: &Path, args: &[&str]) -> Output {
    command(folder, args).output().expect("the program runs")
}

/// The same, not started yet.
pub(crate) fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imgprep"));
    command.args(with_cache_mode(args)).current_dir(folder).env("SOURCE_DATE_EPOCH", "0");
    command
}

/// How the outputs of all tests are written: with direct I/O if `IMGPREP_TEST_CACHE` is `direct`, otherwise as by default.
pub(crate) fn cache_mode() -> CacheMode {
    match std::env::var("IMGPREP_TEST_CACHE").as_deref() {
        Ok("direct") => CacheMode::Direct,
        Ok(other) => panic!("IMGPREP_TEST_CACHE={other}: only `direct` is known"),
        Err(_) => CacheMode::Auto,
    }
}

/// The arguments of a command, with the option for [`cache_mode`] if it writes an image and has none.
fn with_cache_mode<'a>(args: &[&'a str]) -> Vec<&'a str> {
    let mut args = args.to_vec();
    let writes = args.first().is_some_and(|name| ["convert", "batch", "optimize"].contains(name));
    let is_chosen = args.iter().any(|arg| arg.starts_with("--cache"));
    if writes && !is_chosen && cache_mode() == CacheMode::Direct {
        args.insert(1, "--cache=direct");
    }
    args
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

/// The standard error and standard output of a command.
pub(crate) fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout))
}

/// Whether `strace` exists and may trace: containers often forbid that.
pub(crate) fn has_strace() -> bool {
    let may_trace = || Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    if !has_tool("strace") {
        return false;
    }
    let is_fine = may_trace().is_ok_and(|status| status.success());
    if !is_fine {
        skip("strace-permission", "the order of syncs, and a disk that hangs");
    }
    is_fine
}

/// Runs a tool that must succeed.
pub(crate) fn tool(folder: &Path, name: &str, args: &[&str]) {
    let output = Command::new(name).args(args).current_dir(folder).output().expect("the tool runs");
    assert!(output.status.success(), "{name} {args:?}: {}", printed(&output));
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the program is in crates/cli")
        .to_path_buf()
}

/// Names in a folder, hidden ones too.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("it is read").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
