//! `imgprep check`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use imgprep::policy::Levels;
use imgprep::{
    BitmapShape, CheckOptions, CheckedFile, Depth, Error, ErrorKind, FollowPolicy, Mismatch, OnLoss,
    OpenOptions, Outcome, RequestError, SizeChoice, check_link, each_file, image_files,
};

use crate::args::{CheckArgs, CheckOutput, FormatArgs, SourceArgs};
use crate::config::{self, Settings};
use crate::failure::Failure;
use crate::failure::INTERRUPTED;
use crate::options::{Run, open_options, shape};
use crate::render::text::summary;
use crate::render::{Printer, check_json, junit, sarif};
use crate::rules;
use crate::size::Size;

pub(crate) fn run(args: &CheckArgs) -> Result<ExitCode, Failure> {
    if let Some(done) = without_files(args) {
        return done.map(|()| ExitCode::SUCCESS);
    }
    if args.files.iter().any(|file| file == Path::new("-")) {
        let text = "standard input cannot be checked: give a file (for a file named -, use ./-)";
        return Err(Failure::Usage(text.into()));
    }
    if args.files.is_empty() {
        return Err(Failure::Usage("nothing to check: give a file or a folder".into()));
    }
    let settings = config::settings(args)?;
    let open = opening(args)?;
    let (files, missing) = files(args, &open);
    let levels = settings.intent.levels.clone();
    let Settings { profile, intent, is_deep } = settings;
    let depth = if is_deep { Depth::Payloads } else { Depth::Tables };
    let options = CheckOptions { open, profile, intent, depth, bitmap: bitmap(args)? };
    let run = Run::with(&args.resources)?;
    let running = run.options(OnLoss::Stop, &|_| {});
    let mut printer = Printer::new(args.output);
    let mut checked: Vec<CheckedFile> = missing;
    let mut printed = Ok(());
    for file in &checked {
        printed = printed.and_then(|()| printer.file(file, &levels));
    }
    for group in files {
        // Files that the images of a folder reference in that folder are checked with the images, not
        // separately.
        let associated_follow =
            Some(FollowPolicy::Beside).filter(|_| group.is_folder && args.follow.follow.is_none());
        let open = OpenOptions { associated_follow, ..options.open.clone() };
        each_file(group.files, &CheckOptions { open, ..options.clone() }, &running, |file| {
            if printed.is_ok() {
                printed = printer.file(&file, &levels);
            }
            checked.push(file);
            Ok(())
        })?;
    }
    let outcome = checked.iter().map(|file| file.outcome(&levels)).max().unwrap_or(Outcome::Fine);
    match printed.and_then(|()| print_all(args.output, &checked, &levels)) {
        // The reader closed the pipe and needs no more. The exit code still reports the result.
        Err(error) if args.output == CheckOutput::Text && error.kind() == io::ErrorKind::BrokenPipe => {}
        done => done?,
    }
    let is_interrupted = checked
        .iter()
        .filter_map(|file| file.error.as_ref())
        .any(|error| error.kind() == ErrorKind::Interrupted);
    Ok(ExitCode::from(if is_interrupted { INTERRUPTED } else { code(outcome) }))
}

/// Prints what requires all files to be checked.
fn print_all(output: CheckOutput, checked: &[CheckedFile], levels: &Levels) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match output {
        CheckOutput::Text => summary(&mut out, checked, levels)?,
        CheckOutput::Github => {}
        CheckOutput::Json => check_json::write(&mut out, checked, levels)?,
        CheckOutput::Junit => junit::write(&mut out, checked, levels)?,
        CheckOutput::Sarif => sarif::write(&mut out, checked)?,
    }
    out.flush()
}

/// Runs a request that needs no image. `None` if the command is a check.
fn without_files(args: &CheckArgs) -> Option<Result<(), Failure>> {
    let is_json = args.output == CheckOutput::Json;
    if args.rules {
        return Some(rules::list(is_json));
    }
    if let Some(id) = &args.explain {
        return Some(rules::explain(id, is_json));
    }
    args.config_init.then(|| config::init(is_json))
}

/// The layout of bitmaps, if one was given.
fn bitmap(args: &CheckArgs) -> Result<Option<BitmapShape>, Failure> {
    let layout = &args.bitmap;
    let is_named = layout.bitmap_block.is_some() || layout.bitmap_order.is_some();
    is_named.then(|| shape(layout)).transpose()
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
        format: FormatArgs { from: args.format.from.clone() },
        snapshot: None,
        size: Size::Named(SizeChoice::Current),
        parent: Vec::new(),
    };
    let options = open_options(&source, &args.follow, FollowPolicy::None, OnLoss::Stop)?;
    Ok(OpenOptions { mismatch: Mismatch::Accept, ..options })
}

/// Consecutive arguments that are checked together.
struct Group {
    is_folder: bool,
    files: Vec<PathBuf>,
}

impl Group {
    /// Appends files to the last group if it is of the same kind, or to a new one.
    fn add(groups: &mut Vec<Self>, is_folder: bool, files: Vec<PathBuf>) {
        match groups.last_mut().filter(|last| last.is_folder == is_folder) {
            Some(last) => last.files.extend(files),
            None => groups.push(Self { is_folder, files }),
        }
    }
}

/// All files to check, and those that cannot be checked.
///
/// The latter could not be read, are not followed or contain nothing to check.
fn files(args: &CheckArgs, open: &OpenOptions) -> (Vec<Group>, Vec<CheckedFile>) {
    let (mut files, mut missing) = (Vec::new(), Vec::new());
    for path in &args.files {
        if !path.is_dir() {
            Group::add(&mut files, false, vec![path.clone()]);
            continue;
        }
        let before = missing.len();
        let found = image_files(path, open, &mut |failed, error| {
            missing.push(CheckedFile::undone(failed, error));
        });
        if found.is_empty() && missing.len() == before {
            let error = Error::new(RequestError::NoImages).in_path(path.display().to_string());
            missing.push(CheckedFile::undone(path, error));
        }
        let mut own = Vec::new();
        for file in found {
            match check_link(&file, path, open.follow) {
                Ok(()) => own.push(file),
                Err(error) => missing.push(CheckedFile::undone(&file, error)),
            }
        }
        Group::add(&mut files, true, own);
    }
    (files, missing)
}
