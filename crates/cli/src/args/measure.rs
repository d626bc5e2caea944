//! Arguments of `measure`.

use std::path::PathBuf;

use clap::Args;
use imgprep::FollowPolicy;

use super::{DEFAULT_PROFILE, FollowArgs, RunArgs, SourceArgs, follow_by_default, writable_formats};

#[derive(Args)]
#[command(
    after_long_help = "Without --exact, only the tables of the image are read: the length is an upper bound for\n\
    formats that omit or compress blocks. Nothing is written in either case.\n\n\
    Examples:\n  imgprep measure disk.vmdk\n  imgprep measure -O qcow2 -o cluster_size=64K --exact disk.vmdk\n  \
    imgprep measure -O vhdx --size 40G\n  imgprep measure --output json --profile otc disk.qcow2"
)]
#[command(
    mut_arg("follow", |arg| follow_by_default(arg, FollowPolicy::Beside.name())),
    mut_arg("size", |arg| arg.help(
        "Without FILE, the virtual size of a new image of zeros; otherwise the size of a ZVHD or ZVHD2 to use: its original or its \
         current size"
    ))
)]
pub(crate) struct MeasureArgs {
    /// Image to measure
    #[arg(value_name = "FILE", required_unless_present = "size")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) follow: FollowArgs,
    // The list of formats is the library's.
    #[arg(short = 'O', long = "to", value_name = "FMT", default_value = "zvhd2",
        help = format!("Format of the output: {}", writable_formats()))]
    pub(crate) to: String,
    /// Options of the output format; `imgprep formats` lists them
    #[arg(short = 'o', value_name = "K=V,...", value_delimiter = ',')]
    pub(crate) options: Vec<String>,
    /// Read the contents of the disk, and compress them if the output is compressed, for the exact length
    #[arg(long)]
    pub(crate) exact: bool,
    /// The cloud whose import limits are shown: huawei-ims, otc or flexible-engine
    #[arg(long, visible_alias = "for", value_name = "PROFILE", default_value = DEFAULT_PROFILE)]
    pub(crate) profile: String,
    /// Also show whether the output fits into the file system of this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}
