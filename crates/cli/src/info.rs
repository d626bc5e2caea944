//! `imgprep info`.

use std::io::{self, Write};
use std::path::Path;

use imgprep::{Allocation, Disk, Finding, LayerInfo, Mismatch, OnLoss, OpenOptions, Snapshot, Value};
use serde_json::{Value as Json, json};

use crate::args::{Follow, InfoArgs, OutputFormat};
use crate::failure::Failure;
use crate::json;
use crate::meaning::{open, open_options};
use crate::print::{finding, line};
use crate::size::full;

pub(crate) fn run(args: &InfoArgs) -> Result<(), Failure> {
    let mut images: Vec<Json> = Vec::new();
    let mut failure = None;
    for file in &args.files {
        match describe(file, args) {
            Ok(described) => images.extend(described),
            Err(error) if args.files.len() == 1 => return Err(error),
            Err(error) => failure = Some(keep_on(file, &error, args, &mut images)),
        }
    }
    if args.output == OutputFormat::Json {
        print_json(args, images)?;
    }
    failure.map_or(Ok(()), Err)
}

/// One bad image of several does not stop the others.
fn keep_on(file: &Path, error: &Failure, args: &InfoArgs, images: &mut Vec<Json>) -> Failure {
    if args.output == OutputFormat::Json {
        images.push(json!({ "filename": file.display().to_string(), "error": error.json() }));
    } else {
        error.print("info", args.output);
    }
    Failure::Usage(format!("not all of the {} images could be read", args.files.len()))
}

/// The layers of one file as JSON; text is printed at once.
fn describe(file: &Path, args: &InfoArgs) -> Result<Vec<Json>, Failure> {
    let by_default = if args.chain { Follow::Beside } else { Follow::None };
    let options = open_options(&args.source, &args.follow, by_default, OnLoss::Stop)?;
    // An inspector shows a parent that does not match, a converter refuses it.
    let disk = open(file, &args.source, &OpenOptions { mismatch: Mismatch::Accept, ..options })?;
    let shown = if args.chain { disk.layers().len() } else { 1 };
    let mut images = Vec::new();
    for (index, info) in disk.layers().iter().take(shown).enumerate() {
        let (allocation, trouble) = disk.allocation(index);
        // What the image says of itself is not told again because counting met it.
        let trouble = trouble.filter(|met| info.findings.iter().all(|told| told.code != met.code));
        let findings: Vec<Finding> = info.findings.iter().cloned().chain(trouble).collect();
        match args.output {
            OutputFormat::Text => {
                let mut out = io::stdout().lock();
                if index > 0 || args.files.first().map(|first| &**first) != Some(file) {
                    writeln!(out)?;
                }
                print_text(&mut out, &disk, info, allocation, &findings)?;
            }
            OutputFormat::Json => {
                let mut object = json::layer(info, allocation, &findings);
                if index == 0 {
                    object.insert("unopened".into(), disk.unopened().iter().map(json::unopened).collect());
                }
                images.push(object.into());
            }
        }
    }
    Ok(images)
}

/// One image is an object as `qemu-img` has it; several are wrapped.
fn print_json(args: &InfoArgs, mut images: Vec<Json>) -> Result<(), Failure> {
    let is_single = args.files.len() == 1 && !args.chain;
    let mut object = match images.pop() {
        Some(Json::Object(only)) if is_single => only,
        last => {
            images.extend(last);
            serde_json::Map::from_iter([("images".to_string(), Json::Array(images))])
        }
    };
    object.insert("schema".into(), json!("imgprep/info/1"));
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &object)?;
    Ok(writeln!(out)?)
}

fn print_text(
    out: &mut dyn Write,
    disk: &Disk,
    info: &LayerInfo,
    allocation: Option<Allocation>,
    findings: &[Finding],
) -> io::Result<()> {
    line(out, "image", &info.name)?;
    line(out, "format", &format!("{}, {}", info.facts.format, info.facts.variant))?;
    match &info.evidence {
        Some(found) => line(out, "evidence", &format!("{} at {}", found.says, found.at))?,
        None => line(out, "evidence", "none of any other format")?,
    }
    line(out, "virtual size", &full(info.size))?;
    line(out, "file length", &full(info.file_len()))?;
    line(out, "size on disk", &full(info.actual_size()))?;
    if let Some(sum) = allocation {
        print_allocation(out, &sum)?;
    }
    if let Some(encryption) = info.facts.encryption {
        line(out, "encrypted", &format!("{encryption:?}"))?;
    }
    if let Some(parent) = &info.parent {
        let format = parent.format.as_deref().unwrap_or("format not said");
        line(out, "backing file", &format!("{} ({format})", parent.name))?;
    }
    for companion in &info.companions {
        let name = companion.name.as_ref().map_or("(not named)".into(), ToString::to_string);
        line(out, "data file", &name)?;
    }
    for (key, value) in &info.facts.details {
        line(out, key, &text(value))?;
    }
    info.facts.snapshots.iter().try_for_each(|snapshot| print_snapshot(out, snapshot))?;
    for named in disk.unopened().iter().filter(|_| std::ptr::eq(info, &raw const disk.layers()[0])) {
        line(
            out,
            "not opened",
            &format!("{} (--follow beside opens files in the image's own folder)", named.name),
        )?;
    }
    if !findings.is_empty() {
        writeln!(out, "findings:")?;
    }
    findings.iter().try_for_each(|found| finding(out, found))
}

fn print_allocation(out: &mut dyn Write, sum: &Allocation) -> io::Result<()> {
    let parts =
        [("data", sum.data), ("compressed", sum.packed), ("zeros", sum.zeros), ("from below", sum.parent)];
    let parts = parts.into_iter().filter(|(_, bytes)| *bytes > 0);
    let parts: Vec<_> = parts.map(|(name, bytes)| format!("{name} {}", crate::size::short(bytes))).collect();
    line(out, "allocation", &if parts.is_empty() { "nothing".into() } else { parts.join(", ") })
}

fn print_snapshot(out: &mut dyn Write, snapshot: &Snapshot) -> io::Result<()> {
    let size = snapshot.disk_size.map_or(String::new(), |size| format!(", {}", full(size)));
    line(out, "snapshot", &format!("{} {:?}{size}", snapshot.id, snapshot.name))
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Flag(flag) => if *flag { "yes" } else { "no" }.into(),
        Value::List(list) => list.iter().map(text).collect::<Vec<_>>().join(", "),
        Value::Table(table) => {
            table.iter().map(|(key, value)| format!("{key} {}", text(value))).collect::<Vec<_>>().join(", ")
        }
    }
}
