//! Arguments of `compare`.

use std::path::PathBuf;

use clap::Args;
use imgprep::FollowPolicy;

use super::{FollowArgs, FormatArgs, RunArgs, SourceArgs, follow_by_default};
use crate::size::Size;

#[derive(Args)]
#[command(
    after_long_help = "Disks that differ only in zeros at the end of the longer one are the same, unless --strict is\n\
    given.\n\n\
    Exit codes: 0 same, 1 different, 2 could not be compared, 130 interrupted.\n\n\
    Examples:\n  imgprep compare disk.vmdk disk.zvhd2\n  imgprep compare --strict disk.qcow2 disk.raw\n  \
    imgprep compare -f raw -F qcow2 a.img b.img\n  imgprep compare --granularity 64K --output json a.vhdx b.vhdx"
)]
#[command(
    mut_arg("follow", |arg| follow_by_default(arg, FollowPolicy::Beside.name())),
    mut_arg("from", |arg| arg.help("Format of A [default: detect]")),
    mut_arg("snapshot", |arg| arg.help("Read this internal snapshot of A, given by id or name")),
    mut_arg("size", |arg| arg.default_value("original").help(
        "Size of a ZVHD or ZVHD2 to use for A: its original or its current size; or the size of a RAW on standard input"
    )),
    mut_arg("parent", |arg| arg.help("Parent (backing) image of A, overriding the name stored in it; repeat for each further level"))
)]
pub(crate) struct CompareArgs {
    /// First image, or `-` for standard input
    #[arg(value_name = "A")]
    pub(crate) a: PathBuf,
    /// Second image, or `-` for standard input
    #[arg(value_name = "B")]
    pub(crate) b: PathBuf,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) other: OtherSourceArgs,
    #[command(flatten)]
    pub(crate) follow: FollowArgs,
    /// Report disks of different sizes as different, even if the longer one ends with zeros only
    #[arg(short, long)]
    pub(crate) strict: bool,
    /// Size of the compared blocks, a power of two from 1 to 2M: differing ranges are whole blocks
    #[arg(long, value_name = "SIZE", default_value = "4K")]
    pub(crate) granularity: Size,
    /// List at most N differing ranges and count the others
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: usize,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// The disk of the second image, and how it is read.
#[derive(Args)]
pub(crate) struct OtherSourceArgs {
    /// Format of B [default: detect]
    #[arg(short = 'F', long, value_name = "FMT")]
    from_b: Option<String>,
    /// Read this internal snapshot of B, given by id or name
    #[arg(long, value_name = "NAME")]
    snapshot_b: Option<String>,
    /// Size of a ZVHD or ZVHD2 to use for B: its original or its current size; or the size of a RAW on standard input
    #[arg(long, value_name = "original|current|N", default_value = "original")]
    size_b: Size,
    /// Parent (backing) image of B, overriding the name stored in it; repeat for each further level
    #[arg(long, value_name = "FILE")]
    parent_b: Vec<PathBuf>,
}

impl OtherSourceArgs {
    /// The same as the arguments of a command with one source.
    pub(crate) fn source(&self) -> SourceArgs {
        SourceArgs {
            format: FormatArgs { from: self.from_b.clone() },
            snapshot: self.snapshot_b.clone(),
            size: self.size_b,
            parent: self.parent_b.clone(),
        }
    }
}
