//! `imgprep map`.

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;

use imgprep::{OnLoss, Piece, Source};
use serde_json::{Map, json};

use crate::args::{Follow, MapArgs, OutputFormat};
use crate::failure::Failure;
use crate::options::{open, open_options};

pub(crate) fn run(args: &MapArgs) -> Result<(), Failure> {
    let disk = open(
        &args.file,
        &args.source,
        &open_options(&args.source, &args.follow, Follow::Beside, OnLoss::Stop)?,
    )?;
    let mut out = BufWriter::new(io::stdout().lock());
    let is_json = args.output == OutputFormat::Json;
    if is_json {
        let head = json!({ "filename": args.file.display().to_string(), "virtual-size": disk.size() });
        let head = crate::json::line(&head);
        // Streamed: the extents may be millions.
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
    let mut print = |piece: &Piece| {
        printed = if is_json { print_json(&mut out, piece, is_first) } else { print_text(&mut out, piece) };
        is_first = false;
        if printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let mut pending: Option<Piece> = None;
    let walked = disk.pieces(&mut |piece| match &mut pending {
        Some(last) if continues(last, &piece) => {
            last.disk.end = piece.disk.end;
            ControlFlow::Continue(())
        }
        _ => pending.replace(piece).map_or(ControlFlow::Continue(()), |last| print(&last)),
    });
    let _ = pending.map(|last| print(&last));
    printed?;
    if is_json {
        write!(out, "\n]")?;
        // One object, also when it could not be finished: the error is in it.
        if let Err(error) = walked {
            let failure = Failure::from(error);
            writeln!(out, ",\"error\":{}}}", crate::json::line(&failure.json()).trim_end())?;
            out.flush()?;
            return Err(Failure::Reported);
        }
        writeln!(out, "}}")?;
        return Ok(out.flush()?);
    }
    out.flush()?;
    Ok(walked?)
}

/// Whether a piece goes on where the last one ends, so that both are one row.
fn continues(last: &Piece, piece: &Piece) -> bool {
    let is_next = match (&last.source, &piece.source) {
        (Source::Zero { explicit: one }, Source::Zero { explicit: other }) => one == other,
        (Source::Data { file, at }, Source::Data { file: next, at: next_at }) => {
            file == next && at.checked_add(last.len()) == Some(*next_at)
        }
        _ => false,
    };
    is_next && last.layer == piece.layer && last.disk.end == piece.disk.start
}

fn print_text(out: &mut dyn Write, piece: &Piece) -> io::Result<()> {
    let (start, len, depth) = (piece.disk.start, piece.len(), piece.layer);
    let (kind, at) = match &piece.source {
        Source::Zero { explicit: true } => ("zero", None),
        Source::Zero { explicit: false } | Source::Parent => ("hole", None),
        Source::Data { at, .. } => ("data", Some(at)),
        Source::Compressed { at, .. } => ("compressed", Some(at)),
    };
    let at = at.map_or("-".into(), ToString::to_string);
    writeln!(out, "{start:>16} {len:>16} {depth:>5}  {kind:<10} {at:>16}")
}

fn print_json(out: &mut dyn Write, piece: &Piece, is_first: bool) -> io::Result<()> {
    let (is_present, is_compressed, at) = match &piece.source {
        Source::Zero { explicit } => (*explicit, false, None),
        Source::Parent => (false, false, None),
        Source::Data { at, .. } => (true, false, Some(*at)),
        Source::Compressed { at, .. } => (true, true, Some(*at)),
    };
    let mut object = Map::new();
    object.insert("start".into(), json!(piece.disk.start));
    object.insert("length".into(), json!(piece.len()));
    object.insert("depth".into(), json!(piece.layer));
    object.insert("present".into(), json!(is_present));
    object.insert("zero".into(), json!(piece.is_zero()));
    object.insert("data".into(), json!(!piece.is_zero()));
    object.insert("compressed".into(), json!(is_compressed));
    if let Some(at) = at.filter(|_| !is_compressed) {
        object.insert("offset".into(), json!(at));
    }
    let separator = if is_first { "\n" } else { ",\n" };
    write!(out, "{separator}{}", serde_json::Value::from(object))
}
