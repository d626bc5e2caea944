//! `imgprep check`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use imgprep::policy::{Level, RULES, rule};
use imgprep::{
    BitmapShape, CheckOptions, CheckedFile, Depth, Error, FaceError, Mismatch, OnLoss, OpenOptions, Outcome,
    SizeChoice, each_file, image_files,
};

use crate::args::{BitmapShapeArgs, CheckArgs, CheckOutput, Follow, Order, SourceArgs};
use crate::config::{self, Settings};
use crate::failure::Failure;
use crate::meaning::{Run, open_options, shape};
use crate::print::severity;
use crate::report::{Printer, summary};
use crate::size::Size;
use crate::{junit, report, sarif};

pub(crate) fn run(args: &CheckArgs) -> Result<ExitCode, Failure> {
    if args.rules {
        return list().map(|()| ExitCode::SUCCESS);
    }
    if let Some(id) = &args.explain {
        return explain(id).map(|()| ExitCode::SUCCESS);
    }
    if args.config_init {
        return config::init().map(|()| ExitCode::SUCCESS);
    }
    if args.files.iter().any(|file| file == Path::new("-")) {
        let text = "standard input cannot be checked: name a file (a file called - is ./-)";
        return Err(Failure::Usage(text.into()));
    }
    if args.files.is_empty() {
        return Err(Failure::Usage("nothing to check: name a file or a folder".into()));
    }
    let settings = config::settings(args)?;
    let open = opening(args)?;
    let (files, missing) = files(args, &open);
    let levels = settings.wish.levels.clone();
    let Settings { profile, wish, is_deep } = settings;
    let depth = if is_deep { Depth::Payloads } else { Depth::Tables };
    let options = CheckOptions { open, profile, wish, depth, bitmap: bitmap(args)? };
    let run = Run::with(args.memory, args.threads)?;
    let running = run.options(OnLoss::Stop, &|_| {});
    let mut printer = Printer::new(args.output);
    let mut checked: Vec<CheckedFile> = missing;
    let mut printed = Ok(());
    for file in &checked {
        printed = printed.and_then(|()| printer.file(file, &levels));
    }
    each_file(files, &options, &running, |file| {
        if printed.is_ok() {
            printed = printer.file(&file, &levels);
        }
        checked.push(file);
        Ok(())
    })?;
    printed?;
    let outcome = checked.iter().map(|file| file.outcome(&levels)).max().unwrap_or(Outcome::Fine);
    let mut out = io::stdout().lock();
    match args.output {
        CheckOutput::Text => summary(&mut out, &checked, &levels)?,
        CheckOutput::Github => {}
        CheckOutput::Json => report::json(&mut out, &checked, &levels)?,
        CheckOutput::Junit => junit::write(&mut out, &checked, &levels)?,
        CheckOutput::Sarif => sarif::write(&mut out, &checked)?,
    }
    let is_interrupted = checked
        .iter()
        .filter_map(|file| file.error.as_ref())
        .any(|error| error.code() == "engine.interrupted");
    Ok(ExitCode::from(if is_interrupted { 130 } else { code(outcome) }))
}

/// The layout of bitmaps, if one was named.
fn bitmap(args: &CheckArgs) -> Result<Option<BitmapShape>, Failure> {
    if args.bitmap_block.is_none() && args.bitmap_order.is_none() {
        return Ok(None);
    }
    let bitmap_block = args.bitmap_block.unwrap_or(Size::Bytes(BitmapShape::default().block));
    shape(&BitmapShapeArgs {
        bitmap_block,
        bitmap_order: args.bitmap_order.unwrap_or(Order::Lsb),
        bitmap_command: None,
    })
    .map(Some)
}

fn code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Fine => 0,
        Outcome::Undone => 1,
        Outcome::Violations => 2,
        Outcome::Warnings => 3,
    }
}

fn opening(args: &CheckArgs) -> Result<OpenOptions, Failure> {
    let source = SourceArgs {
        from: args.from.clone(),
        snapshot: None,
        size: Size::Named(SizeChoice::Current),
        parent: Vec::new(),
    };
    let options = open_options(&source, &args.follow, Follow::None, OnLoss::Stop)?;
    Ok(OpenOptions { mismatch: Mismatch::Accept, ..options })
}

/// All files, and what could not be read or has nothing to check.
fn files(args: &CheckArgs, open: &OpenOptions) -> (Vec<PathBuf>, Vec<CheckedFile>) {
    let (mut files, mut missing) = (Vec::new(), Vec::new());
    for path in &args.files {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let before = missing.len();
        let found = image_files(path, open, &mut |failed, error| {
            missing.push(CheckedFile::undone(failed, error));
        });
        if found.is_empty() && missing.len() == before {
            let error = Error::new(FaceError::NoImages).in_path(path.display().to_string());
            missing.push(CheckedFile::undone(path, error));
        }
        files.extend(found);
    }
    (files, missing)
}

fn list() -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    for rule in RULES {
        writeln!(out, "{:<24} {:<8} {}", rule.id, severity(rule.severity), rule.says)?;
    }
    Ok(())
}

fn explain(id: &str) -> Result<(), Failure> {
    let Some(rule) = rule(id) else {
        let error = imgprep::policy::Levels::default().set(id, Level::Deny);
        let message =
            error.err().map_or_else(|| format!("{id:?} is a group, not a rule"), |error| error.to_string());
        return Err(Failure::Usage(message));
    };
    let mut out = io::stdout().lock();
    writeln!(out, "{} ({})", rule.id, severity(rule.severity))?;
    writeln!(out, "what:    {}", rule.says)?;
    writeln!(out, "why:     {}", rule.why)?;
    writeln!(
        out,
        "source:  {}",
        if rule.source.is_empty() { "the profile's document" } else { rule.source }
    )?;
    for (index, remedy) in rule.remedies.iter().enumerate() {
        writeln!(out, "{:<8} {remedy}", if index == 0 { "remedy:" } else { "   else:" })?;
    }
    Ok(())
}
