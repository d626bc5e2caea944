//! Progress on standard error: a bar on a terminal, lines elsewhere, JSON for programs.

use std::cell::Cell;
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use imgprep::{Meter, MeterReading};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::args::{Progress, RunArgs};
use crate::print::note;
use crate::size::short;

/// Time between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// Time between two JSON objects.
const JSON_EVERY: Duration = Duration::from_secs(1);

/// Time between two looks at what was read and written, on a terminal.
const MESSAGE_EVERY: Duration = Duration::from_millis(200);

/// Shows what a [`Meter`] counts.
pub(crate) struct Shown {
    kind: Kind,
    begun: Instant,
    last: Cell<Instant>,
}

enum Kind {
    Nothing,
    Bar(ProgressBar),
    Lines,
    Json,
}

impl Shown {
    pub(crate) fn new(args: &RunArgs) -> Self {
        let is_terminal = stderr().is_terminal();
        let kind = match args.progress {
            _ if args.quiet => Kind::Nothing,
            Progress::None => Kind::Nothing,
            Progress::Jsonl => Kind::Json,
            Progress::Auto if is_terminal => Kind::Bar(bar()),
            Progress::Auto => Kind::Lines,
        };
        let now = Instant::now();
        Self { kind, begun: now, last: Cell::new(now) }
    }

    /// Called after every unit.
    pub(crate) fn observe(&self, meter: &Meter) {
        let every = match &self.kind {
            Kind::Nothing => return,
            Kind::Bar(bar) => {
                let now = meter.read();
                bar.set_length(now.total);
                bar.set_position(now.disk);
                if self.last.get().elapsed() >= MESSAGE_EVERY {
                    self.last.set(Instant::now());
                    bar.set_message(format!("{} read, {} written", short(now.source), short(now.output)));
                }
                return;
            }
            Kind::Lines => LINE_EVERY,
            Kind::Json => JSON_EVERY,
        };
        if self.last.get().elapsed() < every {
            return;
        }
        self.last.set(Instant::now());
        self.say(&meter.read());
    }

    /// Takes the bar away; programs get a last object.
    pub(crate) fn finish(&self, meter: MeterReading) {
        match &self.kind {
            Kind::Bar(bar) => bar.finish_and_clear(),
            Kind::Json => self.say(&meter),
            Kind::Nothing | Kind::Lines => {}
        }
    }

    /// How long it took.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    fn say(&self, now: &MeterReading) {
        let seconds = self.begun.elapsed().as_secs_f64();
        if matches!(self.kind, Kind::Json) {
            let line = json!({
                "schema": "imgprep/progress/1", "seconds": seconds, "disk-total": now.total,
                "disk-done": now.disk, "source-read": now.source, "output-written": now.output,
            });
            note(line);
            return;
        }
        // OK: for people; a rate need not be exact.
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate for people"
        )]
        let rate = (now.disk as f64 / seconds.max(0.001)) as u64;
        let left = now.total.saturating_sub(now.disk) / rate.max(1);
        note(format_args!(
            "{} of {} done, {} read, {} written, {}/s, {left} s left",
            short(now.disk),
            short(now.total),
            short(now.source),
            short(now.output),
            short(rate)
        ));
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    // The template is a constant of ours; the default would do if it were wrong.
    let style =
        ProgressStyle::with_template("{bar:25} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left, {msg}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
