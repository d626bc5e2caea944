//! What was measured, for people and for programs.

use serde_json::{Value, json};

use super::Duel;

struct Measured {
    label: String,
    /// Medians.
    seconds: f64,
    fastest: f64,
    cpu_seconds: f64,
    peak_anonymous_kib: u64,
    peak_group_kib: u64,
}

/// One duel, measured.
pub(super) struct Row {
    pub(super) name: String,
    jobs: Vec<Measured>,
    pub(super) at_most: Option<f64>,
    limits_from: usize,
    is_against_slowest: bool,
    threads: Option<usize>,
    /// Bytes of data on the disk.
    data: u64,
}

impl Row {
    pub(super) fn of(duel: &Duel, data: u64) -> Self {
        let jobs = duel.jobs.iter().map(|job| Measured {
            label: job.label.clone(),
            seconds: job.median(),
            fastest: job.fastest(),
            cpu_seconds: job.median_cpu(),
            peak_anonymous_kib: job.peak_anonymous_kib,
            peak_group_kib: job.peak_group_kib,
        });
        let jobs = jobs.collect();
        Self {
            name: duel.jobs[0].name.clone(),
            jobs,
            at_most: duel.at_most,
            limits_from: duel.limits_from,
            is_against_slowest: duel.is_against_slowest,
            threads: duel.threads,
            data,
        }
    }

    /// The first job's time by that of the fastest other one.
    pub(super) fn ratio(&self) -> Option<f64> {
        self.ratio_of(|job| job.seconds)
    }

    /// The same of the fastest runs: nothing but the programs makes these longer.
    fn fastest_ratio(&self) -> Option<f64> {
        self.ratio_of(|job| job.fastest)
    }

    fn ratio_of(&self, seconds: impl Fn(&Measured) -> f64) -> Option<f64> {
        let rivals = &self.jobs[..self.limits_from.min(self.jobs.len())];
        let (first, others) = rivals.split_first()?;
        let others = others.iter().map(&seconds);
        let other = if self.is_against_slowest {
            others.max_by(f64::total_cmp)?
        } else {
            others.min_by(f64::total_cmp)?
        };
        Some(seconds(first) / other)
    }

    /// The part of one thread's time that more threads do not shorten (Amdahl): time(n) = time(1) * (serial + (1 - serial) / n).
    #[expect(clippy::cast_precision_loss, reason = "a few threads")]
    fn serial(&self) -> Option<f64> {
        let share = 1.0 / self.threads? as f64;
        Some(((self.ratio()? - share) / (1.0 - share)).max(0.0))
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    fn rate(&self) -> f64 {
        self.data as f64 / 1e6 / self.jobs[0].seconds
    }
}

pub(super) fn print_head(title: &str) {
    println!(
        "\n## {title}\n\n| job | seconds (of processor time) | MB of data/s | ratio (of the fastest runs) | target | peak MiB: anonymous | of the control group |\n|---|---|---|---|---|---|---|"
    );
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let times =
            self.jobs.iter().map(|job| format!("{} {:.3} ({:.2})", job.label, job.seconds, job.cpu_seconds));
        let ratio = match (self.ratio(), self.fastest_ratio()) {
            (Some(ratio), Some(fastest)) => format!("{ratio:.2} ({fastest:.2})"),
            _ => "-".into(),
        };
        let mebibytes = |kib: fn(&Measured) -> u64| {
            let each = self.jobs.iter().map(|job| (kib(job) / 1024).to_string());
            each.collect::<Vec<_>>().join(", ")
        };
        let (peak, group) = (mebibytes(|job| job.peak_anonymous_kib), mebibytes(|job| job.peak_group_kib));
        let times = times.collect::<Vec<_>>().join(", ");
        let ratio = match self.serial() {
            Some(serial) => format!("{ratio}, serial {:.0} %", serial * 100.0),
            None => ratio,
        };
        let wanted = self.at_most.map_or("-".into(), |ratio| format!("{ratio:.2}"));
        let rate = if self.data > 0 { format!("{:.0}", self.rate()) } else { "-".into() };
        write!(f, "| {} | {times} | {rate} | {ratio} | {wanted} | {peak} | {group} |", self.name)
    }
}

pub(super) fn json(machine: &str, sections: &[(&str, Vec<Row>)]) -> String {
    let sections = sections.iter().map(
        |(title, rows)| json!({ "section": title, "rows": rows.iter().map(Row::json).collect::<Vec<_>>() }),
    );
    let machine: Vec<&str> = machine.lines().collect();
    format!("{:#}\n", json!({ "machine": machine, "sections": sections.collect::<Vec<_>>() }))
}

impl Row {
    fn json(&self) -> Value {
        let jobs = self.jobs.iter().map(|job| {
            json!({
                "label": job.label, "median-seconds": job.seconds, "fastest-seconds": job.fastest, "median-cpu-seconds": job.cpu_seconds,
                "peak-anonymous-kib": job.peak_anonymous_kib, "peak-group-kib": job.peak_group_kib,
            })
        });
        json!({
            "job": self.name, "data": self.data, "ratio": self.ratio(), "at-most": self.at_most, "serial": self.serial(),
            "runs": jobs.collect::<Vec<_>>(),
        })
    }
}
