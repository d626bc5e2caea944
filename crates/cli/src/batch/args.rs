//! What can be typed.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::args::{FollowArgs, OutputFormat, Progress};
use crate::size::Size;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Disk {
    System,
    Data,
}

#[derive(clap::Args)]
#[command(
    after_help = "Exit codes: 0 all images are done; 2 some failed or can't be imported; 1 the batch could \
    not run;\n130 it was interrupted.\n\nCtrl-C once: what is at work stops at a safe place, no other image begins. \
    Twice: stop now.\nAfter either, and after a kill or a power cut, --resume goes on."
)]
pub(crate) struct BatchArgs {
    /// A folder of images, a manifest (.toml), or `-` for a list of paths on standard input
    #[arg(value_name = "DIR|MANIFEST|-", required_unless_present = "init")]
    pub(crate) jobs: Option<PathBuf>,
    /// The output folder
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Write a commented manifest [default: jobs.toml] and stop
    #[arg(long)]
    pub(crate) init: bool,
    /// Tell what would be done; write nothing
    #[arg(long, conflicts_with = "init")]
    pub(crate) plan: bool,
    /// Go on where an earlier run ended: what is done and unchanged is not done again
    #[arg(long)]
    pub(crate) resume: bool,
    /// Begin anew and replace existing outputs
    #[arg(long, conflicts_with = "resume")]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) wish: WishArgs,
    #[command(flatten)]
    pub(crate) search: SearchArgs,
    /// Try so often again after an error of the system; pauses grow
    #[arg(long, value_name = "N", default_value = "2")]
    pub(crate) retries: u32,
    /// The first pause before that, in milliseconds
    #[arg(long, value_name = "MS", default_value = "1000")]
    pub(crate) retry_pause: u64,
    /// Begin no other image after the first failure
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// Do not wait until outputs are on the disk: a power cut may then cost finished ones
    #[arg(long)]
    pub(crate) no_sync: bool,
    /// Worker threads of all images together [default: all cores]
    #[arg(short = 'j', long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Memory for what is in flight, of all images together
    #[arg(long, value_name = "SIZE", default_value = "256M")]
    pub(crate) memory: Size,
    /// How progress is shown
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) progress: Progress,
    /// Show no progress and no summary
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: OutputFormat,
    /// Write a report: FILE.json, FILE.xml (for CI systems) or FILE.html; may be said several times
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Vec<PathBuf>,
}

/// What is wished of every image; a manifest counts more.
#[derive(clap::Args)]
pub(crate) struct WishArgs {
    /// The sources' format, else it is detected
    #[arg(short, long = "from", value_name = "FMT")]
    pub(crate) from: Option<String>,
    #[command(flatten)]
    pub(crate) follow: FollowArgs,
    /// The target's format, zvhd2 or raw
    #[arg(short = 'O', long = "to", value_name = "FMT", default_value = "zvhd2")]
    pub(crate) to: String,
    /// Options of the target's format
    #[arg(short = 'o', value_name = "K=V,...", value_delimiter = ',')]
    pub(crate) options: Vec<String>,
    /// Packing level: zstd 1 to 22 (default 3), with --zlib 1 to 9 (default 6)
    #[arg(long, value_name = "N")]
    pub(crate) level: Option<u32>,
    /// Pack with zlib instead of zstd
    #[arg(long)]
    pub(crate) zlib: bool,
    /// How outputs are named: {dir}, {stem}, {name}, {ext} [default: {dir}/{stem}.{ext}]
    #[arg(long, value_name = "TEMPLATE")]
    pub(crate) name: Option<String>,
    /// Write the block bitmap beside every RAW
    #[arg(long)]
    pub(crate) bitmap: bool,
    /// Read every output back and compare it with what went in
    #[arg(long)]
    pub(crate) verify: bool,
    /// Go on over what can't be read: zeros in its place, every range listed
    #[arg(long)]
    pub(crate) salvage: bool,
    /// The import profile that judges
    #[arg(long = "for", value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// What the images will be
    #[arg(long, value_enum, default_value = "system")]
    pub(crate) disk: Disk,
}

/// How a folder is searched.
#[derive(clap::Args)]
pub(crate) struct SearchArgs {
    /// Search folders in the folder, too
    #[arg(short, long)]
    pub(crate) recursive: bool,
    /// Take files of these names [default: the extensions of images]
    #[arg(long, value_name = "GLOB")]
    pub(crate) include: Vec<String>,
    /// Leave out files of these names
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
}

impl BatchArgs {
    /// Where an object goes when the batch can't run.
    pub(crate) fn json_report(&self) -> Option<&Path> {
        let is_json = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "json");
        self.report.iter().find(is_json).map(PathBuf::as_path)
    }
}
