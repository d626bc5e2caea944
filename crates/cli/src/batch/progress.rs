//! Progress on standard error.
//!
//! It is bars on a terminal, lines elsewhere, or JSON for programs.

use std::collections::HashMap;
use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use imgprep_batch::{Batch, BatchObserver, ProgressSnapshot, Record, RunningJob, State};
use indicatif::{MultiProgress, ProgressBar};
use serde_json::{Value as Json, json};

use crate::args::{ProgressArgs, ProgressMode};
use crate::bar::{self, end_of};
use crate::progress::message_only;
use crate::render::json;
use crate::render::print::warn;
use crate::size::short;

/// Time between two progress lines without a terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// Time between two JSON progress objects.
const JSON_EVERY: Duration = Duration::from_secs(1);

/// Displays the progress of a batch.
pub(crate) struct ProgressDisplay {
    kind: Kind,
    last: Instant,
}

enum Kind {
    Nothing,
    Bars(Bars),
    Lines,
    Json,
}

/// One bar for the whole batch, and below it one for each running job.
struct Bars {
    all: MultiProgress,
    whole: ProgressBar,
    jobs: HashMap<usize, ProgressBar>,
}

impl ProgressDisplay {
    pub(crate) fn new(args: &ProgressArgs) -> Self {
        let kind = match args.progress {
            _ if args.quiet => Kind::Nothing,
            ProgressMode::None => Kind::Nothing,
            ProgressMode::Jsonl => Kind::Json,
            ProgressMode::Auto if stderr().is_terminal() => Kind::Bars(Bars::new()),
            ProgressMode::Auto => Kind::Lines,
        };
        Self { kind, last: Instant::now() }
    }

    /// Removes the bars.
    pub(crate) fn end(&mut self) {
        if let Kind::Bars(bars) = &mut self.kind {
            bars.jobs.clear();
            bars.whole.finish_and_clear();
        }
    }

    /// Prints one line for users.
    fn say(&self, line: &str) {
        match &self.kind {
            Kind::Bars(bars) => bars.whole.suspend(|| warn(format_args!("{line}"))),
            Kind::Lines => warn(format_args!("{line}")),
            Kind::Nothing | Kind::Json => {}
        }
    }

    fn emit(&self, event: &str, mut object: Json) {
        if matches!(self.kind, Kind::Json) {
            object["schema"] = json!("imgprep/batch-progress/1");
            object["event"] = json!(event);
            // One write, so that a reader never receives part of a line. The error of a closed pipe is
            // ignored.
            let _ = stderr().write_all(json::line(&object).as_bytes());
        }
    }
}

impl BatchObserver for ProgressDisplay {
    fn begun(&mut self, batch: &Batch, earlier: &[&Record], damaged: usize) {
        self.emit(
            "begin",
            json!({
                "images": batch.jobs.len(), "earlier": earlier.len(), "left-out": batch.left_out.len(),
                "damaged-lines": damaged,
            }),
        );
        if damaged > 0 {
            self.say(&format!(
                "{damaged} incomplete or damaged lines in the journal; their images are converted again"
            ));
        }
        if !earlier.is_empty() {
            self.say(&format!("{} of {} images are already converted", earlier.len(), batch.jobs.len()));
        }
    }

    fn started(&mut self, batch: &Batch, job: usize, attempt: u32, threads: usize) {
        let name = batch.jobs[job].source.display().to_string();
        self.emit("start", json!({ "job": job, "source": name, "attempt": attempt, "threads": threads }));
    }

    fn again(&mut self, _: &Batch, job: usize, record: &Record, pause: Duration) {
        let seconds = pause.as_secs_f64();
        self.emit(
            "retry",
            json!({ "job": job, "source": record.source, "seconds": seconds, "error": record.error }),
        );
        let message = record.error.as_ref().map_or("", |error| &error.message);
        self.say(&format!("retry in {seconds:.1} s: {message}"));
    }

    fn finished(&mut self, batch: &Batch, job: usize, record: &Record) {
        if let Kind::Bars(bars) = &mut self.kind {
            bars.drop(job);
        }
        let object = json!({
            "job": job, "source": record.source, "output": record.output, "state": record.state,
            "output-size": record.output_size, "seconds": record.seconds, "error": record.error,
        });
        self.emit("finish", object);
        let line = match (record.state, &record.error) {
            (State::Done, _) => {
                let sizes = (record.source_size.unwrap_or(0), record.output_size.unwrap_or(0));
                let (from, to) = (short(sizes.0), short(sizes.1));
                format!(
                    "done: {} -> {}, {from} -> {to}, {:.1} s",
                    record.source, record.output, record.seconds
                )
            }
            (State::Stopped, _) => format!("stopped: {}", record.source),
            (State::Failed, error) => {
                format!("failed: {}", error.as_ref().map_or(&record.source, |error| &error.message))
            }
        };
        let _ = batch;
        self.say(&line);
    }

    fn stopping(&mut self, _: &Batch, running: usize) {
        self.emit("stopping", json!({ "running": running }));
        self.say(&format!(
            "stopping: waiting for {running} running conversions; interrupt again to stop immediately"
        ));
    }

    fn tick(&mut self, batch: &Batch, snapshot: &ProgressSnapshot) {
        let every = match &mut self.kind {
            Kind::Nothing => return,
            Kind::Bars(bars) => return bars.show(batch, snapshot),
            Kind::Lines => LINE_EVERY,
            Kind::Json => JSON_EVERY,
        };
        if self.last.elapsed() < every {
            return;
        }
        self.last = Instant::now();
        let (rate, left) = snapshot.rate();
        let running_job = |work: &RunningJob| {
            json!({
                "job": work.job, "source": batch.jobs[work.job].source.display().to_string(), "threads": work.threads,
                "disk-total": work.reading.total, "disk-done": work.reading.disk,
                "source-read": work.reading.source, "output-written": work.reading.output,
                "seconds": work.elapsed.as_secs_f64(),
            })
        };
        let object = json!({
            "images": snapshot.jobs, "done": snapshot.done, "failed": snapshot.failed, "bytes": snapshot.bytes,
            "bytes-done": snapshot.bytes_done, "source-read": snapshot.read, "output-written": snapshot.written,
            "bytes-per-second": rate, "seconds-left": left, "seconds": snapshot.elapsed.as_secs_f64(),
            "running": snapshot.running_jobs.iter().map(running_job).collect::<Vec<_>>(),
        });
        self.emit("progress", object);
        self.say(&format!(
            "{} of {} images done, {} failed, {} at work; {} of {}, {}/s, {left} s left",
            snapshot.done,
            snapshot.jobs,
            snapshot.failed,
            snapshot.running_jobs.len(),
            short(snapshot.bytes_done),
            short(snapshot.bytes),
            short(rate),
        ));
    }
}

impl Bars {
    fn new() -> Self {
        let all = MultiProgress::new();
        let whole = all.add(ProgressBar::new(0).with_style(message_only()));
        Self { all, whole, jobs: HashMap::new() }
    }

    fn drop(&mut self, job: usize) {
        if let Some(bar) = self.jobs.remove(&job) {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
    }

    fn show(&mut self, batch: &Batch, snapshot: &ProgressSnapshot) {
        let width = bar::width();
        self.whole.set_message(bar::line(width, snapshot.bytes_done, snapshot.bytes, &whole_parts(snapshot)));
        let gone: Vec<_> = self
            .jobs
            .keys()
            .copied()
            .filter(|job| snapshot.running_jobs.iter().all(|work| work.job != *job))
            .collect();
        gone.into_iter().for_each(|job| self.drop(job));
        for work in &snapshot.running_jobs {
            let bar = self.jobs.entry(work.job).or_insert_with(|| {
                let bar = ProgressBar::new(0).with_style(message_only());
                self.all.insert_before(&self.whole, bar)
            });
            let name = batch.jobs[work.job].source.display().to_string();
            let parts = job_parts(work, end_of(&name, width / 2));
            bar.set_message(bar::line(width, work.reading.disk, work.reading.total, &parts));
        }
    }
}

fn whole_parts(snapshot: &ProgressSnapshot) -> Vec<String> {
    let (rate, left) = snapshot.rate();
    vec![
        format!("{} of {} images", snapshot.done + snapshot.failed, snapshot.jobs),
        format!("{} failed", snapshot.failed),
        format!("{left} s left"),
        format!("{} of {}", short(snapshot.bytes_done), short(snapshot.bytes)),
        format!("{}/s", short(rate)),
    ]
}

fn job_parts(work: &RunningJob, name: String) -> Vec<String> {
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = (work.reading.disk as f64 / work.elapsed.as_secs_f64().max(0.001)) as u64;
    let phase = (work.reading.passes > 1).then(|| "verifying".to_string());
    let sizes = format!("{} of {}", short(work.reading.disk), short(work.reading.total));
    std::iter::once(name).chain(phase).chain([sizes, format!("{}/s", short(rate))]).collect()
}
