//! `imgprep info`.

use std::io::{self, Write};
use std::path::Path;

use imgprep::{
    Allocation, Counted, Disk, DiskFacts, DiskInspection, Finding, FollowPolicy, Hint, LayerInfo, Mismatch,
    OnLoss, OpenOptions, Partition, Severity, Snapshot, Value,
};
use serde_json::{Value as Json, json};

use crate::args::{InfoArgs, OutputFormat};
use crate::failure::Failure;
use crate::options::{open, open_options};
use crate::render::json;
use crate::render::print::{finding, line, matched};
use crate::size::{full, short};

pub(crate) fn run(args: &InfoArgs) -> Result<(), Failure> {
    if args.files.len() > 1 && !args.source.parent.is_empty() {
        return Err(Failure::Usage("--parent applies to one image, but several are given".into()));
    }
    let mut images: Vec<Json> = Vec::new();
    let mut failure = None;
    for file in &args.files {
        match describe(file, args) {
            Ok(described) => images.extend(described),
            Err(error) if args.files.len() == 1 || error.is_closed_pipe() => return Err(error),
            Err(error) => failure = Some(keep_on(file, &error, args, &mut images)),
        }
    }
    if args.output == OutputFormat::Json {
        print_json(args, images, failure.as_ref())?;
        failure = failure.map(|_| Failure::Reported);
    }
    failure.map_or(Ok(()), Err)
}

/// Reports a failed image and continues with the next one.
fn keep_on(file: &Path, error: &Failure, args: &InfoArgs, images: &mut Vec<Json>) -> Failure {
    if args.output == OutputFormat::Json {
        let mut object = json!({ "filename": file.display().to_string(), "error": error.json() });
        if let Some(matches) = error.matches_json() {
            object["matches"] = matches;
        }
        images.push(object);
    } else {
        error.print_text("info");
    }
    Failure::Usage(format!("not all of the {} images could be read", args.files.len()))
}

/// Opens a disk, or reports the matching formats of a file that cannot be opened as one.
fn open_or_match(file: &Path, args: &InfoArgs, options: &OpenOptions) -> Result<Disk, Failure> {
    if file == Path::new("-") || args.source.size.bytes().is_some() {
        return open(file, &args.source, options);
    }
    let probed = imgprep::probe(file, options)?;
    Disk::open_probed(&probed, options).map_err(|error| {
        // An error of a layer below is not about the file that the user named.
        if error.path().is_none_or(|path| Path::new(path) == file) {
            Failure::WithEvidence(Box::new(error), probed.matches)
        } else {
            error.into()
        }
    })
}

/// The layers of one file as JSON. Text is printed at once.
fn describe(file: &Path, args: &InfoArgs) -> Result<Vec<Json>, Failure> {
    let by_default = if args.chain { FollowPolicy::Beside } else { FollowPolicy::None };
    let options = open_options(&args.source, &args.follow, by_default, OnLoss::Stop)?;
    // `info` shows an image with a mismatched parent; a conversion rejects it.
    let disk = open_or_match(file, args, &OpenOptions { mismatch: Mismatch::Accept, ..options })?;
    let display = if args.chain { disk.layers().len() } else { 1 };
    let mut images = Vec::new();
    for (index, info) in disk.layers().iter().take(display).enumerate() {
        let allocation = disk.allocation(index);
        // The contents of the disk depend on all its layers together.
        let inspection = if index == 0 { disk.contents() } else { DiskInspection::default() };
        let findings = findings(info, allocation.as_ref(), &inspection);
        match args.output {
            OutputFormat::Text => {
                let mut out = io::stdout().lock();
                if index > 0 || args.files.first().map(|first| &**first) != Some(file) {
                    writeln!(out)?;
                }
                print_text(&mut out, &disk, info, allocation.as_ref(), &inspection)?;
                print_findings(&mut out, &findings)?;
            }
            OutputFormat::Json => {
                let mut object = json::layer(info, allocation.as_ref(), &inspection, &findings);
                if index == 0 {
                    object.insert("unopened".into(), disk.unopened().iter().map(json::unopened).collect());
                }
                images.push(object.into());
            }
        }
    }
    Ok(images)
}

/// Findings of the image, of the walk over its tables and of the disk's contents.
///
/// Each of them is included once.
fn findings(info: &LayerInfo, allocation: Option<&Counted>, inspection: &DiskInspection) -> Vec<Finding> {
    let mut all = info.findings.clone();
    // Counting may report a finding of the image again: it is not repeated.
    let is_new = |met: &imgprep::Error| info.findings.iter().all(|known| known.code != met.code());
    if let Some(Counted::Failed(error)) = allocation
        && is_new(error)
    {
        all.push(Finding {
            code: error.code(),
            severity: Severity::Error,
            at: error.at(),
            message: without_code(error, &info.name),
        });
    }
    for found in inspection.findings.iter().chain(&inspection.unread) {
        if !all.iter().any(|known| (known.code, known.at) == (found.code, found.at) && found.at.is_some()) {
            all.push(found.clone());
        }
    }
    all
}

/// The message of an error for a finding, which has its own code and offset.
fn without_code(error: &imgprep::Error, image: &str) -> String {
    let path = error.path().filter(|path| *path != image).map_or(String::new(), |path| format!("{path}: "));
    let disk =
        error.disk().map_or(String::new(), |disk| format!(" (disk bytes {}..{})", disk.start, disk.end));
    format!("{path}{}{disk}", error.what())
}

/// Prints one image as an object like that of `qemu-img`. Several are wrapped.
fn print_json(args: &InfoArgs, mut images: Vec<Json>, failure: Option<&Failure>) -> Result<(), Failure> {
    let is_single = args.files.len() == 1 && !args.chain;
    let mut object = match images.pop() {
        Some(Json::Object(only)) if is_single => only,
        last => {
            images.extend(last);
            serde_json::Map::from_iter([("images".to_string(), Json::Array(images))])
        }
    };
    object.insert("schema".into(), json!("imgprep/info/1"));
    if let Some(failure) = failure {
        object.insert("error".into(), failure.json());
    }
    Ok(io::stdout().write_all(json::text(&object.into()).as_bytes())?)
}

fn print_text(
    out: &mut dyn Write,
    disk: &Disk,
    info: &LayerInfo,
    allocation: Option<&Counted>,
    inspection: &DiskInspection,
) -> io::Result<()> {
    line(out, "image", &info.name)?;
    line(out, "format", &format!("{}, {}", info.facts.format, info.facts.variant))?;
    if info.matches.is_empty() {
        line(out, "evidence", "none for any other format")?;
    }
    for found in &info.matches {
        line(out, "evidence", &matched(found))?;
    }
    line(out, "virtual size", &full(info.size))?;
    line(out, "file length", &full(info.file_len()))?;
    line(out, "size on disk", &full(info.actual_size()))?;
    print_allocation(out, allocation)?;
    if let Some(encryption) = info.facts.encryption {
        line(out, "encrypted", &encryption.to_string())?;
    }
    if let Some(parent) = &info.parent {
        let format = parent.format.as_deref().unwrap_or("format not named");
        let name = if parent.is_named() {
            parent.label()
        } else {
            format!("not named, identified by {}", parent.label())
        };
        line(out, "backing file", &format!("{name} ({format})"))?;
    }
    for associated in &info.associated_files {
        let name = associated.name.as_ref().map_or("(not named)".into(), ToString::to_string);
        line(out, "data file", &name)?;
    }
    if let Some(facts) = &inspection.facts {
        print_contents(out, facts)?;
    }
    for (key, value) in &info.facts.details {
        line(out, key, &text(value))?;
    }
    info.facts.snapshots.iter().try_for_each(|snapshot| print_snapshot(out, snapshot))?;
    for named in disk.unopened().iter().filter(|_| std::ptr::eq(info, &raw const disk.layers()[0])) {
        let why = match named.reason.hint() {
            Some(Hint::FollowBeside) => "--follow beside opens files in the image's own folder".to_string(),
            Some(Hint::FollowAny) => "--follow any opens files outside the image's folder".to_string(),
            _ => format!("{}: no --follow opens it", named.reason.code()),
        };
        line(out, "not opened", &format!("{} ({why})", named.name))?;
    }
    Ok(())
}

fn print_findings(out: &mut dyn Write, findings: &[Finding]) -> io::Result<()> {
    if !findings.is_empty() {
        writeln!(out, "findings:")?;
    }
    findings.iter().try_for_each(|found| finding(out, found))
}

fn print_allocation(out: &mut dyn Write, counted: Option<&Counted>) -> io::Result<()> {
    match counted {
        Some(Counted::Whole(sum)) => line(out, "allocation", &summed(sum)),
        Some(Counted::TablesTooLarge(limit)) => {
            let why = format!(
                "not counted (its tables are larger than {}: imgprep map lists the extents)",
                short(*limit)
            );
            line(out, "allocation", &why)
        }
        Some(Counted::TooManyExtents) => line(out, "allocation", "not counted (more than 4 million extents)"),
        // A finding gives the reason.
        Some(Counted::Failed(_)) | None => Ok(()),
    }
}

fn summed(sum: &Allocation) -> String {
    let parts = [
        ("data", sum.data),
        ("compressed", sum.compressed),
        ("zeros", sum.zeros),
        ("from below", sum.parent),
    ];
    let parts = parts.into_iter().filter(|(_, bytes)| *bytes > 0);
    let parts: Vec<_> = parts.map(|(name, bytes)| format!("{name} {}", short(bytes))).collect();
    if parts.is_empty() { "nothing".into() } else { parts.join(", ") }
}

/// Prints the contents of the disk and how it can be booted.
fn print_contents(out: &mut dyn Write, facts: &DiskFacts) -> io::Result<()> {
    line(out, "contents", &facts.contents.to_string())?;
    if facts.table().is_some() {
        let ways = [
            ("boot code in the first sector", facts.has_boot_code),
            ("an active partition", facts.partitions.iter().any(|partition| partition.is_active)),
            ("a BIOS boot partition", facts.has_bios_boot()),
            ("an EFI system partition", facts.has_efi_system()),
        ];
        let ways: Vec<_> = ways.into_iter().filter(|(_, is)| *is).map(|(way, _)| way).collect();
        line(out, "boot", &if ways.is_empty() { "nothing to boot from".into() } else { ways.join(", ") })?;
    }
    facts.partitions.iter().try_for_each(|partition| {
        line(out, &format!("partition {}", partition.number), &described(partition))
    })
}

fn described(partition: &Partition) -> String {
    let kind = match partition.kind.name() {
        Some(name) => name.to_string(),
        None => format!("type {}", partition.kind),
    };
    let mut text = format!("{} at {}, {kind}", short(partition.len), short(partition.start));
    if !partition.name.is_empty() {
        text.push_str(&format!(" \"{}\"", partition.name));
    }
    if let Some(volume) = partition.volume {
        text.push_str(&format!(", {}{}", volume.name, if volume.is_encrypted { " (encrypted)" } else { "" }));
    }
    if partition.is_active { text + ", active" } else { text }
}

fn print_snapshot(out: &mut dyn Write, snapshot: &Snapshot) -> io::Result<()> {
    let size = snapshot.disk_size.map_or(String::new(), |size| format!(", {}", full(size)));
    line(out, "snapshot", &format!("{} \"{}\"{size}", snapshot.id, snapshot.name))
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Flag(flag) => if *flag { "yes" } else { "no" }.into(),
        Value::List(list) => {
            let has_tables = list.iter().any(|item| matches!(item, Value::Table(_)));
            list.iter().map(text).collect::<Vec<_>>().join(if has_tables { "; " } else { ", " })
        }
        Value::Table(table) => {
            let cells = table.iter().map(|(key, value)| (key, text(value)));
            let cells = cells.filter(|(_, value)| !value.is_empty());
            cells.map(|(key, value)| format!("{key} {value}")).collect::<Vec<_>>().join(", ")
        }
    }
}
