//! Command-line arguments.

mod compare;
mod digest;
mod groups;
mod measure;
mod optimize;
mod verify;

use std::ops::Deref;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use clap_complete::Shell;
use imgprep::FollowPolicy;

pub(crate) use self::compare::CompareArgs;
pub(crate) use self::digest::DigestArgs;
pub(crate) use self::groups::*;
pub(crate) use self::measure::MeasureArgs;
pub(crate) use self::optimize::OptimizeArgs;
pub(crate) use self::verify::VerifyArgs;

#[derive(Args)]
#[command(after_long_help = "Examples:\n  imgprep info disk.vmdk\n  imgprep info --chain snapshot.qcow2\n  \
    imgprep info --output json *.vhdx")]
#[command(
    mut_arg("follow", |arg| follow_by_default(arg, "none; with --chain: beside")),
    mut_arg("accept_parent", without_effect)
)]
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
    #[command(flatten)]
    pub(crate) output: OutputFormat,
}

#[derive(Args)]
#[command(after_long_help = "Examples:\n  imgprep map disk.qcow2\n  imgprep map --output json disk.vmdk")]
#[command(
    mut_arg("follow", |arg| follow_by_default(arg, FollowPolicy::Beside.name()))
)]
pub(crate) struct MapArgs {
    /// Image to list the extents of
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) follow: FollowArgs,
    #[command(flatten)]
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

#[derive(Args)]
#[command(
    after_long_help = "Exit codes: 0 no problems, 1 could not be checked, 2 violations or corruption,\n\
    3 only leaks, or only warnings with --deny warnings, 130 interrupted. Settings are read from\n\
    imgprep.toml in the working directory or the nearest folder above it.\n\n\
    Examples:\n  imgprep check disk.qcow2\n  imgprep check --profile huawei-ims disk.vmdk\n  \
    imgprep check --deep --output sarif images/\n  imgprep check --explain safety/backing-file"
)]
#[command(
    mut_arg("follow", |arg| follow_by_default(arg, FollowPolicy::None.name())),
    mut_arg("accept_parent", without_effect),
    mut_arg("bitmap_block", |arg| arg.help("Compare the bitmap next to a RAW image with its contents, using this block size")),
    mut_arg("bitmap_order", |arg| arg.help("Bit order of the bitmap next to a RAW image: the least or the most significant bit first"))
)]
pub(crate) struct CheckArgs {
    /// Images or folders of images to check
    #[arg(value_name = "FILE|DIR")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) import: ImportArgs,
    /// Also check the import rules of a custom profile file
    #[arg(long, value_name = "FILE", conflicts_with = "profile")]
    pub(crate) profile_file: Option<PathBuf>,
    /// Check this import route only [default: the best route]
    #[arg(long, value_name = "ROUTE")]
    pub(crate) route: Option<String>,
    #[command(flatten)]
    pub(crate) bitmap: BitmapLayoutArgs,
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
    #[command(flatten)]
    pub(crate) format: FormatArgs,
    #[command(flatten)]
    pub(crate) follow: FollowArgs,
    #[command(flatten)]
    pub(crate) resources: ResourceArgs,
    /// Format of the output on standard output
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: CheckOutput,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReceiptDigest {
    /// On all threads, mostly in the passes of the conversion
    Blake3,
    /// On one thread, and the source is read once more
    Sha256,
    /// No digests, only the CRC-32
    None,
}

#[derive(Args)]
#[command(after_long_help = "The output appears under its name only when it is complete.\n\
    Use `-` as DST for standard output, and `-` as SRC with --from raw --size N for standard input.\n\
    For reproducible output, set SOURCE_DATE_EPOCH and --uuid.\n\n\
    Examples:\n  imgprep convert disk.vmdk disk.zvhd2\n  imgprep convert --verify disk.qcow2 disk.raw\n  \
    imgprep convert --dry-run disk.vhdx disk.zvhd2\n  imgprep convert disk.qcow2 - -O raw | sha256sum")]
#[command(
    mut_arg("follow", |arg| follow_by_default(arg, FollowPolicy::Beside.name())),
    mut_arg("bitmap", |arg| arg.help("Write the block bitmap next to a RAW output, as NAME.mf (implied by --bitmap-command)"))
)]
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
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) shape: BitmapShapeArgs,
    /// Show what would be done, and whether the output fits its file system and the import limits, without writing anything
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The cloud whose import limits --dry-run shows: huawei-ims, otc or flexible-engine [default: huawei-ims]
    #[arg(long, visible_alias = "for", value_name = "PROFILE", requires = "dry_run")]
    pub(crate) profile: Option<String>,
    /// Replace an existing output, or write to a block device
    #[arg(long)]
    pub(crate) force: bool,
    /// Write a JSON receipt with source, output, the CRC-32 of the disk and digests to FILE; `imgprep verify` reads it
    #[arg(long, value_name = "FILE")]
    pub(crate) receipt: Option<PathBuf>,
    /// Algorithm of the digests in the receipt [default: blake3]
    #[arg(long, value_name = "ALGORITHM", value_enum, requires = "receipt")]
    pub(crate) digest: Option<ReceiptDigest>,
    /// UUID of the output [default: random]
    #[arg(long, value_name = "UUID")]
    pub(crate) uuid: Option<String>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// The arguments of the group are read like the command's own.
impl Deref for ConvertArgs {
    type Target = TargetArgs;

    fn deref(&self) -> &TargetArgs {
        &self.target
    }
}

impl ConvertArgs {
    /// `-o help`: the options of the format are printed, and nothing is converted.
    pub(crate) fn asks_for_options(&self) -> bool {
        self.target.options == ["help"]
    }

    /// The profile whose import limits a dry run shows.
    pub(crate) fn profile(&self) -> &str {
        self.profile.as_deref().unwrap_or(DEFAULT_PROFILE)
    }

    /// Whether the image goes to standard output.
    pub(crate) fn is_piped(&self) -> bool {
        self.dst == Path::new("-") && !self.dry_run
    }
}

#[derive(Args)]
#[command(
    after_long_help = "The bitmap has the layout that ZVHD2 files use internally: one bit per block, set if the block\n\
    contains a non-zero byte, padded to 4096 bytes. The file format of the vendor's own tool\n\
    (CreateMF.jar) is not documented: for a fast import of a RAW use that tool (--bitmap-command),\n\
    or import a ZVHD2, which needs no bitmap.\n\n\
    Examples:\n  imgprep bitmap disk.raw\n  imgprep bitmap --bitmap-block 4M disk.raw other.mf"
)]
#[command(
    mut_arg("follow", |arg| follow_by_default(arg, FollowPolicy::Beside.name()))
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

#[derive(Args)]
#[command(after_long_help = "Examples:\n  imgprep formats\n  imgprep formats --output json")]
pub(crate) struct FormatsArgs {
    #[command(flatten)]
    pub(crate) output: OutputFormat,
}

#[derive(Args)]
#[command(after_long_help = "Examples:\n  imgprep completions bash > /etc/bash_completion.d/imgprep\n  \
    imgprep completions zsh > ~/.zfunc/_imgprep\n  \
    imgprep completions fish > ~/.config/fish/completions/imgprep.fish")]
pub(crate) struct CompletionsArgs {
    /// Shell to generate the script for
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

#[derive(Args)]
#[command(after_long_help = "Examples:\n  imgprep man | man -l -\n  imgprep man /usr/local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Folder to write all pages to (imgprep.1, imgprep-convert.1 ...) [default: print imgprep.1]
    #[arg(value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Replace existing pages
    #[arg(long, requires = "dir")]
    pub(crate) force: bool,
}
