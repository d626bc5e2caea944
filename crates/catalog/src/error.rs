//! Reasons why a file is not read as a disk image.

use imgprep_map::{Class, Code, Detail, Hint, Remedy};

use crate::codes;
use crate::file_name::Denial;
use crate::{disc, remedy};

/// A file that is not read as a disk image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DetectError {
    /// The bytes match several formats.
    #[error("the file matches several formats: {matches}")]
    Ambiguous {
        /// All of them with their evidence.
        matches: String,
    },
    /// A known image format that is not supported.
    #[error("unsupported format: {name} image ({description})")]
    Unsupported {
        /// The format.
        name: &'static str,
        /// File offset of the evidence.
        at: u64,
        /// The evidence.
        description: String,
    },
    /// Not a disk image.
    #[error("not a disk image: {name} ({description}): {remedy}")]
    NoDisk {
        /// What it is.
        name: &'static str,
        /// File offset of the evidence.
        at: u64,
        /// The evidence.
        description: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The contents match no format, and the name contradicts a RAW disk.
    #[error("the contents match no known format, but the name ends in {ending:?}: {description}")]
    ExtensionDenied {
        /// The end of the name.
        ending: String,
        /// What such a file is.
        description: String,
        /// The name of the descriptor of the whole disk, in the same folder.
        descriptor: Option<String>,
    },
    /// The file has no bytes.
    #[error("the file is empty, usually because of a failed copy or download")]
    Empty,
    /// Zeros follow the end of the image.
    #[error("the {name} image ends at byte {len} ({description}): truncate a copy of the file")]
    Padded {
        /// The format.
        name: &'static str,
        /// File offset of the footer.
        at: u64,
        /// The evidence.
        description: String,
        /// The length of the image.
        len: u64,
    },
    /// A snapshot was requested of a format without snapshots.
    #[error("{format} has no internal snapshots")]
    NoSnapshots {
        /// The format.
        format: &'static str,
    },
}

impl From<Denial> for DetectError {
    fn from(Denial { ending, description, descriptor, .. }: Denial) -> Self {
        Self::ExtensionDenied { ending, description, descriptor }
    }
}

impl DetectError {
    /// The command that extracts or converts the file, if there is one. `FILE` stands for the file's name, `OUT` for the
    /// name of a file that does not exist yet.
    pub fn remedy(&self) -> Option<Remedy> {
        let template = match self {
            Self::Unsupported { name, .. } => remedy::command(name).unwrap_or(remedy::ANOTHER_READER),
            Self::NoDisk { name, .. } => remedy::command(name)?,
            Self::ExtensionDenied { .. } | Self::Empty => remedy::AS_RAW,
            Self::Padded { len, .. } => {
                return Some(Remedy::Tool { line: format!("head -c {len} FILE > OUT.vhd"), comment: None });
            }
            Self::Ambiguous { .. } | Self::NoSnapshots { .. } => return None,
        };
        Some(template.map(str::to_owned))
    }

    /// The descriptor of the whole disk, next to this file.
    pub fn descriptor(&self) -> Option<&str> {
        match self {
            Self::ExtensionDenied { descriptor, .. } => descriptor.as_deref(),
            _ => None,
        }
    }

    /// Whether only the user can decide, by selecting the format.
    pub fn is_undecided(&self) -> bool {
        matches!(self, Self::Ambiguous { .. } | Self::ExtensionDenied { .. } | Self::Empty)
    }
}

impl Detail for DetectError {
    fn code(&self) -> &'static Code {
        match self {
            Self::Ambiguous { .. } => codes::DETECT_AMBIGUOUS,
            Self::Unsupported { .. } => codes::DETECT_UNSUPPORTED,
            Self::NoDisk { .. } => codes::DETECT_NO_DISK,
            Self::ExtensionDenied { .. } => codes::DETECT_EXTENSION_DENIED,
            Self::Empty => codes::DETECT_EMPTY,
            Self::Padded { .. } => codes::DETECT_PADDED,
            Self::NoSnapshots { .. } => codes::DETECT_NO_SNAPSHOTS,
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::Ambiguous { .. }
            | Self::ExtensionDenied { .. }
            | Self::Empty
            | Self::NoSnapshots { .. } => Class::Refused,
            Self::Unsupported { .. } | Self::NoDisk { .. } => Class::Unsupported,
            Self::Padded { .. } => Class::Corrupt,
        }
    }

    fn hint(&self) -> Option<Hint> {
        match self {
            Self::Ambiguous { .. } => Some(Hint::SelectFormat),
            Self::ExtensionDenied { .. } | Self::Empty => Some(Hint::ReadAsRaw),
            Self::NoDisk { name, .. } if disc::may_be_hybrid(name) => Some(Hint::ReadAsRaw),
            _ => None,
        }
    }

    fn at(&self) -> Option<u64> {
        match self {
            Self::Unsupported { at, .. } | Self::NoDisk { at, .. } | Self::Padded { at, .. } => Some(*at),
            Self::Ambiguous { .. }
            | Self::ExtensionDenied { .. }
            | Self::Empty
            | Self::NoSnapshots { .. } => None,
        }
    }
}
