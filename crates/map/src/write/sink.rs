//! What images are written to.

use alloc::string::String;
use core::ops::Range;

use crate::{Class, Detail, ErrorKind};

/// A file, a device or a pipe that an image is written to, by many threads.
pub trait Sink: Send + Sync {
    /// What it can do.
    fn kind(&self) -> SinkKind;

    /// Whether what was never written reads as zeros. Not so on a device.
    fn reads_as_zeros(&self) -> bool;

    /// Writes all parts, one after the other, from `at` on. Into a pipe `at` must be
    /// where the last write ended.
    fn write_at(&self, at: u64, parts: &[&[u8]]) -> Result<(), WriteError>;

    /// Makes a range read as zeros. Into a pipe it must begin where the last write ended.
    fn zero(&self, range: Range<u64>) -> Result<(), WriteError>;

    /// Whether writers at different places wait for each other, as they do in a regular
    /// file: then one thread writes while the others work.
    fn serializes_writes(&self) -> bool {
        true
    }

    /// Whether bytes that are written out of a mapping may become blocks that both files have: then they
    /// are better written from there than from a copy.
    fn can_reflink(&self) -> bool {
        false
    }

    /// Gives the output its length. On a device: checks that it is large enough.
    fn set_len(&self, len: u64) -> Result<(), WriteError>;
}

/// What an output can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SinkKind {
    /// Bytes only follow each other.
    Append,
    /// Any place can be written at any time.
    Random,
}

/// Why bytes could not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The system could not write.
    #[error("write failed: {reason}")]
    Failed {
        /// Output offset.
        at: u64,
        /// The system's words.
        reason: String,
    },
    /// No space is left.
    #[error("no space left on the output's file system")]
    NoSpace {
        /// Output offset.
        at: u64,
    },
    /// The reader of the pipe is gone.
    #[error("the reader closed the output")]
    Closed {
        /// Bytes that were written before.
        at: u64,
    },
    /// The bytes to be written could not be read from their mapping: the *source* failed.
    #[error("cannot read the source while writing it")]
    SourceFault {
        /// Output offset.
        at: u64,
    },
    /// The output is a device, and not large enough.
    #[error("the output has {available} bytes, but {needed} are needed")]
    TooSmall {
        /// Bytes that the disk has.
        needed: u64,
        /// Bytes that the device has.
        available: u64,
    },
}

impl Detail for WriteError {
    fn code(&self) -> &'static str {
        match self {
            Self::Failed { .. } => "io.write.failed",
            Self::NoSpace { .. } => "io.write.no-space",
            Self::Closed { .. } => "io.write.closed",
            Self::SourceFault { .. } => "io.write.source-fault",
            Self::TooSmall { .. } => "io.write.too-small",
        }
    }

    fn class(&self) -> Class {
        Class::Io
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSpace { .. } | Self::TooSmall { .. } => ErrorKind::NoSpace,
            Self::Failed { .. } | Self::Closed { .. } | Self::SourceFault { .. } => self.class().kind(),
        }
    }

    fn at(&self) -> Option<u64> {
        match self {
            Self::Failed { at, .. }
            | Self::NoSpace { at }
            | Self::Closed { at }
            | Self::SourceFault { at } => Some(*at),
            Self::TooSmall { .. } => None,
        }
    }
}
