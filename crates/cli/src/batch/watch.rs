//! Progress on standard error: bars on a terminal, lines elsewhere, JSON for programs.

use std::collections::HashMap;
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use imgprep_batch::{AtWork, Batch, Now, Record, State, Watch};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Value as Json, json};

use super::args::BatchArgs;
use crate::args::Progress;
use crate::print::note;
use crate::size::short;

/// Time between two lines about what goes on, where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// Time between two JSON objects about it.
const JSON_EVERY: Duration = Duration::from_secs(1);

/// Shows a batch.
pub(crate) struct Shown {
    kind: Kind,
    last: Instant,
}

enum Kind {
    Nothing,
    Bars(Bars),
    Lines,
    Json,
}

/// One for the whole, below one for each job at work.
struct Bars {
    all: MultiProgress,
    whole: ProgressBar,
    jobs: HashMap<usize, ProgressBar>,
}

impl Shown {
    pub(crate) fn new(args: &BatchArgs) -> Self {
        let kind = match args.progress {
            _ if args.quiet => Kind::Nothing,
            Progress::None => Kind::Nothing,
            Progress::Jsonl => Kind::Json,
            Progress::Auto if stderr().is_terminal() => Kind::Bars(Bars::new()),
            Progress::Auto => Kind::Lines,
        };
        Self { kind, last: Instant::now() }
    }

    /// Takes the bars away.
    pub(crate) fn end(&mut self) {
        if let Kind::Bars(bars) = &mut self.kind {
            bars.jobs.clear();
            bars.whole.finish_and_clear();
        }
    }

    /// One line for people.
    fn say(&self, line: &str) {
        match &self.kind {
            Kind::Bars(bars) => bars.whole.suspend(|| note(line)),
            Kind::Lines => note(line),
            Kind::Nothing | Kind::Json => {}
        }
    }

    fn tell(&self, event: &str, mut object: Json) {
        if matches!(self.kind, Kind::Json) {
            object["schema"] = json!("imgprep/batch-progress/1");
            object["event"] = json!(event);
            note(object);
        }
    }
}

impl Watch for Shown {
    fn begun(&mut self, batch: &Batch, earlier: &[&Record], damaged: usize) {
        self.tell(
            "begin",
            json!({
                "images": batch.jobs.len(), "earlier": earlier.len(), "left-out": batch.left_out.len(),
                "damaged-lines": damaged,
            }),
        );
        if damaged > 0 {
            self.say(&format!(
                "torn or damaged in the journal: {damaged} lines; what they said is done again"
            ));
        }
        if !earlier.is_empty() {
            self.say(&format!("{} of {} images are done already", earlier.len(), batch.jobs.len()));
        }
    }

    fn started(&mut self, batch: &Batch, job: usize, attempt: u32, threads: usize) {
        let name = batch.jobs[job].source.display().to_string();
        self.tell("start", json!({ "job": job, "source": name, "attempt": attempt, "threads": threads }));
    }

    fn again(&mut self, _: &Batch, job: usize, record: &Record, pause: Duration) {
        let seconds = pause.as_secs_f64();
        self.tell(
            "retry",
            json!({ "job": job, "source": record.source, "seconds": seconds, "error": record.error }),
        );
        let message = record.error.as_ref().map_or("", |error| &error.message);
        self.say(&format!("again in {seconds:.1} s: {message}"));
    }

    fn finished(&mut self, batch: &Batch, job: usize, record: &Record) {
        if let Kind::Bars(bars) = &mut self.kind {
            bars.drop(job);
        }
        let object = json!({
            "job": job, "source": record.source, "output": record.output, "state": record.state,
            "output-size": record.output_size, "seconds": record.seconds, "error": record.error,
        });
        self.tell("finish", object);
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

    fn stopping(&mut self, _: &Batch, at_work: usize) {
        self.tell("stopping", json!({ "running": at_work }));
        self.say(&format!("stopping: {at_work} at work end at a safe place; once more stops now"));
    }

    fn tick(&mut self, batch: &Batch, now: &Now) {
        let every = match &mut self.kind {
            Kind::Nothing => return,
            Kind::Bars(bars) => return bars.show(batch, now),
            Kind::Lines => LINE_EVERY,
            Kind::Json => JSON_EVERY,
        };
        if self.last.elapsed() < every {
            return;
        }
        self.last = Instant::now();
        let (rate, left) = now.rate();
        let at_work = |work: &AtWork| {
            json!({
                "job": work.job, "source": batch.jobs[work.job].source.display().to_string(), "threads": work.threads,
                "disk-total": work.reading.total, "disk-done": work.reading.disk,
                "source-read": work.reading.source, "output-written": work.reading.output,
                "seconds": work.elapsed.as_secs_f64(),
            })
        };
        let object = json!({
            "images": now.jobs, "done": now.done, "failed": now.failed, "bytes": now.bytes,
            "bytes-done": now.bytes_done, "source-read": now.read, "output-written": now.written,
            "bytes-per-second": rate, "seconds-left": left, "seconds": now.elapsed.as_secs_f64(),
            "running": now.at_work.iter().map(at_work).collect::<Vec<_>>(),
        });
        self.tell("progress", object);
        self.say(&format!(
            "{} of {} images done, {} failed, {} at work; {} of {}, {}/s, {left} s left",
            now.done,
            now.jobs,
            now.failed,
            now.at_work.len(),
            short(now.bytes_done),
            short(now.bytes),
            short(rate),
        ));
    }
}

impl Bars {
    fn new() -> Self {
        let all = MultiProgress::new();
        let whole =
            all.add(ProgressBar::new(0).with_style(style("{bar:25} {bytes} of {total_bytes}, {msg}")));
        Self { all, whole, jobs: HashMap::new() }
    }

    fn drop(&mut self, job: usize) {
        if let Some(bar) = self.jobs.remove(&job) {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
    }

    fn show(&mut self, batch: &Batch, now: &Now) {
        let (rate, left) = now.rate();
        self.whole.set_length(now.bytes);
        self.whole.set_position(now.bytes_done);
        self.whole.set_message(format!(
            "{}/s, {left} s left, {} of {} images, {} failed",
            short(rate),
            now.done + now.failed,
            now.jobs,
            now.failed
        ));
        let gone: Vec<_> =
            self.jobs.keys().copied().filter(|job| now.at_work.iter().all(|work| work.job != *job)).collect();
        gone.into_iter().for_each(|job| self.drop(job));
        for work in &now.at_work {
            let bar = self.jobs.entry(work.job).or_insert_with(|| {
                let bar = ProgressBar::new(0).with_style(style(
                    "{bar:25} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left, {msg}",
                ));
                self.all.insert_before(&self.whole, bar)
            });
            bar.set_length(work.reading.total);
            bar.set_position(work.reading.disk);
            bar.set_message(batch.jobs[work.job].source.display().to_string());
        }
    }
}

/// The templates are constants of ours; the default would do if one were wrong.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
