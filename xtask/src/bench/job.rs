//! One command, run and measured.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use super::cache::{Cache, evict, files_among};
use super::control_group::ControlGroup;

/// A command that is timed.
pub(crate) struct Job {
    pub(crate) name: String,
    /// Its label within the duel.
    pub(crate) label: String,
    program: PathBuf,
    args: Vec<String>,
    /// Files that it reads and that no argument names.
    more_inputs: Vec<PathBuf>,
    /// Removed before every run.
    output: PathBuf,
    cache: Cache,
    /// It says by its exit code what it thinks of its file, and is over in no time.
    is_judging: bool,
    /// It is not run untimed first: it finds the free memory that other jobs left.
    skips_warm_up: bool,
    pub(crate) seconds: Vec<f64>,
    /// Of processor time, user and system, all threads.
    pub(crate) cpu_seconds: Vec<f64>,
    /// The most `RssAnon` of its process and of its descendants together.
    pub(crate) peak_anonymous_kib: u64,
    /// The most that its control group was charged for, page cache included; 0 where no group can be made.
    pub(crate) peak_group_kib: u64,
}

impl Job {
    pub(crate) fn new(name: &str, program: &Path, args: Vec<String>, output: PathBuf) -> Self {
        let (name, label) = (name.to_string(), String::new());
        Self {
            name,
            label,
            program: program.into(),
            args,
            more_inputs: Vec::new(),
            output,
            cache: Cache::Warm,
            is_judging: false,
            skips_warm_up: false,
            seconds: Vec::new(),
            cpu_seconds: Vec::new(),
            peak_anonymous_kib: 0,
            peak_group_kib: 0,
        }
    }

    /// Files that it reads besides those among its arguments, as a line for the shell does.
    pub(crate) fn reading(self, more_inputs: Vec<PathBuf>) -> Self {
        Self { more_inputs, ..self }
    }

    pub(crate) fn called(self, label: &str) -> Self {
        Self { label: label.into(), ..self }
    }

    /// Its inputs are taken out of the page cache before every run.
    pub(crate) fn cold(self) -> Self {
        Self { cache: Cache::Cold, ..self }
    }

    /// It is not run untimed first.
    pub(crate) fn without_warm_up(self) -> Self {
        Self { skips_warm_up: true, ..self }
    }

    pub(crate) fn judging(self) -> Self {
        Self { is_judging: true, ..self }
    }

    pub(crate) fn median(&self) -> f64 {
        median(&self.seconds)
    }

    pub(crate) fn fastest(&self) -> f64 {
        self.seconds.iter().copied().min_by(f64::total_cmp).unwrap_or(f64::NAN)
    }

    pub(crate) fn median_cpu(&self) -> f64 {
        median(&self.cpu_seconds)
    }

    fn run(&mut self) -> io::Result<(f64, f64)> {
        // Inputs only. The output is removed last, so that its pages do not stay free for long.
        let mut inputs = files_among(&self.args);
        inputs.extend(self.more_inputs.iter().cloned());
        inputs.retain(|file| *file != self.output);
        self.cache.prepare(&inputs)?;
        remove(&self.output);
        let group = ControlGroup::join();
        let (begun, cpu) = (Instant::now(), cpu_of_children());
        let mut child = Command::new(&self.program).args(&self.args).stdout(Stdio::null()).spawn()?;
        // Asked from another thread, so that the end is seen when it comes.
        let id = child.id();
        let pause = Duration::from_micros(if self.is_judging { 50 } else { 2000 });
        let watcher = std::thread::spawn(move || peak_anonymous_kib(id, pause));
        let status = child.wait()?;
        let seconds = begun.elapsed().as_secs_f64();
        let charged = group.and_then(ControlGroup::leave).unwrap_or(0);
        self.peak_group_kib = self.peak_group_kib.max(charged / 1024);
        self.peak_anonymous_kib = self.peak_anonymous_kib.max(watcher.join().unwrap_or(0));
        if status.success() || (self.is_judging && status.code().is_some()) {
            Ok((seconds, cpu_of_children() - cpu))
        } else {
            Err(io::Error::other(format!("{} ({}) failed", self.name, self.label)))
        }
    }
}

/// Removes an output, a file or a folder, if it is there, and the extents of a VMDK.
fn remove(output: &Path) {
    let _ = if output.is_dir() { fs::remove_dir_all(output) } else { fs::remove_file(output) };
    for extent in extents_of(output) {
        let _ = fs::remove_file(extent);
    }
}

/// The files that a VMDK of several files has beside its descriptor: `o-flat.vmdk`, `o-s001.vmdk`.
fn extents_of(output: &Path) -> Vec<PathBuf> {
    let (Some(stem), Some(folder)) = (output.file_stem(), output.parent()) else { return Vec::new() };
    if output.extension().is_none_or(|extension| extension != "vmdk") {
        return Vec::new();
    }
    let start = format!("{}-", stem.to_string_lossy());
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_extent = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(&start) && name.ends_with(".vmdk")
    };
    files.filter(is_extent).collect()
}

/// A run of as many seconds pays for its pages itself.
const LONG: f64 = 2.0;

/// Runs the jobs in turns: once to warm up, then `runs` times. A run that is timed comes right after one of the same job
/// that is not: so it finds as many free pages as it needs, whatever ran before.
pub(crate) fn race(jobs: &mut [Job], runs: usize) -> io::Result<()> {
    let mut warm_ups = Vec::new();
    for job in &mut *jobs {
        warm_ups.push(if job.skips_warm_up { LONG } else { job.run()?.0 });
    }
    for _ in 0..runs {
        for (job, warm_up) in jobs.iter_mut().zip(&warm_ups) {
            if *warm_up < LONG {
                job.run()?;
            }
            let (seconds, cpu) = job.run()?;
            job.seconds.push(seconds);
            job.cpu_seconds.push(cpu);
        }
    }
    jobs.iter().for_each(|job| remove(&job.output));
    // The next ones need the room.
    jobs.iter().flat_map(|job| files_among(&job.args)).try_for_each(|input| evict(&input))
}

/// The most that `RssAnon` of a process and its descendants showed until it ended; 0 where the system does not report it.
fn peak_anonymous_kib(id: u32, pause: Duration) -> u64 {
    let mut peak = 0;
    while let Some(own) = anonymous_kib(id) {
        peak = peak.max(own + descendants(id).into_iter().filter_map(anonymous_kib).sum::<u64>());
        std::thread::sleep(pause);
    }
    peak
}

/// Children of a process's first thread, and theirs: a shell has no other threads.
fn descendants(id: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|child| child.parse().ok());
    children.flat_map(|child| std::iter::once(child).chain(descendants(child))).collect()
}

fn anonymous_kib(id: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn median(of: &[f64]) -> f64 {
    let mut sorted = of.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Seconds of processor time of all children that have ended.
#[expect(clippy::cast_precision_loss, reason = "seconds, to the microsecond")]
fn cpu_of_children() -> f64 {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) else { return f64::NAN };
    [usage.user_time(), usage.system_time()].iter().map(|time| time.num_microseconds() as f64 / 1e6).sum()
}
