//! How a chain is opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgprep_catalog::Format;
use imgprep_io::{FileIdentity, SourceOptions, is_same_file};
use imgprep_map::{ImageName, ParseOptions};

use crate::{ChainError, FollowPolicy, Namespace};

/// How a chain is opened.
#[derive(Clone, Default)]
pub struct OpenOptions {
    /// The format of the first image, if the user selected it.
    pub from: Option<&'static Format>,
    /// Snapshot and size apply to the first image, limits to all.
    pub parse: ParseOptions,
    /// Which names are followed.
    pub follow: FollowPolicy,
    /// The policy for files that contain an image's own data, if it differs.
    pub associated_follow: Option<FollowPolicy>,
    /// Handling of a parent whose id does not match.
    pub mismatch: Mismatch,
    /// How files are read.
    pub source: SourceOptions,
    /// The layers below the first one, in order, if the user specified them: names in images are then ignored.
    pub parents: Vec<PathBuf>,
    /// The namespace of all files, if not the local file system.
    pub namespace: Option<Arc<dyn Namespace>>,
}

impl OpenOptions {
    /// The path of the file that the image at `image` names at file offset `at`.
    pub(crate) fn resolve(
        &self,
        image: &Path,
        name: &ImageName,
        at: u64,
        follow: FollowPolicy,
    ) -> Result<PathBuf, ChainError> {
        match &self.namespace {
            Some(namespace) => namespace.resolve(image, name, at, follow),
            None => follow.resolve(image, name, at),
        }
    }

    /// Whether `identity` is that of the file at `path`.
    pub(crate) fn is_same_file(&self, path: &Path, identity: FileIdentity) -> bool {
        match &self.namespace {
            Some(namespace) => namespace.open(path).is_ok_and(|file| file.identity() == identity),
            None => is_same_file(path, identity),
        }
    }
}

/// Handling of a parent whose id does not match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mismatch {
    /// The chain is rejected.
    #[default]
    Refuse,
    /// The child gets a finding.
    Accept,
}
