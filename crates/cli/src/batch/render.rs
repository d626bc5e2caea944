//! Rendering of plans and summaries, and the reports of a batch.

use std::path::Path;

use console::measure_text_width;
use imgprep::{Existing, Files, Hint, OutputOptions, Role, Sync, printable, write_atomic};
use imgprep_batch::{
    Batch, BatchPlan, ExistingJournal, Intent, Planned, Record, State, Summary, Verdict, files, report,
};
use serde_json::json;

use super::args::BatchArgs;
use crate::failure::Failure;
use crate::render::hint;
use crate::render::print::lines;
use crate::size::short;

type Writer = fn(&Summary) -> String;

/// Rejects unknown report types before the batch starts.
pub(crate) fn check_reports(args: &BatchArgs) -> Result<(), Failure> {
    args.report.iter().try_for_each(|path| writer(path).map(|_| ()))
}

/// All files of the batch.
///
/// Fails, before anything is written, if an output is also read.
pub(crate) fn check_files(args: &BatchArgs, batch: &Batch) -> Result<Files, Failure> {
    let mut files = files::of(batch, ExistingJournal::Refuse);
    match args.jobs.as_deref() {
        Some(jobs) if jobs == Path::new("-") => files.reads_stdin(),
        Some(jobs) => files.reads(jobs),
        None => {}
    }
    args.report.iter().for_each(|path| files.writes(Role::Report, path));
    if args.report.iter().any(|path| path.exists()) {
        // A report replaces an existing file, so the images' backing files and extents must be known too.
        files::read_chains(batch, &mut files);
    }
    files.check()?;
    Ok(files)
}

fn writer(path: &Path) -> Result<Writer, Failure> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => Ok(report::json),
        Some("xml") => Ok(report::junit),
        Some("html" | "htm") => Ok(report::html),
        _ => Err(Failure::Usage(format!("--report {}: FILE.json, FILE.xml or FILE.html", path.display()))),
    }
}

/// Writes all reports; existing ones are replaced.
pub(crate) fn reports(args: &BatchArgs, summary: &Summary) -> Result<(), Failure> {
    let options = OutputOptions { existing: Existing::Replace, sync: Sync::Full, ..OutputOptions::default() };
    for path in &args.report {
        write_atomic(path, writer(path)?(summary).as_bytes(), options)?;
    }
    Ok(())
}

pub(crate) fn plan_json(plan: &BatchPlan) -> Result<String, Failure> {
    let mut object = serde_json::to_value(plan)?;
    object["schema"] = json!("imgprep/batch-plan/1");
    Ok(crate::render::json::text(&object))
}

/// Result of the batch and the images that need attention, as text.
pub(crate) fn summary(summary: &Summary) -> String {
    let attention = |record: &&Record| record.needs_attention() && record.state != State::Stopped;
    let mut text: Vec<_> = summary.records.iter().filter(attention).flat_map(trouble).collect();
    let (sources, outputs) = summary.sizes();
    let mut parts = vec![format!("{} of {} images done", summary.done(), summary.records.len())];
    let mut put = |count: usize, what: &str| {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    };
    put(summary.earlier(), "of them by an earlier run");
    put(summary.failed(), "failed");
    put(summary.rejected(), "cannot be imported");
    put(summary.stopped(), "not converted: continue with --resume");
    put(
        summary.left_out.len(),
        "ignored: no image extension, a part of another image, or a link to a folder",
    );
    let seconds = summary.elapsed.as_secs_f64();
    text.push(format!(
        "{}; {} became {} in {seconds:.1} s",
        parts.join(", "),
        short(sources),
        short(outputs)
    ));
    lines(&text)
}

/// Problems of one image, with remedies.
fn trouble(record: &Record) -> Vec<String> {
    let remedy = |remedy: &Option<String>| remedy.as_ref().map(|remedy| format!("  remedy: {remedy}"));
    let mut text = Vec::new();
    if let Some(error) = &record.error {
        text.push(format!("failed: {}", error.message));
        text.extend(remedy(&error.remedy));
        let hint = error.hint.as_deref().and_then(Hint::by_name);
        text.extend(hint::beside(hint, error.remedy.as_ref()).map(|hint| format!("  hint: {hint}")));
    }
    for reason in record.verdict.reasons.iter().filter(|reason| reason.severity == "error") {
        text.push(format!("cannot be imported: {}: {} [{}]", record.output, reason.message, reason.rule));
        text.extend(remedy(&reason.remedy));
    }
    text
}

/// Table of the plan with one image per line.
pub(crate) fn plan_text(plan: &BatchPlan) -> String {
    let head = ["image", "format", "disk", "now", "output", "at most", "verdict"].map(String::from);
    let rows = std::iter::once(head).chain(plan.images.iter().map(row));
    let rows: Vec<_> = rows.map(|row| row.map(|cell| printable(&cell).into_owned())).collect();
    let columns = |cell: &str| measure_text_width(cell);
    let width = |column: usize| rows.iter().map(|row| columns(&row[column])).max().unwrap_or(0);
    let widths: Vec<_> = (0..7).map(width).collect();
    let mut text = Vec::new();
    for row in &rows {
        let cells = row.iter().zip(&widths);
        let cells = cells.map(|(cell, width)| format!("{cell}{}", " ".repeat(width - columns(cell))));
        text.push(cells.collect::<Vec<_>>().join("  ").trim_end().to_string());
    }
    text.push(format!(
        "{} images into {}: {} needed at most, {} free",
        plan.images.len(),
        plan.out,
        short(plan.space_needed),
        plan.space_free.map_or("?".into(), short),
    ));
    if let Some(missing) = plan.space_missing() {
        text.push(format!("not enough space: up to {} more needed", short(missing)));
    }
    let left_out = |path: &String| {
        format!("ignored (no image extension, a part of another image, or a link to a folder): {path}")
    };
    text.extend(plan.left_out.iter().map(left_out));
    lines(&text)
}

fn row(image: &Planned) -> [String; 7] {
    let size = |size: Option<u64>| size.map_or("-".into(), short);
    let verdict = match (&image.error, image.intent) {
        (Some(error), _) => format!("fails: {}", error.message),
        (None, Intent::Done) => format!("done, {}", verdict(&image.verdict)),
        (None, _) => verdict(&image.verdict),
    };
    [
        image.source.clone(),
        image.format.clone().unwrap_or("-".into()),
        size(image.virtual_size),
        size(image.source_size),
        image.output.clone(),
        size(image.output_size),
        verdict,
    ]
}

fn verdict(verdict: &Verdict) -> String {
    let profile = verdict.profile.as_deref().unwrap_or_default();
    match verdict.importable {
        Some(true) => format!("can be imported ({profile})"),
        Some(false) => {
            let errors = verdict.reasons.iter().filter(|reason| reason.severity == "error");
            let errors: Vec<_> = errors.map(|reason| reason.message.as_str()).collect();
            format!("cannot be imported ({profile}): {}", errors.join("; "))
        }
        None => "not judged".into(),
    }
}
