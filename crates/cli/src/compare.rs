//! `imgprep compare`.

use std::path::Path;
use std::process::ExitCode;

use imgprep::{CompareOptions, Comparison, Disk, FollowPolicy, OnLoss, compare};
use serde_json::{Value as Json, json};

use crate::args::{CompareArgs, OutputFormat, SourceArgs};
use crate::failure::{Failure, write_report};
use crate::files;
use crate::options::{Run, open, open_options};
use crate::progress::ProgressDisplay;
use crate::render::anomalies;
use crate::render::json;
use crate::render::print::{lines, show};
use crate::size::full;

pub(crate) fn run(args: &CompareArgs) -> Result<ExitCode, Failure> {
    let granularity = args.granularity.bytes();
    let granularity = granularity.ok_or(Failure::Usage("--granularity must be a number of bytes".into()))?;
    let options = CompareOptions { granularity, limit: args.limit };
    let [mut a, mut b] = open_both(args)?;
    let mut files = files::of_compare(args);
    files.reads_disk(&a);
    files.reads_disk(&b);
    files.check()?;
    let run = Run::new(&args.run)?;
    let display = ProgressDisplay::new(&args.run, ["comparing", "comparing"]);
    let observe = |progress: &imgprep::Progress| display.observe(progress);
    let settings = run.options(OnLoss::Stop, &observe);
    for disk in [&mut a, &mut b] {
        disk.cross_check(&settings)?;
        if args.run.output == OutputFormat::Text && !args.run.quiet {
            anomalies::warn(disk)?;
        }
    }
    let done = compare([&a, &b], &options, &settings);
    display.finish(settings.progress.read());
    let done = done?;
    let is_same = done.has_same_contents() && (done.has_same_size() || !args.strict);
    let json = render_json(args, [&a, &b], granularity, &done, is_same, display.elapsed().as_secs_f64());
    if let Some(path) = &args.run.report {
        files.check()?;
        write_report(path, &json)?;
    }
    let text = match args.run.output {
        OutputFormat::Text if args.run.quiet => String::new(),
        OutputFormat::Text => lines(&render(args, granularity, &done, is_same)),
        OutputFormat::Json => json::text(&json),
    };
    show(&text, args.run.output == OutputFormat::Json)?;
    Ok(ExitCode::from(u8::from(!is_same)))
}

fn open_both(args: &CompareArgs) -> Result<[Disk; 2], Failure> {
    if [&args.a, &args.b].iter().all(|path| *path == Path::new("-")) {
        return Err(Failure::Usage("only one of the two images can be standard input".into()));
    }
    let open = |path, source: &SourceArgs| {
        open(path, source, &open_options(source, &args.follow, FollowPolicy::Beside, OnLoss::Stop)?)
    };
    Ok([open(&args.a, &args.source)?, open(&args.b, &args.other.source())?])
}

fn render(args: &CompareArgs, granularity: u64, done: &Comparison, is_same: bool) -> Vec<String> {
    let differences = &done.differences;
    let listed = differences.listed().iter();
    let mut lines: Vec<_> = listed
        .map(|range| {
            let len = full(range.end - range.start);
            format!("different: disk bytes {}..{}, {len}", range.start, range.end)
        })
        .collect();
    let more = differences.count() - differences.listed().len() as u64;
    if more > 0 {
        lines.push(format!("and {more} more ranges"));
    }
    let names = [&args.a, &args.b].map(|path| path.display());
    if !done.has_same_size() {
        let [a, b] = done.sizes.map(full);
        let rest = if done.has_same_contents() { "; the rest is zeros" } else { "" };
        lines.push(format!("{} has {a}, {} has {b}{rest}", names[0], names[1]));
    }
    let what = match (is_same, differences.is_empty()) {
        (true, _) => "same contents".to_string(),
        (false, true) => "different sizes".to_string(),
        (false, false) => {
            let ranges = if differences.count() == 1 { "range" } else { "ranges" };
            format!(
                "different in {} {ranges}, {} in blocks of {}",
                differences.count(),
                full(differences.bytes()),
                full(granularity)
            )
        }
    };
    lines.push(format!("{} and {}: {what}", names[0], names[1]));
    lines
}

fn render_json(
    args: &CompareArgs,
    disks: [&Disk; 2],
    granularity: u64,
    done: &Comparison,
    is_same: bool,
    seconds: f64,
) -> Json {
    let image = |path: &Path, disk: &Disk| {
        json!({
            "filename": path.display().to_string(), "format": disk.layers()[0].facts.format,
            "virtual-size": disk.size(), "findings": anomalies::findings_json(disk),
        })
    };
    let differences = &done.differences;
    let range = |range: &std::ops::Range<u64>| json!({ "start": range.start, "end": range.end });
    json!({
        "schema": "imgprep/compare/1", "same": is_same, "same-contents": done.has_same_contents(),
        "same-size": done.has_same_size(), "strict": args.strict,
        "images": [image(&args.a, disks[0]), image(&args.b, disks[1])],
        "granularity": granularity, "differences": differences.listed().iter().map(range).collect::<Vec<_>>(),
        "difference-count": differences.count(), "differing-bytes": differences.bytes(), "seconds": seconds,
    })
}
