//! `imgprep map`.

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;

use imgprep::{FollowPolicy, OnLoss, ResolvedExtent, Source};
use serde_json::{Map, json};

use crate::args::{MapArgs, OutputFormat};
use crate::failure::Failure;
use crate::options::{open, open_options};

pub(crate) fn run(args: &MapArgs) -> Result<(), Failure> {
    let disk = open(
        &args.file,
        &args.source,
        &open_options(&args.source, &args.follow, FollowPolicy::Beside, OnLoss::Stop)?,
    )?;
    let mut out = BufWriter::new(io::stdout().lock());
    let is_json = args.output == OutputFormat::Json;
    if is_json {
        let head = json!({ "filename": args.file.display().to_string(), "virtual-size": disk.size() });
        let head = crate::render::json::line(&head);
        // Streamed, because there may be millions of extents.
        write!(
            out,
            "{{\"schema\":\"imgprep/map/1\",{},\"extents\":[",
            head.trim_end().trim_start_matches('{').trim_end_matches('}')
        )?;
    } else {
        writeln!(
            out,
            "{:>16} {:>16} {:>5}  {:<10} {:>16}",
            "start", "length", "depth", "kind", "file offset"
        )?;
    }
    let mut printed: io::Result<()> = Ok(());
    let mut is_first = true;
    let mut print = |extent: &ResolvedExtent| {
        printed = if is_json { print_json(&mut out, extent, is_first) } else { print_text(&mut out, extent) };
        is_first = false;
        if printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let mut pending: Option<ResolvedExtent> = None;
    let walked = disk.visit_extents(&mut |extent| match &mut pending {
        Some(last) if continues(last, &extent) => {
            last.disk.end = extent.disk.end;
            ControlFlow::Continue(())
        }
        _ => pending.replace(extent).map_or(ControlFlow::Continue(()), |last| print(&last)),
    });
    let _ = pending.map(|last| print(&last));
    printed?;
    if is_json {
        write!(out, "\n]")?;
        // The output is one object even if the walk fails: the object then contains the error.
        if let Err(error) = walked {
            let failure = Failure::from(error);
            writeln!(out, ",\"error\":{}}}", crate::render::json::line(&failure.json()).trim_end())?;
            out.flush()?;
            return Err(Failure::Reported);
        }
        writeln!(out, "}}")?;
        return Ok(out.flush()?);
    }
    out.flush()?;
    Ok(walked?)
}

/// Whether an extent continues the last one, so that one row describes both.
fn continues(last: &ResolvedExtent, extent: &ResolvedExtent) -> bool {
    let is_next = match (&last.source, &extent.source) {
        (Source::Zero { explicit: one }, Source::Zero { explicit: other }) => one == other,
        (Source::Data { file, at }, Source::Data { file: next, at: next_at }) => {
            file == next && at.checked_add(last.len()) == Some(*next_at)
        }
        _ => false,
    };
    is_next && last.layer == extent.layer && last.disk.end == extent.disk.start
}

fn print_text(out: &mut dyn Write, extent: &ResolvedExtent) -> io::Result<()> {
    let (start, len, depth) = (extent.disk.start, extent.len(), extent.layer);
    let (kind, at) = match &extent.source {
        Source::Zero { explicit: true } => ("zero", None),
        Source::Zero { explicit: false } | Source::Parent => ("hole", None),
        Source::Data { at, .. } => ("data", Some(at)),
        Source::Compressed { at, .. } => ("compressed", Some(at)),
    };
    let at = at.map_or("-".into(), ToString::to_string);
    writeln!(out, "{start:>16} {len:>16} {depth:>5}  {kind:<10} {at:>16}")
}

fn print_json(out: &mut dyn Write, extent: &ResolvedExtent, is_first: bool) -> io::Result<()> {
    let (is_present, is_compressed, at) = match &extent.source {
        Source::Zero { explicit } => (*explicit, false, None),
        Source::Parent => (false, false, None),
        Source::Data { at, .. } => (true, false, Some(*at)),
        Source::Compressed { at, .. } => (true, true, Some(*at)),
    };
    let mut object = Map::new();
    object.insert("start".into(), json!(extent.disk.start));
    object.insert("length".into(), json!(extent.len()));
    object.insert("depth".into(), json!(extent.layer));
    object.insert("present".into(), json!(is_present));
    object.insert("zero".into(), json!(extent.is_zero()));
    object.insert("data".into(), json!(!extent.is_zero()));
    object.insert("compressed".into(), json!(is_compressed));
    if let Some(at) = at.filter(|_| !is_compressed) {
        object.insert("offset".into(), json!(at));
    }
    let separator = if is_first { "\n" } else { ",\n" };
    write!(out, "{separator}{}", serde_json::Value::from(object))
}
