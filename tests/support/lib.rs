//! Which parts of a test run did not run, and why.
//!
//! libtest prints nothing of a test that passes, so a part that is skipped would go unseen. Here every skip is counted under
//! a name, and one summary goes to standard error when the test program exits.
//!
//! `IMGPREP_REQUIRE_TOOLS=1` turns every skip into a failure, except those whose names `IMGPREP_ALLOW_SKIPS` lists, separated by
//! commas.

mod emitted;
mod transcript;

pub use emitted::{Emitted, plain_image};
pub use transcript::{Parse, Recognise, assert_transcript};

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Mutex, Once, PoisonError};

/// Reasons by the name of what is missing, and how often each was met.
static SKIPS: Mutex<BTreeMap<(String, String), u32>> = Mutex::new(BTreeMap::new());

/// Set in the child that lists the tests, which must not list them again.
const IS_LISTING: &str = "IMGPREP_LISTS_TESTS";

/// Counts a part that cannot run on this machine.
///
/// `missing` names what is missing (`qemu-img`, `loop-device`), `untested` is the part that was left out.
///
/// # Panics
///
/// Where `IMGPREP_REQUIRE_TOOLS` is set and `IMGPREP_ALLOW_SKIPS` does not list `missing`.
pub fn skip(missing: &str, untested: &str) {
    let is_allowed = std::env::var("IMGPREP_ALLOW_SKIPS").is_ok_and(|names| is_listed(&names, missing));
    let is_required = std::env::var_os("IMGPREP_REQUIRE_TOOLS").is_some();
    assert!(is_allowed || !is_required, "{missing} is required and missing: {untested}");
    summarize_at_exit();
    let mut skips = SKIPS.lock().unwrap_or_else(PoisonError::into_inner);
    *skips.entry((missing.into(), untested.into())).or_default() += 1;
}

/// Whether a program is installed. One that is missing is a skip.
#[must_use]
pub fn has_tool(name: &str) -> bool {
    let asked = Command::new(name)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if asked.is_err() {
        skip(name, "tests that compare with it or run it");
    }
    asked.is_ok()
}

fn is_listed(names: &str, name: &str) -> bool {
    names.split(',').any(|listed| listed.trim() == name)
}

fn summarize_at_exit() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: the handler neither unwinds (`extern "C"` aborts instead) nor uses what an earlier handler may have freed:
        // `SKIPS` is a static without a destructor.
        #[allow(unsafe_code, reason = "libtest offers no hook for the end of a run")]
        let registered = unsafe { libc::atexit(print_summary) };
        assert_eq!(registered, 0, "the C library takes at least 32 handlers");
    });
}

extern "C" fn print_summary() {
    let skips = SKIPS.lock().unwrap_or_else(PoisonError::into_inner);
    let line = summary(listed_tests(), &skips);
    // Standard error itself: libtest captures what the print macros write.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

fn summary(tests: Option<u32>, skips: &BTreeMap<(String, String), u32>) -> String {
    let tests = tests.map_or_else(String::new, |tests| format!("{tests} tests ran, "));
    let mut text = format!("{tests}{} parts skipped:\n", skips.values().sum::<u32>());
    for ((missing, untested), count) in skips {
        text += &format!("  SKIPPED {count} x no {missing}: {untested}\n");
    }
    text
}

/// The number of tests that the arguments of this run select, from the test program's own list.
fn listed_tests() -> Option<u32> {
    if std::env::var_os(IS_LISTING).is_some() {
        return None;
    }
    let program = std::env::current_exe().ok()?;
    let listed = Command::new(program)
        .args(std::env::args_os().skip(1))
        .args(["--list", "--format", "terse"])
        .env(IS_LISTING, "1")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(listed.stdout).ok()?;
    u32::try_from(text.lines().filter(|line| line.ends_with(": test")).count()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_counts_skips_by_what_is_missing() {
        let skip = |missing: &str, untested: &str| (missing.to_string(), untested.to_string());
        let skips = BTreeMap::from([
            (skip("loop-device", "block devices"), 2),
            (skip("strace", "the order of syncs"), 1),
        ]);
        let want = "7 tests ran, 3 parts skipped:\n  SKIPPED 2 x no loop-device: block devices\n  SKIPPED 1 x no strace: the order of syncs\n";
        assert_eq!(summary(Some(7), &skips), want);
    }

    #[test]
    fn only_listed_names_are_exceptions() {
        assert!(is_listed("xfs, loop-device", "loop-device"));
        assert!(!is_listed("loop-device-2", "loop-device"));
        assert!(!is_listed("", "loop-device"));
    }

    /// This test program, run again for one test that skips.
    #[test]
    fn skips_are_printed_and_fail_where_tools_are_required() {
        let run = |require: Option<&str>, allow: &str| {
            let mut again = Command::new(std::env::current_exe().unwrap());
            again.args(["--exact", "tests::skips_when_asked"]).env("SKIP_NOW", "1");
            again.env_remove("IMGPREP_REQUIRE_TOOLS").env("IMGPREP_ALLOW_SKIPS", allow);
            again.envs(require.map(|value| ("IMGPREP_REQUIRE_TOOLS", value)));
            let output = again.output().unwrap();
            (output.status.success(), String::from_utf8(output.stderr).unwrap())
        };
        let line = "1 tests ran, 1 parts skipped:\n  SKIPPED 1 x no such-thing: nothing real\n";
        assert_eq!(run(None, ""), (true, line.into()));
        assert_eq!(run(Some("1"), "other, such-thing"), (true, line.into()));
        assert!(!run(Some("1"), "other").0);
    }

    #[test]
    fn skips_when_asked() {
        if std::env::var_os("SKIP_NOW").is_some() {
            skip("such-thing", "nothing real");
        }
    }
}
