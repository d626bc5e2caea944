//! Conversions of several gigabytes, as a user waits for them: until the output is on the disk.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use super::Duel;
use super::disks::file_system;
use super::inputs::{Inputs, has_qemu_img, must};
use super::job::Job;
use super::ways::{DIRECT_READ, DIRECT_WRITE};

/// Bytes of the disk; four fifths of it are files.
const DISK: u64 = 5 << 30;
const QUICK_DISK: u64 = 128 << 20;

/// The ways in which `qemu-img convert` writes, each followed by a sync unless the output is opened without the page cache.
/// The last one also reads the source without it.
const QEMU: [(&str, &str, &str); 4] = [
    ("qemu-img", "-t writeback", " && sync $o"),
    ("-m 16 -W", "-t writeback -m 16 -W", " && sync $o"),
    ("-t none -m 16 -W", "-t none -m 16 -W", " && sync $o"),
    ("-t none -T none -m 16 -W", "-t none -T none -m 16 -W", " && sync $o"),
];

/// A job: name, source, format of the output, options of both, and the target for each state of the page cache.
struct Task {
    name: &'static str,
    source: &'static str,
    output: &'static str,
    ours: &'static str,
    theirs: &'static str,
    at_most: [f64; 3],
}

const PLAIN: [f64; 3] = [0.75, 0.60, 0.90];

const fn to_raw(name: &'static str, source: &'static str, at_most: [f64; 3]) -> Task {
    Task { name, source, output: "o.raw", ours: "", theirs: "-O raw", at_most }
}

const fn from_raw(
    name: &'static str,
    output: &'static str,
    ours: &'static str,
    theirs: &'static str,
    at_most: f64,
) -> Task {
    Task { name, source: "real.raw", output, ours, theirs, at_most: [at_most; 3] }
}

/// Sources in other formats, made of the RAW by `qemu-img`.
const SOURCES: &[(&str, &[&str])] = &[
    ("real.qcow2", &["-O", "qcow2"]),
    ("real-zstd.qcow2", &["-c", "-O", "qcow2", "-o", "compression_type=zstd", "-m", "16", "-W"]),
    ("real-zlib.qcow2", &["-c", "-O", "qcow2", "-m", "16", "-W"]),
    ("real.vhdx", &["-O", "vhdx"]),
    ("real-stream.vmdk", &["-O", "vmdk", "-o", "subformat=streamOptimized"]),
];

const TASKS: &[Task] = &[
    to_raw("RAW to RAW", "real.raw", PLAIN),
    to_raw("QCOW2 to RAW", "real.qcow2", PLAIN),
    to_raw("VHDX to RAW", "real.vhdx", PLAIN),
    to_raw("QCOW2 zstd to RAW", "real-zstd.qcow2", [0.35; 3]),
    to_raw("QCOW2 zlib to RAW", "real-zlib.qcow2", [0.50; 3]),
    to_raw("VMDK streamOptimized to RAW", "real-stream.vmdk", [0.25; 3]),
    from_raw("RAW to QCOW2", "o.qcow2", "", "-O qcow2", 0.75),
    from_raw("RAW to VHDX", "o.vhdx", "", "-O vhdx", 0.75),
    from_raw("RAW to VHD", "o.vhd", "", "-O vpc", 0.75),
    from_raw("RAW to VDI", "o.vdi", "", "-O vdi", 0.75),
    from_raw(
        "RAW to QCOW2 zstd",
        "o.qcow2",
        "-o compression_type=zstd",
        "-c -O qcow2 -o compression_type=zstd",
        0.35,
    ),
];

/// What the page cache holds before a run.
#[derive(Clone, Copy)]
pub(super) enum State {
    /// The source, and free pages for the output: the job ran just before.
    Warm,
    /// The source; the output needs new pages.
    AsFound,
    /// Neither.
    Cold,
}

impl State {
    fn label(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::AsFound => "as found",
            Self::Cold => "cold",
        }
    }

    fn apply(self, job: Job) -> Job {
        match self {
            Self::Warm => job,
            Self::AsFound => job.without_warm_up(),
            Self::Cold => job.cold().without_warm_up(),
        }
    }
}

impl Inputs {
    /// Every task in one state, beside the ways of `qemu-img` and beside what the disk can do.
    pub(super) fn real_sizes(&self, state: State, is_quick: bool) -> io::Result<Vec<Duel>> {
        if !has_qemu_img() || !self.has_real_sources(is_quick)? {
            return Ok(Vec::new());
        }
        let task = |task: &Task| self.task(task, state).at_most(task.at_most[state as usize]);
        let mut duels: Vec<Duel> = TASKS.iter().map(task).collect();
        duels.push(self.decompression(state).at_most(1.20));
        if matches!(state, State::Warm) {
            duels.extend(TASKS.iter().take(2).map(|task| self.unsynced(task)));
        }
        let data = fs::metadata(self.path("real.raw"))?.blocks() * 512;
        Ok(duels.into_iter().map(|duel| duel.with_data(data)).collect())
    }

    /// Makes the sources once. False where there is no `mkfs.ext4`.
    fn has_real_sources(&self, is_quick: bool) -> io::Result<bool> {
        let disk = self.folder.join("real.raw");
        if disk.exists() {
            return Ok(true);
        }
        if !file_system(&disk, if is_quick { QUICK_DISK } else { DISK })? {
            return Ok(false);
        }
        for (image, options) in SOURCES {
            self.image("real.raw", image, options)?;
        }
        let make = ["convert", "-q", "--no-sync"];
        must(Command::new(&self.ours).args(make).args([self.path("real.raw"), self.path("real.zvhd2")]))?;
        Ok(true)
    }

    fn task(&self, task: &Task, state: State) -> Duel {
        let name = format!("{}, {}", task.name, state.label());
        let line = format!("convert ${} ${} -q {}", task.source, task.output, task.ours);
        let mut jobs = vec![self.ours(&name, task.output, line.trim_end()).called("imgprep")];
        jobs.extend(QEMU.map(|(label, flags, then)| self.theirs(&name, task, flags, then).called(label)));
        jobs.push(self.limit(&name, DIRECT_WRITE).called("direct writes of the data alone"));
        if matches!(state, State::Cold) {
            jobs.push(self.limit(&name, DIRECT_READ).called("direct reads of the data alone"));
        }
        Duel::of(jobs.into_iter().map(|job| state.apply(job)).collect()).limits_from(1 + QEMU.len())
    }

    /// Nothing else reads a ZVHD2: beside decompressing alone and writing alone.
    fn decompression(&self, state: State) -> Duel {
        let name = format!("ZVHD2 to RAW, {}", state.label());
        let limit = vec!["limit".into(), "decompress".into(), self.path("real.zvhd2")];
        let jobs = vec![
            self.ours(&name, "o.raw", "convert $real.zvhd2 $o.raw -q").called("imgprep"),
            self.limit(&name, DIRECT_WRITE).called("direct writes of the data alone"),
            Job::new(&name, &self.bare, limit, self.folder.join("none")).called("decompressing the blocks"),
        ];
        Duel::of(jobs.into_iter().map(|job| state.apply(job)).collect()).against_slowest()
    }

    /// Neither program syncs.
    fn unsynced(&self, task: &Task) -> Duel {
        let name = format!("{}, not synced, warm", task.name);
        let line = format!("convert ${} ${} -q --no-sync", task.source, task.output);
        let mut jobs = vec![self.ours(&name, task.output, &line).called("imgprep")];
        jobs.extend(QEMU.map(|(label, flags, _)| self.theirs(&name, task, flags, "").called(label)));
        Duel::of(jobs)
    }

    fn theirs(&self, name: &str, task: &Task, flags: &str, then: &str) -> Job {
        let then = then.replace("$o", task.output);
        let line = format!("qemu-img convert {flags} {} {} {}{then}", task.theirs, task.source, task.output);
        self.shell(name, task.output, &line).reading(vec![self.folder.join(task.source)])
    }

    fn limit(&self, name: &str, way: &str) -> Job {
        let input = self.path("real.raw");
        let output = super::ways::output(Path::new(&input));
        // The output of an earlier run would be overwritten in place.
        let _ = fs::remove_file(&output);
        Job::new(name, &self.bare, vec!["limit".into(), way.into(), input], output)
    }
}
