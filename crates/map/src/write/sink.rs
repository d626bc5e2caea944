//! Destinations of images.

use alloc::string::String;
use core::ops::Range;

use crate::codes;
use crate::{Class, Code, Detail, ErrorKind};

/// A file, a device or a pipe to which many threads write an image.
pub trait Sink: Send + Sync {
    /// Its capabilities.
    fn kind(&self) -> SinkKind;

    /// Whether unwritten ranges read as zeros. On a device they do not.
    fn reads_as_zeros(&self) -> bool;

    /// Writes all parts in order, starting at `at`. In a pipe, `at` must be
    /// the end of the last write.
    fn write_at(&self, at: u64, parts: &[&[u8]]) -> Result<(), WriteError>;

    /// Makes a range read as zeros. In a pipe, it must begin at the end of the last write.
    fn zero(&self, range: Range<u64>) -> Result<(), WriteError>;

    /// Announces that up to `len` bytes will be written: an output may choose how.
    fn will_write(&self, len: u64) {
        let _ = len;
    }

    /// Whether concurrent writers wait for each other, as in a regular
    /// file: then one thread writes while the others work.
    fn serializes_writes(&self) -> bool {
        true
    }

    /// Whether bytes that are written from a mapping may become blocks shared by both files: then they
    /// are better written from there than from a copy.
    fn can_reflink(&self) -> bool {
        false
    }

    /// Sets the length of the output. On a device, checks that it is large enough.
    fn set_len(&self, len: u64) -> Result<(), WriteError>;
}

/// The capabilities of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SinkKind {
    /// Sequential writes only.
    Append,
    /// Writes at any offset.
    Random,
}

/// Why bytes could not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// An I/O error.
    #[error("write failed: {reason}")]
    Failed {
        /// Output offset.
        at: u64,
        /// The message of the operating system.
        reason: String,
    },
    /// No space is left.
    #[error("no space left on the output's file system")]
    NoSpace {
        /// Output offset.
        at: u64,
    },
    /// The reader closed the pipe.
    #[error("the reader closed the output")]
    Closed {
        /// Bytes written before.
        at: u64,
    },
    /// The bytes to be written could not be read from their mapping: the *source* failed.
    #[error("cannot read the source while writing it")]
    SourceFault {
        /// Output offset.
        at: u64,
    },
    /// The output is a device that is too small.
    #[error("the output has {available} bytes, but {needed} are needed")]
    TooSmall {
        /// Length of the disk, in bytes.
        needed: u64,
        /// Length of the device, in bytes.
        available: u64,
    },
}

impl Detail for WriteError {
    fn code(&self) -> &'static Code {
        match self {
            Self::Failed { .. } => codes::WRITE_FAILED,
            Self::NoSpace { .. } => codes::WRITE_NO_SPACE,
            Self::Closed { .. } => codes::WRITE_CLOSED,
            Self::SourceFault { .. } => codes::WRITE_SOURCE_FAULT,
            Self::TooSmall { .. } => codes::WRITE_TOO_SMALL,
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
