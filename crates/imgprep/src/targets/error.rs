//! Errors in the target of a conversion.

use imgprep_map::{Class, Code, Detail};

use crate::codes;

/// An invalid target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The name of the format is unknown.
    #[error("{name}: unknown format; the writable formats are {writable}")]
    Unknown {
        /// The requested value.
        name: String,
        /// The writable formats.
        writable: String,
    },
    /// The format is known, but not writable.
    #[error("cannot write {name}: the writable formats are {writable}")]
    NotWritten {
        /// The requested value.
        name: String,
        /// The writable formats.
        writable: String,
    },
    /// The option is unknown, repeated or has an invalid value.
    #[error("{option}: {what}")]
    Option {
        /// The option, as given.
        option: String,
        /// What is wrong with it.
        what: String,
    },
    /// The compression has no such level.
    #[error("level {level}: {compression} has levels 1 to {highest}")]
    Level {
        /// The requested value.
        level: u32,
        /// The compression's name.
        compression: &'static str,
        /// Its highest level.
        highest: u32,
    },
    /// The target is not compressed.
    #[error("level {level}: {target} has no levels")]
    NoLevel {
        /// The requested value.
        level: u32,
        /// The format.
        target: &'static str,
    },
    /// Options that contradict each other.
    #[error("{0}")]
    Contradiction(&'static str),
}

impl Detail for TargetError {
    fn code(&self) -> &'static Code {
        match self {
            Self::Unknown { .. } | Self::NotWritten { .. } => codes::CONVERT_TARGET,
            Self::Option { .. } | Self::Contradiction(_) => codes::CONVERT_OPTION,
            Self::Level { .. } | Self::NoLevel { .. } => codes::CONVERT_LEVEL,
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

/// A compression level of zstd, if it is valid.
pub(crate) fn zstd_level(level: u32) -> Result<i32, TargetError> {
    let wrong = TargetError::Level { level, compression: "zstd", highest: 22 };
    i32::try_from(level).ok().filter(|level| (1..=22).contains(level)).ok_or(wrong)
}

/// A compression level of zlib, if it is valid.
pub(crate) fn zlib_level(level: u32) -> Result<u32, TargetError> {
    if (1..=9).contains(&level) {
        Ok(level)
    } else {
        Err(TargetError::Level { level, compression: "zlib", highest: 9 })
    }
}
