//! Arguments of `digest`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use imgprep::{DigestAlgorithm, FollowPolicy};

use super::{FollowArgs, RunArgs, SourceArgs, follow_by_default};

/// A parser of the names of algorithms.
fn algorithm() -> impl TypedValueParser<Value = DigestAlgorithm> {
    let names = PossibleValuesParser::new(DigestAlgorithm::ALL.map(DigestAlgorithm::name));
    // OK: the parser accepts only these names.
    names.map(|name| DigestAlgorithm::by_name(&name).unwrap_or_default())
}

#[derive(Args)]
#[command(after_long_help = "The digest is that of a RAW file with the same contents, whatever the format\n\
    of the image: it equals the output of b3sum or sha256sum for that file.\n\n\
    Examples:\n  imgprep digest disk.qcow2\n  imgprep digest --algorithm sha256 disk.vmdk disk.zvhd2\n  \
    imgprep digest --algorithm blake3,sha256 --output json disk.vhdx\n  \
    imgprep digest --algorithm sha256 --list disk.raw > SHA256SUMS")]
#[command(
    mut_arg("follow", |arg| follow_by_default(arg, FollowPolicy::Beside.name())),
    mut_arg("size", |arg| arg.default_value("original"))
)]
pub(crate) struct DigestArgs {
    /// Images to read, or `-` for standard input
    #[arg(required = true, value_name = "IMAGE")]
    pub(crate) images: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) follow: FollowArgs,
    /// Algorithms to compute, separated by commas: BLAKE3 uses all threads, SHA-256 one
    #[arg(short, long, value_name = "ALGORITHM", value_parser = algorithm(), value_delimiter = ',', default_value = "blake3")]
    pub(crate) algorithm: Vec<DigestAlgorithm>,
    /// Print lines of digest and name, which `sha256sum -c` and `b3sum -c` accept for RAW files
    #[arg(long)]
    pub(crate) list: bool,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}
