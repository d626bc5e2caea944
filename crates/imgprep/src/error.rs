//! Requests that the library rejects.

use imgprep_map::{Class, Code, Detail, Hint};

use crate::codes;

/// A request that contradicts itself or the state of the files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Somebody writes to the source.
    #[error("a running QEMU has this image open for writing: shut the machine down first")]
    InUse,
    /// A file that is written is one of those that are read.
    #[error("the {role} is also a source: choose another name")]
    OutputIsSource {
        /// What would be written.
        role: &'static str,
    },
    /// Two files that are written are one.
    #[error("the {first} and the {second} are the same file: choose another name for one of them")]
    OutputTwice {
        /// What would be written first.
        first: &'static str,
        /// What would replace it.
        second: &'static str,
    },
    /// Only a file can be read back.
    #[error("standard output cannot be verified")]
    VerifyPipe,
    /// The format needs an output that is not written in order.
    #[error(
        "{format} cannot be written to standard output: its header is written last, which requires a file"
    )]
    TargetNeedsFile {
        /// The format's name.
        format: &'static str,
    },
    /// An image of several files needs names.
    #[error("the image consists of several files, so the output must be the path of a file")]
    TargetNeedsNames,
    /// An output of the caller that cannot be opened for reading.
    #[error("the output cannot be read back, so it cannot be verified")]
    NotReadable,
    /// A profile that is not built in.
    #[error("unknown profile {name:?}")]
    UnknownProfile {
        /// The requested name.
        name: String,
    },
    /// A bitmap belongs to a RAW file with a name.
    #[error("a bitmap can only be written next to a RAW file")]
    BitmapNeedsRaw,
    /// The tool that should make the bitmap did not.
    #[error("bitmap command: {what}")]
    BitmapCommand {
        /// What happened, in the tool's words where it had some.
        what: String,
    },
    /// A link of a searched folder leads nowhere.
    #[error("the link points to \"{target}\", which does not exist")]
    LinkDangling {
        /// What the link names.
        target: String,
    },
    /// A link of a searched folder leads out of it.
    #[error("the link points to \"{target}\", outside the searched folder")]
    LinkOutside {
        /// What the link names.
        target: String,
    },
    /// A folder under which nothing was checked.
    #[error("the folder contains no image files: nothing was checked")]
    NoImages,
    /// A footer at the end of the output would not be at the end of the device.
    #[error("a fixed {format} of {len} bytes ends with its footer, but the device has {capacity} bytes")]
    DeviceLength {
        /// The format.
        format: &'static str,
        /// The length of the output.
        len: u64,
        /// The length of the device.
        capacity: u64,
    },
    /// Blocks that a comparison does not have.
    #[error("granularity of {granularity} bytes: expected a power of two of at most {limit}")]
    Granularity {
        /// The requested size.
        granularity: u64,
        /// The largest size.
        limit: u64,
    },
    /// An image that a rewritten one cannot replace.
    #[error("the image cannot be optimized: {reason}")]
    NotOptimized {
        /// What it has.
        reason: &'static str,
    },
    /// A receipt that says nothing about contents.
    #[error("the receipt contains no digest or checksum that can be compared with this file")]
    ReceiptWithoutDigest,
    /// A device is written in place.
    #[error("the output is a block device, which is not overwritten by default")]
    DeviceNeedsForce,
}

impl Detail for RequestError {
    fn code(&self) -> &'static Code {
        match self {
            Self::InUse => codes::SOURCE_IN_USE,
            Self::OutputIsSource { .. } => codes::OUTPUT_IS_SOURCE,
            Self::OutputTwice { .. } => codes::OUTPUT_TWICE,
            Self::VerifyPipe => codes::CONVERT_VERIFY_PIPE,
            Self::TargetNeedsFile { .. } => codes::CONVERT_NEEDS_FILE,
            Self::TargetNeedsNames => codes::CONVERT_NEEDS_NAMES,
            Self::NotReadable => codes::CONVERT_VERIFY_UNREADABLE,
            Self::UnknownProfile { .. } => codes::CHECK_PROFILE,
            Self::BitmapNeedsRaw => codes::BITMAP_NEEDS_RAW,
            Self::BitmapCommand { .. } => codes::BITMAP_COMMAND_FAILED,
            Self::LinkDangling { .. } => codes::FOLDER_LINK_DANGLING,
            Self::LinkOutside { .. } => codes::FOLDER_LINK_OUTSIDE,
            Self::NoImages => codes::CHECK_NO_IMAGES,
            Self::DeviceLength { .. } => codes::OUTPUT_DEVICE_LENGTH,
            Self::Granularity { .. } => codes::COMPARE_GRANULARITY,
            Self::NotOptimized { .. } => codes::OPTIMIZE_UNSUITABLE,
            Self::ReceiptWithoutDigest => codes::VERIFY_NO_DIGEST,
            Self::DeviceNeedsForce => codes::OUTPUT_DEVICE,
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::BitmapCommand { .. } => Class::Io,
            _ => Class::Refused,
        }
    }

    fn hint(&self) -> Option<Hint> {
        match self {
            Self::LinkOutside { .. } => Some(Hint::FollowAny),
            Self::DeviceNeedsForce => Some(Hint::OverwriteDevice),
            _ => None,
        }
    }

    fn at(&self) -> Option<u64> {
        None
    }
}
