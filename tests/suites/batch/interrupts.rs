//! `imgprep batch` that is interrupted: once, twice, and while it waits.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use testdata_gen::Noise;

use crate::cli::schemas::Schema;
use crate::support::batches::{JOURNAL, holds, journal, signal};
use crate::support::program::{command, has_strace, imgprep, names, printed};

/// A batch whose progress is read line by line.
pub(crate) struct Running {
    pub(crate) child: Child,
    lines: BufReader<ChildStderr>,
}

impl Running {
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap());
        Self { child, lines }
    }

    /// The next line about this event.
    pub(crate) fn wait_for(&mut self, event: &str) -> Value {
        let schema = Schema::of("batch-progress");
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "it ended before {event:?}");
            schema.holds(line.as_bytes(), "a line of progress");
            let reported: Value = serde_json::from_str(&line).unwrap();
            if reported["event"] == event {
                return reported;
            }
        }
    }

    /// Its exit code.
    fn code(&mut self) -> Option<i32> {
        until("it stops", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for an event that occurs soon or never: in the case of an error each takes a minute or more.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(45);
    while Instant::now() < end {
        if let Some(seen) = look() {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("waited in vain until {what}");
}

/// Three images, the last one the largest, and the disks that they hold, by output.
fn images(folder: &Path, mib: usize) -> Vec<(String, Vec<u8>)> {
    std::fs::create_dir(folder.join("images")).unwrap();
    let image = |index: usize| {
        let disk = Noise::new(index as u64).half_compressible((mib << 20) + (index << 16) + index);
        std::fs::write(folder.join(format!("images/{index}.raw")), &disk).unwrap();
        (format!("{index}.zvhd2"), disk)
    };
    (0..3).map(image).collect()
}

const BATCH: &[&str] =
    &["batch", "images", "--out", "out", "-j", "1", "--memory", "1G", "--progress", "jsonl"];

/// Finishes the stopped batch, and checks every output.
fn goes_on(folder: &Path, want: &[(String, Vec<u8>)]) {
    // At another level than the run that was stopped, which is slow on purpose.
    let output = imgprep(folder, &["batch", "images", "--out", "out", "--resume", "--force", "--no-sync"]);
    assert!(output.status.success(), "{}", printed(&output));
    let out = folder.join("out");
    for (name, disk) in want {
        assert!(holds(folder, &out.join(name), disk), "{name}");
    }
    let mut all: Vec<_> = want.iter().map(|(name, _)| name.as_str()).chain([JOURNAL]).collect();
    all.sort_unstable();
    assert_eq!(names(&out), all);
}

#[test]
fn interrupt_is_journalled_and_the_batch_can_be_resumed() {
    for name in ["-INT", "-TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let want = images(folder.path(), 48);
        let mut running = Running::spawn(command(folder.path(), &[BATCH, &["--level", "22"]].concat()));
        running.wait_for("start");
        signal(running.child.id(), name);
        // The image may have stopped before this line was written.
        assert!(running.wait_for("stopping")["running"].as_u64().unwrap() <= 1);
        assert_eq!(running.wait_for("finish")["state"], "stopped");
        assert_eq!(running.code(), Some(130));
        let out = folder.path().join("out");
        assert_eq!(names(&out), [JOURNAL]);
        let events = journal(&out);
        assert!(events.iter().any(|event| event["event"] == "fail" && event["record"]["state"] == "stopped"));
        assert_eq!(events.last().unwrap()["event"], "end");
        goes_on(folder.path(), &want);
    }
}

/// The length of the file that the process writes in the folder: it may have no name, but it is open.
fn written(process: u32, out: &Path) -> Option<u64> {
    let out = out.canonicalize().ok()?;
    let open = std::fs::read_dir(format!("/proc/{process}/fd")).ok()?.flatten().map(|entry| entry.path());
    let is_written = |path: &PathBuf| {
        std::fs::read_link(path).is_ok_and(|to| to.parent() == Some(&out) && !to.ends_with(JOURNAL))
    };
    Some(std::fs::metadata(open.into_iter().find(is_written)?).ok()?.len())
}

/// The exit code of a process that ended and whose parent did not ask yet (proc(5): the last field of `stat`).
fn exit_code(process: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[0] == "Z").then(|| fields.last().unwrap().parse::<u32>().unwrap() >> 8)
}

/// The first image hangs when it gets its name, as with a disk that does not answer: a safe place does not come.
#[test]
fn second_interrupt_stops_immediately_and_the_batch_can_be_resumed() {
    if !has_strace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let want = images(folder.path(), 3);
    let once = imgprep(folder.path(), &["convert", "images/2.raw", "whole.zvhd2", "-q"]);
    assert!(once.status.success(), "{}", printed(&once));
    let whole = std::fs::metadata(folder.path().join("whole.zvhd2")).unwrap().len();
    let program = command(folder.path(), BATCH);
    let mut traced = Command::new("strace");
    let renames = "rename,renameat,renameat2,link,linkat";
    traced.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={renames}")]);
    traced.args(["-e", &format!("inject={renames}:delay_enter=100s")]);
    traced.arg(program.get_program()).args(program.get_args()).current_dir(folder.path());
    let mut running = Running::spawn(traced);
    running.wait_for("start");
    let out = folder.path().join("out");
    let process = journal(&out)[0]["process"].as_u64().unwrap();
    let process = u32::try_from(process).unwrap();
    // All is written: what is left are the sync and the name, and nothing on the way there checks the interrupt flag.
    until("all is written", || written(process, &out).filter(|len| *len == whole));
    signal(process, "-INT");
    assert_eq!(running.wait_for("stopping")["running"], 1);
    assert!(running.child.try_wait().unwrap().is_none(), "the first interrupt waits for a safe place");
    signal(process, "-INT");
    until("it stops", || exit_code(process).filter(|code| *code == 130));
    // The tracer holds the thread that hangs until it is gone itself.
    running.child.kill().unwrap();
    let threads = || std::fs::read_dir(format!("/proc/{process}/task")).map_or(0, Iterator::count);
    until("its files are closed", || (threads() < 2).then_some(()));
    let events = journal(&out);
    assert_eq!(events.last().unwrap()["event"], "start", "nothing was done and nothing is reported as done");
    goes_on(folder.path(), &want);
}

#[test]
fn an_interrupt_does_not_wait_for_a_pause() {
    let folder = tempfile::tempdir().unwrap();
    let want = images(folder.path(), 1);
    let manifest = "out = 'out'\n[[image]]\npath = 'images/0.raw'\noutput = 'no/such.zvhd2'\n";
    std::fs::write(folder.path().join("jobs.toml"), manifest).unwrap();
    std::fs::create_dir(folder.path().join("out")).unwrap();
    std::fs::write(folder.path().join("out/no"), "a file where a folder would be").unwrap();
    let args =
        ["batch", "jobs.toml", "--retry-pause", "3600000", "--progress", "jsonl", "--report", "r.json"];
    let mut running = Running::spawn(command(folder.path(), &args));
    // An hour was asked for; no pause is longer than a minute.
    assert_eq!(running.wait_for("retry")["seconds"], 60.0);
    signal(running.child.id(), "-INT");
    assert_eq!(running.wait_for("stopping")["running"], 0);
    assert_eq!(running.code(), Some(130));
    let report: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("r.json")).unwrap()).unwrap();
    assert_eq!((report["stopped"].as_u64(), report["failed"].as_u64()), (Some(1), Some(0)), "{report:#}");
    std::fs::remove_file(folder.path().join("out/no")).unwrap();
    let output = imgprep(folder.path(), &["batch", "jobs.toml", "--resume", "-q"]);
    assert!(output.status.success(), "{}", printed(&output));
    assert!(holds(folder.path(), &folder.path().join("out/no/such.zvhd2"), &want[0].1));
}
