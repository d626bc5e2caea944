//! Command-line arguments of `batch`.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use imgprep::policy::DiskRole;

use crate::args::{FollowArgs, OutputFormat, ProgressMode, disk_role, threads};
use crate::size::Size;

#[derive(clap::Args)]
#[command(
    after_help = "Exit codes: 0 all images converted; 1 the batch could not run; 2 some images failed or \
    cannot be imported;\n130 interrupted.\n\nThe first Ctrl-C stops running conversions and starts no more; \
    the second one exits immediately.\nAfter an interrupt, a kill or a power failure, --resume continues the batch.\n\n\
    Examples:\n  imgprep batch images/ --out ready/\n  imgprep batch images/ --out ready/ --profile huawei-ims --plan\n  \
    find . -name '*.vmdk' -print0 | imgprep batch - --out ready/\n  \
    imgprep batch --init && imgprep batch jobs.toml --report report.html"
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
    /// Do not wait until outputs are on stable storage: a power failure may destroy finished outputs
    #[arg(long)]
    pub(crate) no_sync: bool,
    /// Worker threads for all images together [default: all cores]
    #[arg(short = 'j', long, value_name = "N", value_parser = threads)]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Memory limit for the buffers of all images together
    #[arg(long, value_name = "SIZE", default_value = "256M")]
    pub(crate) memory: Size,
    /// How to show progress on standard error
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) progress: ProgressMode,
    /// Show neither progress nor a summary
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Format of the output on standard output
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: OutputFormat,
    /// Write a report to FILE.json, FILE.xml (test results for Jenkins and other CI systems) or FILE.html; repeat for several reports
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Vec<PathBuf>,
}

/// Options of all images; the manifest overrides them.
#[derive(clap::Args)]
pub(crate) struct JobSpecArgs {
    /// Format of the sources [default: detect]
    #[arg(short, long = "from", value_name = "FMT")]
    pub(crate) from: Option<String>,
    #[command(flatten)]
    pub(crate) follow: FollowArgs,
    /// Format of the outputs: zvhd2, qcow2 or raw
    #[arg(short = 'O', long = "to", value_name = "FMT", default_value = "zvhd2")]
    pub(crate) to: String,
    /// Options of the output format; zvhd2 has `level=N`, `compression_type=zstd|zlib` and `checksum=on|off`;
    /// qcow2 has `cluster_size=SIZE`, `compress=on|off`, `compression_type=zlib|zstd` and `level=N`
    #[arg(short = 'o', value_name = "K=V,...", value_delimiter = ',')]
    pub(crate) options: Vec<String>,
    /// Compression level: zstd 1 to 22 (default 3), with --zlib 1 to 9 (default 6)
    #[arg(long, value_name = "N")]
    pub(crate) level: Option<u32>,
    /// Compress with zlib instead of zstd
    #[arg(long)]
    pub(crate) zlib: bool,
    /// Template for output names, with {dir}, {stem}, {name} and {ext} [default: {dir}/{stem}.{ext}]
    #[arg(long, value_name = "TEMPLATE")]
    pub(crate) name: Option<String>,
    /// Write the block bitmap next to each RAW output
    #[arg(long)]
    pub(crate) bitmap: bool,
    /// Read each output back and compare it with its source
    #[arg(long)]
    pub(crate) verify: bool,
    /// Continue past unreadable ranges: fill them with zeros and list them
    #[arg(long)]
    pub(crate) salvage: bool,
    /// Check against the import rules of a cloud: huawei-ims, otc or flexible-engine
    #[arg(long, visible_alias = "for", value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// Whether the images become system disks or data disks
    #[arg(long, value_parser = disk_role(), default_value = "system")]
    pub(crate) disk: DiskRole,
}

/// How a folder is searched.
#[derive(clap::Args)]
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
