//! Why a conversion has no target.

use imgprep_map::{Class, Detail};

/// Why there is no such target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// No format has this name.
    #[error("{name}: unknown format; the writable formats are {writable}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The formats that are written.
        writable: String,
    },
    /// A format that is read, or known, and not written.
    #[error("cannot write {name}: the writable formats are {writable}")]
    NotWritten {
        /// What was asked for.
        name: String,
        /// The formats that are written.
        writable: String,
    },
    /// An option that the format does not have, that was given twice or that has a wrong value.
    #[error("{option}: {what}")]
    Option {
        /// The option as it was given.
        option: String,
        /// What is wrong with it.
        what: String,
    },
    /// A level that the compression does not have.
    #[error("level {level}: {compression} has levels 1 to {highest}")]
    Level {
        /// What was asked for.
        level: u32,
        /// The compression's name.
        compression: &'static str,
        /// Its highest level.
        highest: u32,
    },
    /// A level for a target that is not compressed.
    #[error("level {level}: {target} has no levels")]
    NoLevel {
        /// What was asked for.
        level: u32,
        /// The format.
        target: &'static str,
    },
    /// Options that contradict each other.
    #[error("{0}")]
    Contradiction(&'static str),
}

impl Detail for TargetError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } | Self::NotWritten { .. } => "convert.target",
            Self::Option { .. } | Self::Contradiction(_) => "convert.option",
            Self::Level { .. } | Self::NoLevel { .. } => "convert.level",
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::Unknown { .. } | Self::NotWritten { .. } => Class::Unsupported,
            _ => Class::Refused,
        }
    }

    fn at(&self) -> Option<u64> {
        None
    }
}

/// A level of zstd, if there is such a one.
pub(crate) fn zstd_level(level: u32) -> Result<i32, TargetError> {
    let wrong = TargetError::Level { level, compression: "zstd", highest: 22 };
    i32::try_from(level).ok().filter(|level| (1..=22).contains(level)).ok_or(wrong)
}

/// A level of zlib, if there is such a one.
pub(crate) fn zlib_level(level: u32) -> Result<u32, TargetError> {
    if (1..=9).contains(&level) {
        Ok(level)
    } else {
        Err(TargetError::Level { level, compression: "zlib", highest: 9 })
    }
}
