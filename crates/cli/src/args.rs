//! What can be typed.

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand, ValueEnum};

use crate::size::Size;

/// Inspects and converts virtual-disk images for a cloud.
#[derive(Parser)]
#[command(name = "imgprep", version, max_term_width = 100, propagate_version = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Tell format, sizes, allocation, chain and oddities of images
    Info(InfoArgs),
    /// List the extents of a disk: data, zeros, compressed, holes
    Map(MapArgs),
    /// Judge images: structure, safety, and the import rules of a cloud
    Check(CheckArgs),
    /// Convert a disk to ZVHD2 or RAW
    Convert(ConvertArgs),
    /// Write the block bitmap (.mf) of a disk
    Bitmap(BitmapArgs),
    /// Convert many images with a budget, a journal and a report
    Batch(Box<crate::batch::BatchArgs>),
    /// Print what completes command lines in a shell
    Completions(crate::packaging::CompletionsArgs),
    /// Print the manual, or write its pages
    Man(crate::packaging::ManArgs),
}

impl Command {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Info(_) => "info",
            Self::Map(_) => "map",
            Self::Check(_) => "check",
            Self::Convert(_) => "convert",
            Self::Bitmap(_) => "bitmap",
            Self::Batch(_) => "batch",
            Self::Completions(_) => "completions",
            Self::Man(_) => "man",
        }
    }

    pub(crate) fn output(&self) -> OutputFormat {
        match self {
            Self::Info(args) => args.output,
            Self::Map(args) => args.output,
            Self::Check(args) if args.output == CheckOutput::Json => OutputFormat::Json,
            Self::Check(_) | Self::Completions(_) | Self::Man(_) => OutputFormat::Text,
            Self::Convert(args) => args.run.output,
            Self::Bitmap(args) => args.run.output,
            Self::Batch(args) => args.output,
        }
    }

    /// Whether standard output is for a program: then all of it must arrive.
    pub(crate) fn prints_data(&self) -> bool {
        match self {
            Self::Check(args) => args.output != CheckOutput::Text,
            Self::Convert(args) if args.is_piped() => true,
            _ => self.output() == OutputFormat::Json,
        }
    }

    /// Whether an image goes to standard output, and nothing else may.
    pub(crate) fn is_piped(&self) -> bool {
        matches!(self, Self::Convert(args) if args.is_piped())
    }

    /// Where the result goes as JSON, too.
    pub(crate) fn report(&self) -> Option<&Path> {
        match self {
            Self::Info(_) | Self::Map(_) | Self::Check(_) | Self::Completions(_) | Self::Man(_) => None,
            Self::Convert(args) => args.run.report.as_deref(),
            Self::Bitmap(args) => args.run.report.as_deref(),
            Self::Batch(args) => args.json_report(),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    #[value(alias = "human")]
    Text,
    Json,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Follow {
    /// Open no file that an image names
    None,
    /// Open files in the image's own folder
    Beside,
    /// Open any file
    Any,
}

#[derive(clap::Args)]
pub(crate) struct SourceArgs {
    /// The source's format, else it is detected
    #[arg(short, long = "from", value_name = "FMT")]
    pub(crate) from: Option<String>,
    /// An internal snapshot, by id or name
    #[arg(short = 'l', long, value_name = "NAME")]
    pub(crate) snapshot: Option<String>,
    /// Which size of a ZVHD or ZVHD2 counts; the size of a RAW on standard input
    #[arg(long, value_name = "original|current|N", default_value = "current")]
    pub(crate) size: Size,
    /// The image that this one was made over, whatever it is called; said again, the one below that
    #[arg(long, value_name = "FILE")]
    pub(crate) parent: Vec<PathBuf>,
}

/// The gate.
#[derive(clap::Args)]
pub(crate) struct FollowArgs {
    /// Which files that an image names are opened [default: beside; info without --chain: none]
    #[arg(long, value_enum)]
    pub(crate) follow: Option<Follow>,
    /// Take a parent that is not the one that the image was made over
    #[arg(long)]
    pub(crate) accept_parent: bool,
}

#[derive(clap::Args)]
pub(crate) struct InfoArgs {
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Describe the layers below, too
    #[arg(long)]
    pub(crate) chain: bool,
    #[command(flatten)]
    pub(crate) follow: FollowArgs,
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: OutputFormat,
}

#[derive(clap::Args)]
pub(crate) struct MapArgs {
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) follow: FollowArgs,
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: OutputFormat,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckOutput {
    #[value(alias = "human")]
    Text,
    Json,
    /// For Jenkins and its like
    Junit,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Annotations of GitHub's workflows
    Github,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiskUse {
    System,
    Data,
}

#[derive(clap::Args)]
#[command(after_help = "Exit codes: 0 fine, 1 could not be done, 2 violations or corruption,\n\
    3 only leaks, or only warnings with --deny warnings. Settings are read from imgprep.toml,\n\
    found from the working directory upwards.")]
pub(crate) struct CheckArgs {
    /// Images, and folders with images
    #[arg(value_name = "FILE|DIR")]
    pub(crate) files: Vec<PathBuf>,
    /// The import rules of a cloud
    #[arg(long = "for", value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// Import rules from a file
    #[arg(long, value_name = "FILE", conflicts_with = "profile")]
    pub(crate) profile_file: Option<PathBuf>,
    /// What the image will be [default: system]
    #[arg(long, value_enum)]
    pub(crate) disk: Option<DiskUse>,
    /// The way in that counts [default: the best one]
    #[arg(long, value_name = "ROUTE")]
    pub(crate) route: Option<String>,
    /// Hold the bitmap beside a RAW against the disk, in blocks of this size
    #[arg(long, value_name = "SIZE")]
    pub(crate) bitmap_block: Option<Size>,
    /// The same, with this bit of a byte first
    #[arg(long, value_enum)]
    pub(crate) bitmap_order: Option<Order>,
    /// Unpack every packed range, too
    #[arg(long)]
    pub(crate) deep: bool,
    /// Make a rule, a group (`safety/*`) or all `warnings` fail the check
    #[arg(long, value_name = "RULE")]
    pub(crate) deny: Vec<String>,
    /// Make a rule a warning
    #[arg(long, value_name = "RULE")]
    pub(crate) warn: Vec<String>,
    /// Do not tell of a rule
    #[arg(long, value_name = "RULE")]
    pub(crate) allow: Vec<String>,
    /// List all rules
    #[arg(long)]
    pub(crate) rules: bool,
    /// Tell what a rule wants, why, who says so, and what to do
    #[arg(long, value_name = "RULE")]
    pub(crate) explain: Option<String>,
    /// Write an imgprep.toml into the working directory
    #[arg(long)]
    pub(crate) config_init: bool,
    /// The files' format, else it is detected
    #[arg(short, long = "from", value_name = "FMT")]
    pub(crate) from: Option<String>,
    #[command(flatten)]
    pub(crate) follow: FollowArgs,
    /// Worker threads [default: all cores]
    #[arg(short = 'j', long, value_name = "N")]
    pub(crate) threads: Option<std::num::NonZeroUsize>,
    /// Memory for what is in flight
    #[arg(long, value_name = "SIZE", default_value = "256M")]
    pub(crate) memory: Size,
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: CheckOutput,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    /// A bar on a terminal, else a line every 10 seconds
    Auto,
    /// One JSON object a line, on standard error
    Jsonl,
    None,
}

/// How a run is done and reported.
#[derive(clap::Args)]
pub(crate) struct RunArgs {
    /// Worker threads [default: all cores]
    #[arg(short = 'j', long, value_name = "N")]
    pub(crate) threads: Option<std::num::NonZeroUsize>,
    /// Memory for what is in flight
    #[arg(long, value_name = "SIZE", default_value = "256M")]
    pub(crate) memory: Size,
    /// How progress is shown
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) progress: Progress,
    /// Show progress (the default on a terminal)
    #[arg(short)]
    pub(crate) p: bool,
    /// Show no progress
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: OutputFormat,
    /// Write the result as JSON into FILE, too
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

/// How a bitmap is made.
#[derive(clap::Args)]
pub(crate) struct BitmapShapeArgs {
    /// Bytes of the disk that one bit stands for: a power of two, 512 to 64M
    #[arg(long, value_name = "SIZE", default_value = "2M")]
    pub(crate) bitmap_block: Size,
    /// Which bit of a byte comes first
    #[arg(long, value_enum, default_value = "lsb")]
    pub(crate) bitmap_order: Order,
    /// Let this tool make the bitmap, as in 'java -jar CreateMF.jar {raw} {mf}'
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["bitmap_block", "bitmap_order"])]
    pub(crate) bitmap_command: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    Lsb,
    Msb,
}

#[derive(clap::Args)]
#[command(after_help = "The output appears under its name only when it is whole.\n\
    Standard output: `-` as DST. Standard input: `-` as SRC with --from raw --size N.\n\
    Reproducible output: set SOURCE_DATE_EPOCH and --uuid.")]
pub(crate) struct ConvertArgs {
    #[arg(value_name = "SRC")]
    pub(crate) src: PathBuf,
    #[arg(value_name = "DST")]
    pub(crate) dst: PathBuf,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) follow: FollowArgs,
    /// The target's format, raw or zvhd2, else by DST's extension
    #[arg(short = 'O', long = "to", value_name = "FMT")]
    pub(crate) to: Option<String>,
    /// Options of the target's format: `level=N`, `compression_type=zstd|zlib` for zvhd2
    #[arg(short = 'o', value_name = "K=V,...", value_delimiter = ',')]
    pub(crate) options: Vec<String>,
    /// Packing level: zstd 1 to 22 (default 3), with --zlib 1 to 9 (default 6)
    #[arg(long, value_name = "N")]
    pub(crate) level: Option<u32>,
    /// Pack with zlib instead of zstd
    #[arg(long)]
    pub(crate) zlib: bool,
    /// Write the block bitmap beside a RAW, as NAME.mf (implied by --bitmap-command)
    #[arg(long)]
    pub(crate) bitmap: bool,
    #[command(flatten)]
    pub(crate) shape: BitmapShapeArgs,
    /// Read the finished output back and compare it with what went in
    #[arg(long)]
    pub(crate) verify: bool,
    /// Tell what would be done, write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Go on over what can't be read: zeros in its place, every range listed
    #[arg(long)]
    pub(crate) salvage: bool,
    /// Replace an existing output; write to a block device
    #[arg(long)]
    pub(crate) force: bool,
    /// Do not wait until the output is on the disk
    #[arg(long)]
    pub(crate) no_sync: bool,
    /// Write what was made of what, with the disk's CRC-32, as JSON into FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) receipt: Option<PathBuf>,
    /// The output's uuid [default: random]
    #[arg(long, value_name = "UUID")]
    pub(crate) uuid: Option<String>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

impl ConvertArgs {
    /// Whether the image goes to standard output.
    pub(crate) fn is_piped(&self) -> bool {
        self.dst == Path::new("-") && !self.dry_run
    }
}

#[derive(clap::Args)]
#[command(after_help = "This writes the layout that is known from inside ZVHD2 files: one bit per block,\n\
    set where it holds a byte that is not zero, padded to 4096 bytes. What the vendor's own tool\n\
    (CreateMF.jar) writes is documented nowhere: for a fast import as RAW use that tool, or import\n\
    a ZVHD2, which needs no bitmap.")]
pub(crate) struct BitmapArgs {
    #[arg(value_name = "RAW")]
    pub(crate) src: PathBuf,
    /// [default: RAW with the extension .mf]
    #[arg(value_name = "OUT.mf")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) follow: FollowArgs,
    #[command(flatten)]
    pub(crate) shape: BitmapShapeArgs,
    /// Replace an existing bitmap
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}
