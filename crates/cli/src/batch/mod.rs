//! `imgprep batch`.

mod args;
mod import_rules;
mod options;
mod progress;
mod render;
mod verdict;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use imgprep::policy::quote;
use imgprep::{OutputOptions, Sync, write_atomic};
use imgprep_batch::{
    EXAMPLE, ExistingJournal, OnFailure, OtherOptions, RunSettings, plan, report, run as run_batch,
};

pub(crate) use self::args::BatchArgs;
use self::import_rules::Profiles;
use self::progress::ProgressDisplay;
use crate::args::OutputFormat;
use crate::config::written;
use crate::convert::unix_time;
use crate::failure::{Failure, INTERRUPTED};
use crate::options::{Run, existing};

/// Open files of the program itself, with a margin.
const OWN_FILES: u64 = 64;

pub(crate) fn run(args: &BatchArgs) -> Result<ExitCode, Failure> {
    if args.init {
        return init(args).map(|()| ExitCode::SUCCESS);
    }
    render::check_reports(args)?;
    let rules = Profiles::default();
    let batch = options::batch(args, &rules)?;
    let run = Run::with(&args.resources)?;
    let settings = settings(args, &run, &rules)?;
    let files = render::check_files(args, &batch)?;
    if args.plan {
        let plan = plan(&batch, &settings)?;
        let text = if args.progress.output == OutputFormat::Json {
            render::plan_json(&plan)?
        } else {
            render::plan_text(&plan)
        };
        io::stdout().write_all(text.as_bytes())?;
        return Ok(ExitCode::from(if plan.is_fine() { 0 } else { 2 }));
    }
    let mut display = ProgressDisplay::new(&args.progress);
    let done = run_batch(&batch, &settings, &mut display);
    display.end();
    let summary = done?;
    files.check()?;
    render::reports(args, &summary)?;
    match args.progress.output {
        OutputFormat::Json => io::stdout().write_all(report::json(&summary).as_bytes())?,
        OutputFormat::Text if args.progress.quiet => {}
        OutputFormat::Text => io::stdout().write_all(render::summary(&summary).as_bytes())?,
    }
    Ok(ExitCode::from(match () {
        () if run.interrupt().is_raised() => INTERRUPTED,
        () if summary.is_fine() => 0,
        () => 2,
    }))
}

fn init(args: &BatchArgs) -> Result<(), Failure> {
    let path = args.jobs.clone().unwrap_or_else(|| PathBuf::from("jobs.toml"));
    if path == Path::new("-") {
        return Ok(io::stdout().write_all(EXAMPLE.as_bytes())?);
    }
    let options =
        OutputOptions { existing: existing(args.force), sync: Sync::Full, ..OutputOptions::default() };
    write_atomic(&path, EXAMPLE.as_bytes(), options)?;
    let is_json = args.progress.output == OutputFormat::Json;
    if args.progress.quiet && !is_json {
        return Ok(());
    }
    let next = format!("edit it, then run: imgprep batch {} --plan", quote(path.as_os_str()));
    written(&path.display().to_string(), &next, is_json)
}

fn settings<'a>(args: &BatchArgs, run: &'a Run, rules: &'a Profiles) -> Result<RunSettings<'a>, Failure> {
    Ok(RunSettings {
        threads: run.threads(),
        memory: run.memory(),
        files: imgprep::open_file_limit().saturating_sub(OWN_FILES),
        retries: args.retries,
        pause: Duration::from_millis(args.retry_pause),
        on_failure: if args.fail_fast { OnFailure::Stop } else { OnFailure::GoOn },
        existing_journal: match (args.resume, args.force) {
            (true, _) => ExistingJournal::Resume,
            (_, true) => ExistingJournal::Replace,
            _ => ExistingJournal::Refuse,
        },
        other_options: if args.force { OtherOptions::Accept } else { OtherOptions::Refuse },
        sync: if args.spec.target.no_sync { Sync::None } else { Sync::Full },
        cache: args.spec.target.cache.into(),
        unix_time: unix_time()?,
        interrupt: run.interrupt(),
        rules,
    })
}
