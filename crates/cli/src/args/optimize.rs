//! Arguments of `optimize`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::{BitmapLayoutArgs, Cache, FormatArgs, RunArgs};

#[derive(Args)]
#[command(
    after_long_help = "RAW images, and others that store the whole disk: blocks of zeros become holes, and no other\n\
    byte is touched. All other images are rewritten without zero blocks, leaks and fragmentation,\n\
    verified, and replaced atomically. Variant, block size and, in place, the UUID are kept;\n\
    comments and persistent bitmaps of QEMU are not. Do not rewrite an image that is the parent of\n\
    others: children of a VMDK, VDI or VHDX no longer accept it.\n\n\
    A file that another program has open is left alone, and so is one that would not become\n\
    smaller.\n\n\
    Examples:\n  imgprep optimize --dry-run disk.qcow2\n  imgprep optimize --in-place disk.raw\n  \
    imgprep optimize --level 19 disk.zvhd2 small.zvhd2"
)]
#[command(override_usage = "imgprep optimize [OPTIONS] <FILE> <DST|--in-place|--dry-run>")]
#[command(group(ArgGroup::new("where").args(["dst", "in_place", "dry_run"]).required(true)))]
pub(crate) struct OptimizeArgs {
    /// Image to optimize
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// New file to write, in the same format
    #[arg(value_name = "DST")]
    pub(crate) dst: Option<PathBuf>,
    /// Change or replace FILE itself
    #[arg(long)]
    pub(crate) in_place: bool,
    /// Show what would be saved by which means, without writing anything: the disk is read, and compressed if FILE is
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
    /// Options of the format that replace those of FILE; `imgprep formats` lists them
    #[arg(short = 'o', value_name = "K=V,...", value_delimiter = ',')]
    pub(crate) options: Vec<String>,
    /// Compression level: zstd 1 to 22, zlib 1 to 9
    #[arg(long, value_name = "N")]
    pub(crate) level: Option<u32>,
    /// Write the block bitmap of a RAW next to it in the same pass, as NAME.mf
    #[arg(long)]
    pub(crate) bitmap: bool,
    #[command(flatten)]
    pub(crate) layout: BitmapLayoutArgs,
    /// Replace an existing DST or bitmap, and change FILE if the file system does not report whether a program uses it
    #[arg(long)]
    pub(crate) force: bool,
    /// Do not wait until the result is on stable storage: a power failure may destroy it
    #[arg(long)]
    pub(crate) no_sync: bool,
    /// How the output is written; `auto` uses direct I/O for synced outputs with 64 MiB of data or more
    #[arg(long, value_enum, value_name = "MODE", default_value = "auto")]
    pub(crate) cache: Cache,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}
