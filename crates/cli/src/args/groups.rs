//! Arguments that several commands have: each option is declared once.
//!
//! A command adapts help and defaults of a group with `mut_arg`, where its own differ.

use std::num::NonZeroUsize;
use std::ops::Deref;
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, ValueEnum, value_parser};
use imgprep::FollowPolicy;
use imgprep::policy::DiskRole;

use crate::size::Size;

/// The profile of commands that always show import limits.
pub(crate) const DEFAULT_PROFILE: &str = "huawei-ims";

/// A number of worker threads.
fn threads(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "expected a whole number from 1".into())
}

/// A parser of `--follow`.
fn follow_policy() -> impl TypedValueParser<Value = FollowPolicy> {
    let help = |policy| match policy {
        FollowPolicy::None => "Open no file that an image names",
        FollowPolicy::Beside => "Open files in the image's own folder",
        FollowPolicy::Any => "Open any file, and follow links that lead out of a searched folder",
    };
    let value = move |policy: FollowPolicy| PossibleValue::new(policy.name()).help(help(policy));
    choice(FollowPolicy::ALL, FollowPolicy::name, value)
}

/// A parser of `--disk`.
fn disk_role() -> impl TypedValueParser<Value = DiskRole> {
    choice(DiskRole::ALL, DiskRole::name, |role| PossibleValue::new(role.name()))
}

/// A parser of one of the values of an enum of the library.
fn choice<T: Copy + Default + Send + Sync + 'static, const N: usize>(
    all: [T; N],
    name: fn(T) -> &'static str,
    value: impl Fn(T) -> PossibleValue,
) -> impl TypedValueParser<Value = T> {
    // OK: the parser lets only these names pass.
    let of_name = move |text: String| all.into_iter().find(|it| name(*it) == text).unwrap_or_default();
    PossibleValuesParser::new(all.map(value)).map(of_name)
}

/// `--from`.
#[derive(Args)]
pub(crate) struct FormatArgs {
    /// Format of the source [default: detect]
    #[arg(short, long = "from", value_name = "FMT")]
    pub(crate) from: Option<String>,
}

/// The disk of one image, and how it is read.
#[derive(Args)]
pub(crate) struct SourceArgs {
    #[command(flatten)]
    pub(crate) format: FormatArgs,
    /// Read this internal snapshot, given by id or name
    #[arg(short = 'l', long, value_name = "NAME")]
    pub(crate) snapshot: Option<String>,
    /// Size of a ZVHD or ZVHD2 to use: its original or its current size; or the size of a RAW on standard input
    #[arg(long, value_name = "original|current|N", default_value = "current")]
    pub(crate) size: Size,
    /// Parent (backing) image, overriding the name stored in the image; repeat for each further level
    #[arg(long, value_name = "FILE")]
    pub(crate) parent: Vec<PathBuf>,
}

/// Which associated files are opened. Each command has its own default and states it with [`follow_by_default`].
#[derive(Args)]
pub(crate) struct FollowArgs {
    /// Which of the files named inside an image to open
    #[arg(long, value_parser = follow_policy())]
    pub(crate) follow: Option<FollowPolicy>,
    /// Accept a parent whose id or timestamp does not match
    #[arg(long)]
    pub(crate) accept_parent: bool,
}

/// `--follow` with the default of a command in its help.
pub(crate) fn follow_by_default(arg: Arg, default: &str) -> Arg {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    arg.help(format!("{help} [default: {default}]"))
}

/// `--accept-parent` of a command that reports a mismatched parent and continues.
pub(crate) fn without_effect(arg: Arg) -> Arg {
    arg.help(
        "Accepted for consistency with convert: a parent that does not match is reported, never rejected",
    )
}

/// Whether the result can be imported.
#[derive(Args)]
pub(crate) struct ImportArgs {
    /// Also check the import rules of a cloud: huawei-ims, otc or flexible-engine
    #[arg(long, visible_alias = "for", value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// Whether the image becomes a system disk or a data disk [default: system]
    #[arg(long, value_parser = disk_role())]
    pub(crate) disk: Option<DiskRole>,
}

/// The writable formats: `zvhd2, qcow2 or raw`.
pub(crate) fn writable_formats() -> String {
    let names: Vec<_> = imgprep::TARGETS.iter().map(|format| format.name).collect();
    imgprep::listed(&names, "or")
}

/// The output of a conversion.
#[derive(Args)]
pub(crate) struct TargetArgs {
    // The list of formats is the library's.
    #[arg(short = 'O', long = "to", value_name = "FMT",
        help = format!("Format of the output: {} [default: from the extension of DST]", writable_formats()))]
    pub(crate) to: Option<String>,
    /// Options of the output format; `-o help` and `imgprep formats` list them with their values and defaults
    #[arg(short = 'o', value_name = "K=V,...", value_delimiter = ',')]
    pub(crate) options: Vec<String>,
    /// Compression level: zstd 1 to 22 (default 3), zlib 1 to 9 (default 6); enables compression of a QCOW2
    #[arg(long, value_name = "N")]
    pub(crate) level: Option<u32>,
    /// Compress with zlib instead of zstd; enables compression of a QCOW2
    #[arg(long)]
    pub(crate) zlib: bool,
    /// Write the block bitmap next to a RAW output, as NAME.mf
    #[arg(long)]
    pub(crate) bitmap: bool,
    /// Read the output back and compare it with the source
    #[arg(long)]
    pub(crate) verify: bool,
    /// Continue past unreadable ranges: fill them with zeros and list them
    #[arg(long)]
    pub(crate) salvage: bool,
    /// Do not wait until the output is on stable storage: a power failure may destroy it
    #[arg(long)]
    pub(crate) no_sync: bool,
    /// How the output is written; `auto` uses direct I/O for synced outputs with 64 MiB of data or more
    #[arg(long, value_enum, value_name = "MODE", default_value = "auto")]
    pub(crate) cache: Cache,
}

/// How an output is written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Cache {
    /// Direct I/O where it is faster
    Auto,
    /// Direct I/O wherever the file system supports it: the output does not stay in the page cache
    Direct,
    /// Through the page cache
    Buffered,
}

impl From<Cache> for imgprep::CacheMode {
    fn from(cache: Cache) -> Self {
        match cache {
            Cache::Auto => Self::Auto,
            Cache::Direct => Self::Direct,
            Cache::Buffered => Self::Buffered,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    Lsb,
    Msb,
}

/// Block size and bit order of a bitmap.
#[derive(Args)]
pub(crate) struct BitmapLayoutArgs {
    /// Bytes of the disk per bit of the bitmap: a power of two from 512 to 64M
    #[arg(long, value_name = "SIZE")]
    pub(crate) bitmap_block: Option<Size>,
    /// Bit order of the bitmap: the least or the most significant bit first
    #[arg(long, value_enum)]
    pub(crate) bitmap_order: Option<Order>,
}

/// Shape of a bitmap.
#[derive(Args)]
#[command(
    mut_arg("bitmap_block", |arg| arg.default_value("2M")),
    mut_arg("bitmap_order", |arg| arg.default_value("lsb"))
)]
pub(crate) struct BitmapShapeArgs {
    #[command(flatten)]
    pub(crate) layout: BitmapLayoutArgs,
    /// Create the bitmap with an external tool, for example 'java -jar CreateMF.jar {raw} {mf}'
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["bitmap_block", "bitmap_order"])]
    pub(crate) bitmap_command: Option<String>,
}

/// Threads and memory of a run.
#[derive(Args)]
pub(crate) struct ResourceArgs {
    /// Worker threads [default: all cores]
    #[arg(short = 'j', long, value_name = "N", value_parser = threads)]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Memory limit for buffers
    #[arg(long, value_name = "SIZE", default_value = "256M")]
    pub(crate) memory: Size,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressMode {
    /// A bar on a terminal, otherwise one line every 10 seconds
    Auto,
    /// One JSON object per line
    Jsonl,
    /// No progress
    None,
}

/// `--output` of the commands whose result is text or JSON.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    #[value(alias = "human")]
    Text,
    Json,
}

impl Args for OutputFormat {
    fn augment_args(command: Command) -> Command {
        let output = Arg::new("output").long("output").value_name("OUTPUT");
        let output = output.value_parser(value_parser!(Self)).default_value("text");
        command.arg(output.help("Format of the output on standard output"))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for OutputFormat {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(matches.get_one("output").copied().unwrap_or(Self::Text))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Progress and result of a run.
#[derive(Args)]
pub(crate) struct ProgressArgs {
    /// How to show progress on standard error
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) progress: ProgressMode,
    /// Show no progress, warnings or result
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) output: OutputFormat,
}

/// Resources and reporting of a command that reads one disk.
#[derive(Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) resources: ResourceArgs,
    #[command(flatten)]
    pub(crate) progress: ProgressArgs,
    /// Accepted for compatibility with qemu-img: progress is shown unless -q is given
    #[arg(short)]
    pub(crate) p: bool,
    /// Also write the result as JSON to FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

/// The arguments of the group are read like the command's own.
impl Deref for RunArgs {
    type Target = ProgressArgs;

    fn deref(&self) -> &ProgressArgs {
        &self.progress
    }
}
