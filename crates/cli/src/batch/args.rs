//! Command-line arguments of `batch`.

use std::path::{Path, PathBuf};

use clap::Args;
use imgprep::FollowPolicy;

use crate::args::{
    FollowArgs, FormatArgs, ImportArgs, ProgressArgs, ResourceArgs, TargetArgs, follow_by_default,
    writable_formats,
};

/// Format of the outputs, unless another one is given.
pub(crate) const DEFAULT_TARGET: &str = "zvhd2";

#[derive(Args)]
#[command(
    after_long_help = "Exit codes: 0 all images converted; 1 the batch could not run; 2 some images failed or \
    cannot be imported;\n130 interrupted.\n\nThe first Ctrl-C stops running conversions and starts no more; \
    the second one exits immediately.\nAfter an interrupt, a kill or a power failure, --resume continues the batch.\n\n\
    Examples:\n  imgprep batch images/ --out ready/\n  imgprep batch images/ --out ready/ --profile huawei-ims --plan\n  \
    find . -name '*.vmdk' -print0 | imgprep batch - --out ready/\n  \
    imgprep batch --init && imgprep batch jobs.toml --report report.html"
)]
#[command(
    mut_arg("follow", |arg| follow_by_default(arg, FollowPolicy::Beside.name())),
    mut_arg("to", |arg| arg.help(format!("Format of the outputs: {}", writable_formats())).default_value(DEFAULT_TARGET)),
    mut_arg("threads", |arg| arg.help("Worker threads for all images together [default: all cores]")),
    mut_arg("memory", |arg| arg.help("Memory limit for the buffers of all images together")),
    mut_arg("quiet", |arg| arg.help("Show neither progress nor a summary"))
)]
pub(crate) struct BatchArgs {
    /// Folder of images, manifest (.toml), or `-` for a list of paths on standard input
    #[arg(value_name = "DIR|MANIFEST|-", required_unless_present = "init")]
    pub(crate) jobs: Option<PathBuf>,
    /// Folder for the outputs and the journal
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Write a commented example manifest [default: jobs.toml] and exit
    #[arg(long)]
    pub(crate) init: bool,
    /// Show what would be done, without writing anything
    #[arg(long, conflicts_with = "init")]
    pub(crate) plan: bool,
    /// Continue an earlier run, skipping images that are finished and unchanged
    #[arg(long)]
    pub(crate) resume: bool,
    /// Start over and replace existing outputs; with --resume, reconvert images whose options changed
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) spec: JobSpecArgs,
    #[command(flatten)]
    pub(crate) search: SearchArgs,
    /// Retries per image after an I/O error, with exponential back-off
    #[arg(long, value_name = "N", default_value = "2")]
    pub(crate) retries: u32,
    /// Pause before the first retry, in milliseconds; doubled for each further retry
    #[arg(long, value_name = "MS", default_value = "1000")]
    pub(crate) retry_pause: u64,
    /// Start no further images after the first failure
    #[arg(long)]
    pub(crate) fail_fast: bool,
    #[command(flatten)]
    pub(crate) resources: ResourceArgs,
    #[command(flatten)]
    pub(crate) progress: ProgressArgs,
    /// Write a report to FILE.json, FILE.xml (test results for Jenkins and other CI systems) or FILE.html; repeat for several reports
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Vec<PathBuf>,
}

/// Options of all images; the manifest overrides them.
#[derive(Args)]
pub(crate) struct JobSpecArgs {
    #[command(flatten)]
    pub(crate) format: FormatArgs,
    #[command(flatten)]
    pub(crate) follow: FollowArgs,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Template for output names, with {dir}, {stem}, {name} and {ext} [default: {dir}/{stem}.{ext}]
    #[arg(long, value_name = "TEMPLATE")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) import: ImportArgs,
}

/// How a folder is searched.
#[derive(Args)]
pub(crate) struct SearchArgs {
    /// Also search subfolders
    #[arg(short, long)]
    pub(crate) recursive: bool,
    /// Include files whose names match this pattern [default: the extensions of image formats]
    #[arg(long, value_name = "GLOB")]
    pub(crate) include: Vec<String>,
    /// Exclude files whose names match this pattern
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
}

impl BatchArgs {
    /// The JSON report to write if the batch cannot run.
    pub(crate) fn json_report(&self) -> Option<&Path> {
        let is_json = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "json");
        self.report.iter().find(is_json).map(PathBuf::as_path)
    }
}
