//! What only the whole program can refuse.

use imgprep_map::{Class, Detail};

/// A wish that contradicts another one, or the state of the files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaceError {
    /// Somebody writes to the source.
    #[error("a running QEMU has this image open for writing: shut the machine down first")]
    InUse,
    /// The output is one of the files that are read.
    #[error("the output is a file that the conversion reads")]
    OutputIsSource,
    /// Only a file can be read back.
    #[error("standard output can't be verified")]
    VerifyPipe,
    /// A bitmap belongs to a RAW file with a name.
    #[error("a bitmap is written beside a RAW file only")]
    BitmapNeedsRaw,
    /// The tool that should make the bitmap did not.
    #[error("--bitmap-command: {what}")]
    BitmapCommand {
        /// What happened, in the tool's words where it had some.
        what: String,
    },
    /// A folder under which nothing was checked.
    #[error("the folder has no image files: nothing was checked")]
    NoImages,
    /// A device is written in place.
    #[error("the output is a block device: --force writes over all that is on it")]
    DeviceNeedsForce,
}

impl Detail for FaceError {
    fn code(&self) -> &'static str {
        match self {
            Self::InUse => "source.in-use",
            Self::OutputIsSource => "output.is-source",
            Self::VerifyPipe => "verify.pipe",
            Self::BitmapNeedsRaw => "bitmap.needs-raw",
            Self::BitmapCommand { .. } => "bitmap.command",
            Self::NoImages => "check.no-images",
            Self::DeviceNeedsForce => "output.device",
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::BitmapCommand { .. } => Class::Io,
            _ => Class::Refused,
        }
    }

    fn at(&self) -> Option<u64> {
        None
    }
}
