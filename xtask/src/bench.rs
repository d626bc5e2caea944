//! `cargo xtask bench [--quick]`: our jobs beside what a user would run instead.
//!
//! Inputs are made here. Jobs run interleaved, once to warm up and then five times (`--quick`:
//! once); the table shows medians, and the peak of anonymous memory as the system counts it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A command that is timed.
struct Job {
    name: &'static str,
    program: PathBuf,
    args: Vec<String>,
    /// Removed before every run.
    output: PathBuf,
    seconds: Vec<f64>,
    peak_anonymous_kib: u64,
}

/// Runs all jobs and prints the table.
pub(crate) fn run(root: &Path, is_quick: bool) -> io::Result<()> {
    let (data, runs) = if is_quick { (64 << 20, 1) } else { (1u64 << 30, 5) };
    build(root)?;
    let folder = root.join("target/bench");
    fs::create_dir_all(&folder)?;
    let mut jobs = jobs(root, &folder, data)?;
    for round in 0..=runs {
        for job in &mut jobs {
            let seconds = time(job)?;
            if round > 0 {
                job.seconds.push(seconds);
            }
        }
    }
    print(&mut jobs, data);
    fs::remove_dir_all(folder)
}

fn build(root: &Path) -> io::Result<()> {
    let args =
        ["build", "--quiet", "--release", "--package", "imgprep-cli", "--package", "imgprep-testdata-gen"];
    must(Command::new("cargo").args(args).arg("--target-dir").arg(root.join("target")).current_dir(root))
}

fn must(command: &mut Command) -> io::Result<()> {
    let status = command.stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("{command:?} failed"))) }
}

/// A sparse disk of 1 TiB with `data` bytes of half-compressible data, as RAW and QCOW2, one of
/// 10 GiB with the same data, and one that is only data.
fn jobs(root: &Path, folder: &Path, data: u64) -> io::Result<Vec<Job>> {
    let (ours, maker) = (root.join("target/release/imgprep"), root.join("target/release/testdata-gen"));
    let path = |name: &str| folder.join(name).display().to_string();
    for (name, size) in [("1t.raw", 1 << 40), ("10g.raw", 10 << 30), ("full.raw", data)] {
        must(Command::new(&maker).args(["big", &path(name), &size.to_string(), &data.to_string()]))?;
    }
    let has_qemu = Command::new("qemu-img").arg("--version").stdout(Stdio::null()).status().is_ok();
    let mut jobs = Vec::new();
    let mut add = |name, program: &Path, args: &[&str], output: &str| {
        jobs.push(Job {
            name,
            program: program.into(),
            args: args.iter().map(ToString::to_string).collect(),
            output: folder.join(output),
            seconds: Vec::new(),
            peak_anonymous_kib: 0,
        });
    };
    let (full, tera, small, out, raw) =
        (path("full.raw"), path("1t.raw"), path("10g.raw"), path("o.zvhd2"), path("o.raw"));
    add("RAW to ZVHD2, 1 thread", &ours, &["convert", &full, &out, "-q", "--no-sync", "-j", "1"], "o.zvhd2");
    add("RAW to ZVHD2, 2 threads", &ours, &["convert", &full, &out, "-q", "--no-sync", "-j", "2"], "o.zvhd2");
    add("bitmap of a RAW, 2 threads", &ours, &["bitmap", &full, &path("o.mf"), "-q", "-j", "2"], "o.mf");
    add("RAW to RAW, ours", &ours, &["convert", &full, &raw, "-q", "--no-sync"], "o.raw");
    add("1 TiB sparse RAW to ZVHD2", &ours, &["convert", &tera, &out, "-q", "--no-sync"], "o.zvhd2");
    add("10 GiB sparse RAW to ZVHD2", &ours, &["convert", &small, &out, "-q", "--no-sync"], "o.zvhd2");
    add("info of the 1 TiB RAW", &ours, &["info", &tera], "none");
    if has_qemu {
        let qcow2 = path("full.qcow2");
        must(Command::new("qemu-img").args(["convert", "-f", "raw", "-O", "qcow2", &full, &qcow2]))?;
        add(
            "QCOW2 to ZVHD2, 1 thread",
            &ours,
            &["convert", &qcow2, &out, "-q", "--no-sync", "-j", "1"],
            "o.zvhd2",
        );
        add(
            "QCOW2 to ZVHD2, 2 threads",
            &ours,
            &["convert", &qcow2, &out, "-q", "--no-sync", "-j", "2"],
            "o.zvhd2",
        );
        add("QCOW2 to RAW, ours", &ours, &["convert", &qcow2, &raw, "-q", "--no-sync"], "o.raw");
        let qemu = Path::new("qemu-img");
        let wide = path("1t.qcow2");
        must(Command::new("qemu-img").args(["convert", "-f", "raw", "-O", "qcow2", &tera, &wide]))?;
        add("check of a 1 TiB QCOW2, ours", &ours, &["check", &wide], "none");
        add("check of a 1 TiB QCOW2, qemu-img", qemu, &["check", &wide], "none");
        add("QCOW2 to RAW, qemu-img", qemu, &["convert", "-O", "raw", &qcow2, &raw], "o.raw");
        add(
            "QCOW2 to RAW, qemu-img -m 16 -W",
            qemu,
            &["convert", "-m", "16", "-W", "-O", "raw", &qcow2, &raw],
            "o.raw",
        );
    } else {
        println!("qemu-img is not installed: the QCOW2 jobs are left out");
    }
    Ok(jobs)
}

fn time(job: &mut Job) -> io::Result<f64> {
    let _ = fs::remove_file(&job.output);
    let begun = Instant::now();
    let mut child = Command::new(&job.program).args(&job.args).stdout(Stdio::null()).spawn()?;
    let status = format!("/proc/{}/status", child.id());
    loop {
        if let Some(done) = child.try_wait()? {
            let seconds = begun.elapsed().as_secs_f64();
            return if done.success() {
                Ok(seconds)
            } else {
                Err(io::Error::other(format!("{} failed", job.name)))
            };
        }
        job.peak_anonymous_kib = job.peak_anonymous_kib.max(anonymous_kib(&status));
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// `RssAnon` of a process, 0 where the system does not tell.
fn anonymous_kib(status: &str) -> u64 {
    let text = fs::read_to_string(status).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn print(jobs: &mut [Job], data: u64) {
    println!("| job | median s | MB of data/s | peak anonymous MiB |\n|---|---|---|---|");
    for job in jobs {
        job.seconds.sort_by(f64::total_cmp);
        let median = job.seconds[job.seconds.len() / 2];
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = data as f64 / 1e6 / median;
        println!("| {} | {median:.3} | {rate:.0} | {} |", job.name, job.peak_anonymous_kib / 1024);
    }
}
