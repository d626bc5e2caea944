//! Arguments of `verify`.

use std::path::PathBuf;

use clap::Args;
use imgprep::FollowPolicy;

use super::{FollowArgs, FormatArgs, RunArgs, follow_by_default, without_effect};

#[derive(Args)]
#[command(after_long_help = "The receipt is the file that convert --receipt writes. Length and digest of\n\
    the file are compared, then the contents of its disk: by digest, and by CRC-32.\n\n\
    Exit codes: 0 same, 1 different, 2 could not be compared, 130 interrupted.\n\n\
    Examples:\n  imgprep verify disk.zvhd2 --receipt disk.json\n  \
    imgprep verify disk.qcow2 --receipt disk.json --output json")]
#[command(
    mut_arg("from", |arg| arg.help("Format of FILE [default: from the receipt]")),
    mut_arg("follow", |arg| follow_by_default(arg, FollowPolicy::Beside.name())),
    mut_arg("accept_parent", without_effect)
)]
pub(crate) struct VerifyArgs {
    /// File to compare with the receipt of the conversion that wrote it
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Receipt of the conversion
    #[arg(long, value_name = "FILE")]
    pub(crate) receipt: PathBuf,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
    #[command(flatten)]
    pub(crate) follow: FollowArgs,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}
