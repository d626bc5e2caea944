//! Progress on standard error.
//!
//! It is a bar on a terminal, lines elsewhere, or JSON for programs.

use std::cell::Cell;
use std::io::{IsTerminal, Write, stderr};
use std::path::Path;
use std::time::{Duration, Instant};

use imgprep::{Progress, ProgressReading};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::args::{ProgressArgs, ProgressMode};
use crate::bar;
use crate::render::json;
use crate::render::print::warn;
use crate::size::short;

/// Time between two lines without a terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// Time between two JSON objects.
const JSON_EVERY: Duration = Duration::from_secs(1);
/// Time between two updates of the bar.
const BAR_EVERY: Duration = Duration::from_millis(100);

/// Columns of the name of an image next to the bar.
const NAME_COLUMNS: usize = 24;

/// Displays the counters of a [`Progress`].
pub(crate) struct ProgressDisplay {
    kind: Kind,
    /// The image, if the command reads several.
    image: Option<ImageOf>,
    /// Names of the first and the second pass over the disk.
    passes: [&'static str; 2],
    begun: Instant,
    last: Cell<Instant>,
}

/// One of several images.
struct ImageOf {
    name: String,
    /// From 1.
    number: usize,
    count: usize,
}

enum Kind {
    Nothing,
    Bar(ProgressBar),
    Lines,
    Json,
}

impl ProgressDisplay {
    pub(crate) fn new(args: &ProgressArgs, passes: [&'static str; 2]) -> Self {
        let kind = match args.progress {
            _ if args.quiet => Kind::Nothing,
            ProgressMode::None => Kind::Nothing,
            ProgressMode::Jsonl => Kind::Json,
            ProgressMode::Auto if stderr().is_terminal() => Kind::Bar(empty_bar()),
            ProgressMode::Auto => Kind::Lines,
        };
        let now = Instant::now();
        Self { kind, image: None, passes, begun: now, last: Cell::new(now) }
    }

    /// The display for image `number` (from 1) of `count`, which has a [`Progress`] of its own.
    pub(crate) fn of_image(self, path: &Path, number: usize, count: usize) -> Self {
        let image = ImageOf { name: path.display().to_string(), number, count };
        Self { image: Some(image).filter(|_| count > 1), ..self }
    }

    /// Updates the display if its interval has passed. Called after every chunk.
    pub(crate) fn observe(&self, progress: &Progress) {
        let every = match &self.kind {
            Kind::Nothing => return,
            Kind::Bar(_) => BAR_EVERY,
            Kind::Lines => LINE_EVERY,
            Kind::Json => JSON_EVERY,
        };
        if self.last.get().elapsed() < every {
            return;
        }
        self.last.set(Instant::now());
        self.show(&progress.read());
    }

    /// Removes the bar, or prints a last JSON object.
    pub(crate) fn finish(&self, progress: ProgressReading) {
        match &self.kind {
            Kind::Bar(bar) => bar.finish_and_clear(),
            Kind::Json => self.show(&progress),
            Kind::Nothing | Kind::Lines => {}
        }
    }

    /// Time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    fn show(&self, now: &ProgressReading) {
        match &self.kind {
            Kind::Nothing => {}
            Kind::Bar(bar) => bar.set_message(bar::line(bar::width(), now.disk, now.total, &self.parts(now))),
            Kind::Lines => warn(format_args!("{}", self.parts(now).join(", "))),
            Kind::Json => {
                let mut object = json!({
                    "schema": "imgprep/progress/1", "phase": self.phase(now),
                    "seconds": self.begun.elapsed().as_secs_f64(), "disk-total": now.total, "disk-done": now.disk,
                    "source-read": now.source, "output-written": now.output,
                });
                if let Some(image) = &self.image {
                    object["filename"] = json!(image.name);
                    (object["image"], object["images"]) = (json!(image.number), json!(image.count));
                }
                // One write, so that a reader never receives part of a line. The error of a closed pipe is
                // ignored.
                let _ = stderr().write_all(json::line(&object).as_bytes());
            }
        }
    }

    fn phase(&self, now: &ProgressReading) -> &'static str {
        self.passes[usize::from(now.passes > 1)]
    }

    /// Texts that are displayed next to the bar, the most important first.
    fn parts(&self, now: &ProgressReading) -> Vec<String> {
        // OK: displayed to users, who need no exact rate.
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate for people"
        )]
        let rate = (now.disk as f64 / self.begun.elapsed().as_secs_f64().max(0.001)) as u64;
        let left = now.total.saturating_sub(now.disk) / rate.max(1);
        let done = format!("{} {} of {}", self.phase(now), short(now.disk), short(now.total));
        let image = self.image.as_ref().map(|image| {
            format!("image {} of {}: {}", image.number, image.count, bar::end_of(&image.name, NAME_COLUMNS))
        });
        let rest = [
            format!("{}/s", short(rate)),
            format!("{left} s left"),
            format!("{} read", short(now.source)),
            format!("{} written", short(now.output)),
        ];
        std::iter::once(done).chain(image).chain(rest).collect()
    }
}

fn empty_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    bar.with_style(message_only())
}

/// A style that displays only the message.
///
/// The template is a constant. If it were invalid, the default would be good enough.
pub(crate) fn message_only() -> ProgressStyle {
    ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar())
}
