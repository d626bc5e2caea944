//! Command-line arguments.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap_complete::Shell;
use imgprep::FollowPolicy;
use imgprep::policy::DiskRole;

use crate::size::Size;

/// A number of worker threads.
pub(crate) fn threads(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "expected a whole number from 1".into())
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    #[value(alias = "human")]
    Text,
    Json,
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
pub(crate) fn disk_role() -> impl TypedValueParser<Value = DiskRole> {
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

#[derive(clap::Args)]
pub(crate) struct SourceArgs {
    /// Format of the source [default: detect]
    #[arg(short, long = "from", value_name = "FMT")]
    pub(crate) from: Option<String>,
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

/// Which associated files are opened.
#[derive(clap::Args)]
pub(crate) struct FollowArgs {
    /// Which of the files named inside an image to open [default: beside; check, and info without --chain: none]
    #[arg(long, value_parser = follow_policy())]
    pub(crate) follow: Option<FollowPolicy>,
    /// Accept a parent whose id or timestamp does not match
    #[arg(long)]
    pub(crate) accept_parent: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  imgprep info disk.vmdk\n  imgprep info --chain snapshot.qcow2\n  \
    imgprep info --output json *.vhdx")]
pub(crate) struct InfoArgs {
    /// Images to inspect
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Also show the images of the backing chain
    #[arg(long)]
    pub(crate) chain: bool,
    #[command(flatten)]
    pub(crate) follow: FollowArgs,
    /// Format of the output on standard output
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: OutputFormat,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  imgprep map disk.qcow2\n  imgprep map --output json disk.vmdk")]
pub(crate) struct MapArgs {
    /// Image to list the extents of
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) follow: FollowArgs,
    /// Format of the output on standard output
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: OutputFormat,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckOutput {
    #[value(alias = "human")]
    Text,
    Json,
    /// Test results as XML, for Jenkins and other CI systems
    Junit,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Annotations of GitHub workflows
    Github,
}

#[derive(clap::Args)]
#[command(after_help = "Exit codes: 0 no problems, 1 could not be checked, 2 violations or corruption,\n\
    3 only leaks, or only warnings with --deny warnings, 130 interrupted. Settings are read from\n\
    imgprep.toml in the working directory or the nearest folder above it.\n\n\
    Examples:\n  imgprep check disk.qcow2\n  imgprep check --profile huawei-ims disk.vmdk\n  \
    imgprep check --deep --output sarif images/\n  imgprep check --explain safety/backing-file")]
pub(crate) struct CheckArgs {
    /// Images or folders of images to check
    #[arg(value_name = "FILE|DIR")]
    pub(crate) files: Vec<PathBuf>,
    /// Also check the import rules of a cloud: huawei-ims, otc or flexible-engine
    #[arg(long, visible_alias = "for", value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// Also check the import rules of a custom profile file
    #[arg(long, value_name = "FILE", conflicts_with = "profile")]
    pub(crate) profile_file: Option<PathBuf>,
    /// Whether the image becomes a system disk or a data disk [default: system]
    #[arg(long, value_parser = disk_role())]
    pub(crate) disk: Option<DiskRole>,
    /// Check this import route only [default: the best route]
    #[arg(long, value_name = "ROUTE")]
    pub(crate) route: Option<String>,
    /// Compare the bitmap next to a RAW image with its contents, using this block size
    #[arg(long, value_name = "SIZE")]
    pub(crate) bitmap_block: Option<Size>,
    /// Bit order of the bitmap next to a RAW image: the least or the most significant bit first
    #[arg(long, value_enum)]
    pub(crate) bitmap_order: Option<Order>,
    /// Also decompress every compressed range
    #[arg(long)]
    pub(crate) deep: bool,
    /// Treat a rule, a group (`safety/*`) or all `warnings` as errors
    #[arg(long, value_name = "RULE")]
    pub(crate) deny: Vec<String>,
    /// Treat a rule or a group as a warning
    #[arg(long, value_name = "RULE")]
    pub(crate) warn: Vec<String>,
    /// Ignore a rule or a group
    #[arg(long, value_name = "RULE")]
    pub(crate) allow: Vec<String>,
    /// List all rules
    #[arg(long)]
    pub(crate) rules: bool,
    /// Explain a rule: requirement, reason, source and remedies
    #[arg(long, value_name = "RULE")]
    pub(crate) explain: Option<String>,
    /// Write an imgprep.toml with all settings into the working directory
    #[arg(long)]
    pub(crate) config_init: bool,
    /// Format of the files [default: detect]
    #[arg(short, long = "from", value_name = "FMT")]
    pub(crate) from: Option<String>,
    #[command(flatten)]
    pub(crate) follow: FollowArgs,
    /// Worker threads [default: all cores]
    #[arg(short = 'j', long, value_name = "N", value_parser = threads)]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Memory limit for buffers
    #[arg(long, value_name = "SIZE", default_value = "256M")]
    pub(crate) memory: Size,
    /// Format of the output on standard output
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: CheckOutput,
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

/// Resources and reporting of a run.
#[derive(clap::Args)]
pub(crate) struct RunArgs {
    /// Worker threads [default: all cores]
    #[arg(short = 'j', long, value_name = "N", value_parser = threads)]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Memory limit for buffers
    #[arg(long, value_name = "SIZE", default_value = "256M")]
    pub(crate) memory: Size,
    /// How to show progress on standard error
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) progress: ProgressMode,
    /// Accepted for compatibility with qemu-img: progress is shown unless -q is given
    #[arg(short)]
    pub(crate) p: bool,
    /// Show no progress, warnings or result
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Format of the output on standard output
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: OutputFormat,
    /// Also write the result as JSON to FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

/// Shape of a bitmap.
#[derive(clap::Args)]
pub(crate) struct BitmapShapeArgs {
    /// Bytes of the disk per bit of the bitmap: a power of two from 512 to 64M
    #[arg(long, value_name = "SIZE", default_value = "2M")]
    pub(crate) bitmap_block: Size,
    /// Bit order of the bitmap: the least or the most significant bit first
    #[arg(long, value_enum, default_value = "lsb")]
    pub(crate) bitmap_order: Order,
    /// Create the bitmap with an external tool, for example 'java -jar CreateMF.jar {raw} {mf}'
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["bitmap_block", "bitmap_order"])]
    pub(crate) bitmap_command: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    Lsb,
    Msb,
}

#[derive(clap::Args)]
#[command(after_help = "The output appears under its name only when it is complete.\n\
    Use `-` as DST for standard output, and `-` as SRC with --from raw --size N for standard input.\n\
    For reproducible output, set SOURCE_DATE_EPOCH and --uuid.\n\n\
    Examples:\n  imgprep convert disk.vmdk disk.zvhd2\n  imgprep convert --verify disk.qcow2 disk.raw\n  \
    imgprep convert --dry-run disk.vhdx disk.zvhd2\n  imgprep convert disk.qcow2 - -O raw | sha256sum")]
pub(crate) struct ConvertArgs {
    /// Image to read, or `-` for standard input
    #[arg(value_name = "SRC")]
    pub(crate) src: PathBuf,
    /// File or block device to write, or `-` for standard output
    #[arg(value_name = "DST")]
    pub(crate) dst: PathBuf,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) follow: FollowArgs,
    /// Format of the output: raw, zvhd2 or qcow2 [default: from the extension of DST]
    #[arg(short = 'O', long = "to", value_name = "FMT")]
    pub(crate) to: Option<String>,
    /// Options of the output format; zvhd2 has `level=N`, `compression_type=zstd|zlib` and `checksum=on|off`
    /// (a checksum per zstd block, on by default); qcow2 has `cluster_size=SIZE` (64K), `compress=on|off`,
    /// `compression_type=zlib|zstd` and `level=N`
    #[arg(short = 'o', value_name = "K=V,...", value_delimiter = ',')]
    pub(crate) options: Vec<String>,
    /// Compression level: zstd 1 to 22 (default 3), zlib 1 to 9 (default 6); compresses a QCOW2
    #[arg(long, value_name = "N")]
    pub(crate) level: Option<u32>,
    /// Compress with zlib instead of zstd
    #[arg(long)]
    pub(crate) zlib: bool,
    /// Write the block bitmap next to a RAW output, as NAME.mf (implied by --bitmap-command)
    #[arg(long)]
    pub(crate) bitmap: bool,
    #[command(flatten)]
    pub(crate) shape: BitmapShapeArgs,
    /// Read the output back and compare it with the source
    #[arg(long)]
    pub(crate) verify: bool,
    /// Show what would be done, without writing anything
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Continue past unreadable ranges: fill them with zeros and list them
    #[arg(long)]
    pub(crate) salvage: bool,
    /// Replace an existing output, or write to a block device
    #[arg(long)]
    pub(crate) force: bool,
    /// Do not wait until the output is on stable storage
    #[arg(long)]
    pub(crate) no_sync: bool,
    /// Write a JSON receipt with source, output and the CRC-32 of the disk to FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) receipt: Option<PathBuf>,
    /// UUID of the output [default: random]
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
#[command(
    after_help = "The bitmap has the layout that ZVHD2 files use internally: one bit per block, set if the block\n\
    contains a non-zero byte, padded to 4096 bytes. The file format of the vendor's own tool\n\
    (CreateMF.jar) is not documented: for a fast import of a RAW use that tool (--bitmap-command),\n\
    or import a ZVHD2, which needs no bitmap.\n\n\
    Examples:\n  imgprep bitmap disk.raw\n  imgprep bitmap --bitmap-block 4M disk.raw other.mf"
)]
pub(crate) struct BitmapArgs {
    /// Image to read, usually a RAW
    #[arg(value_name = "RAW")]
    pub(crate) src: PathBuf,
    /// Bitmap file to write [default: RAW with the extension .mf]
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

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  imgprep completions bash > /etc/bash_completion.d/imgprep\n  \
    imgprep completions zsh > ~/.zfunc/_imgprep\n  \
    imgprep completions fish > ~/.config/fish/completions/imgprep.fish")]
pub(crate) struct CompletionsArgs {
    /// Shell to generate the script for
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  imgprep man | man -l -\n  imgprep man /usr/local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Folder to write all pages to (imgprep.1, imgprep-convert.1 ...) [default: print imgprep.1]
    #[arg(value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Replace existing pages
    #[arg(long, requires = "dir")]
    pub(crate) force: bool,
}
