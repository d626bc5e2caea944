//! Errors of the engine itself, and the losses of a salvage.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use imgprep_map::{Class, Code, Detail, Error, ErrorKind, UseKind};

use crate::codes;

/// Errors that only the engine can detect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// Two entries of an image share bytes that they must not share.
    #[error("{} bytes are used twice: as {} and as {}", .bytes.end - .bytes.start, Use(.first), Use(.second))]
    Overlap {
        /// The shared bytes, as file offsets.
        bytes: Range<u64>,
        /// What uses them, and the disk offset of the first shared byte.
        first: (UseKind, Option<u64>),
        /// What else uses them.
        second: (UseKind, Option<u64>),
    },
    /// A map refers to bytes past the end of its file.
    #[error("{} uses bytes {}..{}, but the file ends at {file_len}", Use(.user), .bytes.start, .bytes.end)]
    PastEnd {
        /// The bytes, as file offsets.
        bytes: Range<u64>,
        /// What uses them.
        user: (UseKind, Option<u64>),
        /// Length of the file.
        file_len: u64,
    },
    /// The comparison of the tables ended after too many conflicts.
    #[error("comparison of the tables stopped after {conflicts} conflicts: there may be more")]
    ManyConflicts {
        /// Those that were reported.
        conflicts: usize,
    },
    /// A map refers to a file that is not open.
    #[error("file number {id} of the image is not open")]
    NotOpen {
        /// The file's id.
        id: u32,
    },
    /// A compressed block is larger than anything that a format may declare.
    #[error("compressed block of {len} bytes exceeds the limit of {limit}")]
    BlockTooLarge {
        /// Bytes that the block would have.
        len: u64,
        /// The bound.
        limit: u64,
    },
    /// The disk read back from an output differs from the source.
    #[error("the output read back differs from the source: {what}")]
    Differs {
        /// Where and how.
        what: String,
    },
    /// The interrupt was raised.
    #[error("interrupted")]
    Interrupted,
    /// `--memory` leaves no room for a single chunk.
    #[error("{threads} threads need {needed} bytes of memory, but the budget is {budget}")]
    Memory {
        /// Bytes that the smallest run takes.
        needed: u64,
        /// What was allowed.
        budget: u64,
        /// Threads that were asked for.
        threads: usize,
    },
    /// The system could not start a thread.
    #[error("cannot start threads: {reason}")]
    Threads {
        /// The system's words.
        reason: String,
    },
}

struct Use<'a>(&'a (UseKind, Option<u64>));

impl std::fmt::Display for Use<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.0 {
            UseKind::Metadata(name) => f.write_str(name)?,
            UseKind::Data => f.write_str("data")?,
            UseKind::Compressed | UseKind::CompressedAtMost => f.write_str("compressed data")?,
        }
        self.0.1.map_or(Ok(()), |disk| write!(f, " of disk offset {disk}"))
    }
}

impl Detail for EngineError {
    fn code(&self) -> &'static Code {
        match self {
            Self::Overlap { .. } => codes::USAGE_OVERLAP,
            Self::PastEnd { .. } => codes::USAGE_PAST_END,
            Self::ManyConflicts { .. } => codes::USAGE_MANY_CONFLICTS,
            Self::NotOpen { .. } => codes::ENGINE_FILE_NOT_OPEN,
            Self::BlockTooLarge { .. } => codes::ENGINE_BLOCK_TOO_LARGE,
            Self::Differs { .. } => codes::VERIFY_DIFFERS,
            Self::Interrupted => codes::ENGINE_INTERRUPTED,
            Self::Memory { .. } => codes::ENGINE_MEMORY,
            Self::Threads { .. } => codes::ENGINE_THREADS,
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::Overlap { .. } | Self::PastEnd { .. } => Class::Corrupt,
            Self::NotOpen { .. } | Self::Interrupted => Class::Refused,
            Self::ManyConflicts { .. } | Self::BlockTooLarge { .. } | Self::Memory { .. } => Class::Limit,
            Self::Differs { .. } | Self::Threads { .. } => Class::Io,
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Interrupted => ErrorKind::Interrupted,
            _ => self.class().kind(),
        }
    }

    fn at(&self) -> Option<u64> {
        match self {
            Self::Overlap { bytes, .. } | Self::PastEnd { bytes, .. } => Some(bytes.start),
            _ => None,
        }
    }
}

/// A range of the disk that could not be read and was filled with zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Bytes of the disk.
    pub disk: Range<u64>,
    /// Code of the error.
    pub code: &'static Code,
    /// Its message, with path and offsets.
    pub message: String,
}

/// All losses of one run, from all its threads.
#[derive(Debug, Default)]
pub struct Losses(Mutex<Vec<Loss>>);

impl From<Vec<Loss>> for Losses {
    fn from(found: Vec<Loss>) -> Self {
        Self(Mutex::new(found))
    }
}

impl Losses {
    /// Records that the range `disk` could not be read because of `error`.
    pub(crate) fn add(&self, disk: Range<u64>, error: &Error) {
        let loss = Loss { disk, code: error.code(), message: error.to_string() };
        // A poisoned list only means that another thread died while adding: what is in it is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(loss);
    }

    /// The losses in the order in which they were found.
    pub(crate) fn into_found(self) -> Vec<Loss> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// The losses in disk order. A range that several steps met counts once, and adjacent ranges with the same code are
    /// joined.
    pub fn into_sorted(self) -> Vec<Loss> {
        let mut all = self.into_found();
        all.sort_by(|a, b| (a.disk.start, a.disk.end, a.code.id).cmp(&(b.disk.start, b.disk.end, b.code.id)));
        let mut joined: Vec<Loss> = Vec::new();
        for loss in all {
            match joined.last_mut() {
                Some(last) if last.code == loss.code && loss.disk.start <= last.disk.end => {
                    last.disk.end = last.disk.end.max(loss.disk.end);
                }
                _ => joined.push(loss),
            }
        }
        joined
    }
}
