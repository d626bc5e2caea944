//! Why a batch cannot run, and how one of its images fails that no other part has a word for.

use imgprep::{Class, Code, Detail, Hint};

use crate::codes;

/// What only a batch can refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The manifest is wrong at this place.
    #[error("line {line}, column {column}: {what}")]
    Manifest {
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
        /// What is wrong.
        what: String,
    },
    /// A setting that holds for all images is wrong.
    #[error("{what}")]
    Setting {
        /// What is wrong.
        what: String,
    },
    /// Files could not be listed, or a list not be read.
    #[error("{what}")]
    Listing {
        /// What happened.
        what: String,
    },
    /// There is nothing to do.
    #[error("no images given or found: {what}")]
    NoJobs {
        /// Where was looked.
        what: String,
    },
    /// Two images would become one file.
    #[error("{first} and {second} would both be written to {output}")]
    OutputTwice {
        /// The output.
        output: String,
        /// One source.
        first: String,
        /// The other.
        second: String,
    },
    /// An image would be written over one that is read.
    #[error("output {output} is also an input of this batch")]
    OutputIsInput {
        /// The output.
        output: String,
    },
    /// Something of the output's name is there.
    #[error("the file already exists")]
    OutputExists,
    /// Somebody else writes there.
    #[error("another batch{by} is running in this folder: wait until it has finished")]
    Locked {
        /// ` (process 12)`, where that is known.
        by: String,
    },
    /// Somebody else writes there, from a folder above or below.
    #[error(
        "another batch{by} is running in this folder, and {output} is in the folders of both: wait until it has finished"
    )]
    OutputLocked {
        /// ` (process 12)`, where that is known.
        by: String,
        /// One of the outputs in question.
        output: String,
    },
    /// There was a batch before.
    #[error("the output folder already contains a batch")]
    JournalExists,
    /// The batch that is resumed was started with other options.
    #[error("the batch was started with other options: {differences}")]
    OptionsDiffer {
        /// Each with what it was and what it is.
        differences: String,
    },
    /// The journal cannot be read or written.
    #[error("the journal cannot be {doing}: {reason}")]
    Journal {
        /// What was tried.
        doing: &'static str,
        /// The system's words.
        reason: String,
    },
    /// Not even one thread could be started.
    #[error("cannot start a thread: {reason}")]
    Threads {
        /// The system's words.
        reason: String,
    },
    /// A defect of this program met an image.
    #[error("internal error in imgprep: {what}")]
    Defect {
        /// The words of the panic.
        what: String,
    },
    /// The batch was stopped.
    #[error("the batch was stopped before this image was converted")]
    Stopped,
}

impl Detail for BatchError {
    fn code(&self) -> &'static Code {
        match self {
            Self::Manifest { .. } => codes::MANIFEST,
            Self::Setting { .. } => codes::SETTING,
            Self::Listing { .. } => codes::LISTING,
            Self::NoJobs { .. } => codes::NO_JOBS,
            Self::OutputTwice { .. } => codes::OUTPUT_TWICE,
            Self::OutputIsInput { .. } => codes::OUTPUT_IS_INPUT,
            // The same as when it is met while writing.
            Self::OutputExists => imgprep::OUTPUT_EXISTS,
            Self::Locked { .. } | Self::OutputLocked { .. } => codes::LOCKED,
            Self::JournalExists => codes::JOURNAL_EXISTS,
            Self::OptionsDiffer { .. } => codes::OPTIONS_DIFFER,
            Self::Journal { .. } => codes::JOURNAL_FAILED,
            Self::Threads { .. } => codes::THREADS,
            Self::Defect { .. } => codes::DEFECT,
            Self::Stopped => codes::STOPPED,
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::Listing { .. } | Self::Journal { .. } | Self::Threads { .. } => Class::Io,
            Self::Defect { .. } => Class::Unsupported,
            _ => Class::Refused,
        }
    }

    fn hint(&self) -> Option<Hint> {
        match self {
            Self::OutputTwice { .. } => Some(Hint::RenameOutputs),
            Self::OutputIsInput { .. } => Some(Hint::ChangeFolder),
            Self::OutputExists => Some(Hint::ReplaceOutput),
            Self::JournalExists => Some(Hint::ResumeBatch),
            Self::OptionsDiffer { .. } => Some(Hint::RestartBatch),
            _ => None,
        }
    }

    fn at(&self) -> Option<u64> {
        None
    }
}
