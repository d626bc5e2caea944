//! Why a file was not taken for a readable disk image.

use imgprep_map::{Class, Detail};

use crate::remedy;

/// A file that is not read, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DetectError {
    /// The bytes speak for several formats.
    #[error("the file looks like several formats: {matches}; say which with --from")]
    Ambiguous {
        /// All of them with their evidence.
        matches: String,
    },
    /// An image format that is known but not read.
    #[error("this is a {name} image ({says}): imgprep does not read this format yet")]
    NotYet {
        /// The format.
        name: &'static str,
        /// File offset of what says so.
        at: u64,
        /// What says so.
        says: String,
    },
    /// Not a disk image.
    #[error("this is no disk image but {name} ({says}): {remedy}")]
    NoDisk {
        /// What it is.
        name: &'static str,
        /// File offset of what says so.
        at: u64,
        /// What says so.
        says: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A snapshot was asked for.
    #[error("{format} has no internal snapshots")]
    NoSnapshots {
        /// The format.
        format: &'static str,
    },
}

impl DetectError {
    /// The one command to go on with, if there is one; `FILE` stands for the file's name.
    pub fn command(&self) -> Option<&'static str> {
        match self {
            Self::NotYet { name, .. } => Some(remedy::command(name).unwrap_or(remedy::ANOTHER_READER)),
            Self::NoDisk { name, .. } => remedy::command(name),
            Self::Ambiguous { .. } | Self::NoSnapshots { .. } => None,
        }
    }
}

impl Detail for DetectError {
    fn code(&self) -> &'static str {
        match self {
            Self::Ambiguous { .. } => "detect.ambiguous",
            Self::NotYet { .. } => "detect.not-yet",
            Self::NoDisk { .. } => "detect.no-disk",
            Self::NoSnapshots { .. } => "detect.no-snapshots",
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::Ambiguous { .. } | Self::NoSnapshots { .. } => Class::Refused,
            Self::NotYet { .. } | Self::NoDisk { .. } => Class::Unsupported,
        }
    }

    fn at(&self) -> Option<u64> {
        match self {
            Self::NotYet { at, .. } | Self::NoDisk { at, .. } => Some(*at),
            Self::Ambiguous { .. } | Self::NoSnapshots { .. } => None,
        }
    }
}
