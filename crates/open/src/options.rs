//! How a chain is opened.

use std::path::PathBuf;

use imgprep_catalog::Format;
use imgprep_io::SourceOptions;
use imgprep_map::ParseOptions;

use crate::FollowPolicy;

/// How a chain is opened.
#[derive(Clone, Default)]
pub struct OpenOptions {
    /// The first image's format, if the user says it.
    pub from: Option<&'static Format>,
    /// Snapshot and size hold for the first image, limits for all.
    pub parse: ParseOptions,
    /// Which names are followed.
    pub follow: FollowPolicy,
    /// Which names of files that hold an image's own data are followed, where that differs.
    pub associated_follow: Option<FollowPolicy>,
    /// How a parent is handled whose id does not match.
    pub mismatch: Mismatch,
    /// How files are read.
    pub source: SourceOptions,
    /// The layers below the first one, in order, where the user says them: names in images do not count then.
    pub parents: Vec<PathBuf>,
}

/// How a parent is handled whose id does not match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mismatch {
    /// The chain is refused.
    #[default]
    Refuse,
    /// The child gets a finding.
    Accept,
}
