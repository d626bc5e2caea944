//! What was measured, for people and for programs.

use std::fs;

use serde_json::{Value, json};

use super::job::Job;

struct Measured {
    label: String,
    /// Medians.
    seconds: f64,
    cpu_seconds: f64,
    peak_anonymous_kib: u64,
}

/// One duel, measured.
pub(super) struct Row {
    name: String,
    jobs: Vec<Measured>,
    /// Bytes of data on the disk.
    data: u64,
}

impl Row {
    pub(super) fn of(duel: &[Job], data: u64) -> Self {
        let jobs = duel.iter().map(|job| Measured {
            label: job.label.clone(),
            seconds: job.median(),
            cpu_seconds: job.median_cpu(),
            peak_anonymous_kib: job.peak_anonymous_kib,
        });
        let jobs = jobs.collect();
        Self { name: duel[0].name.clone(), jobs, data }
    }

    /// The first job's time by that of the fastest other one.
    fn ratio(&self) -> Option<f64> {
        let (first, others) = self.jobs.split_first()?;
        let best = others.iter().map(|other| other.seconds).min_by(f64::total_cmp)?;
        Some(first.seconds / best)
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    fn rate(&self) -> f64 {
        self.data as f64 / 1e6 / self.jobs[0].seconds
    }
}

pub(super) fn print_machine(data: u64, runs: usize) {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("an unknown processor");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpu = cpu.trim_start_matches([' ', '\t', ':']);
    println!(
        "{cores} cores of {cpu}, {} MiB of data, medians of {runs}, page cache warm, outputs not synced",
        data >> 20
    );
}

pub(super) fn print_head(title: &str) {
    println!(
        "\n## {title}\n\n| job | seconds (of processor time) | MB of data/s | ratio | peak anonymous MiB |\n|---|---|---|---|---|"
    );
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let times =
            self.jobs.iter().map(|job| format!("{} {:.3} ({:.2})", job.label, job.seconds, job.cpu_seconds));
        let ratio = self.ratio().map_or("-".into(), |ratio| format!("{ratio:.2}"));
        let peak = self.jobs.iter().map(|job| (job.peak_anonymous_kib / 1024).to_string());
        let (times, peak) = (times.collect::<Vec<_>>().join(", "), peak.collect::<Vec<_>>().join(", "));
        let rate = if self.data > 0 { format!("{:.0}", self.rate()) } else { "-".into() };
        write!(f, "| {} | {times} | {rate} | {ratio} | {peak} |", self.name)
    }
}

pub(super) fn json(rows: &[Row]) -> String {
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            let jobs = row.jobs.iter().map(|job| {
                json!({
                    "label": job.label, "median-seconds": job.seconds, "median-cpu-seconds": job.cpu_seconds,
                    "peak-anonymous-kib": job.peak_anonymous_kib,
                })
            });
            json!({ "job": row.name, "data": row.data, "ratio": row.ratio(), "runs": jobs.collect::<Vec<_>>() })
        })
        .collect();
    format!("{:#}\n", Value::from(rows))
}
