//! Why a file could not be opened or an output not be made.

use std::io::ErrorKind;

use imgprep_map::{Class, Code, Detail, Hint, WriteError};

use crate::codes;

/// An I/O error in the system's words, without the number that Rust appends.
pub fn reason(error: &std::io::Error) -> String {
    let mut text = error.to_string();
    text.truncate(text.rfind(" (os error ").unwrap_or(text.len()));
    text
}

/// A source that cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// There is nothing of this name.
    #[error("no such file")]
    NotFound,
    /// The system forbids it.
    #[error("permission denied")]
    Permission,
    /// It is a directory.
    #[error("this is a directory, not an image")]
    Directory,
    /// It is a pipe, a socket or a character device.
    #[error("this is a {kind}, which does not support random access")]
    Special {
        /// What it is.
        kind: &'static str,
    },
    /// It is a symbolic link, or a link is on the way to it, where none is followed.
    #[error("the path contains a symbolic link that was not there when it was checked")]
    Link,
    /// Between the check and the opening another file took its name.
    #[error("the file was replaced by another one while it was being opened")]
    Replaced,
    /// The system could not open it.
    #[error("cannot open the file: {reason}")]
    Failed {
        /// The system's words.
        reason: String,
    },
    /// A pipe ended before its declared size.
    #[error("standard input ended after {found} bytes, expected {expected}")]
    Short {
        /// The declared size.
        expected: u64,
        /// Bytes that came.
        found: u64,
    },
    /// A pipe is longer than its declared size.
    #[error("standard input is longer than the declared {expected} bytes")]
    Long {
        /// The declared size.
        expected: u64,
    },
}

impl Detail for OpenError {
    fn code(&self) -> &'static Code {
        match self {
            Self::NotFound => codes::IO_OPEN_NOT_FOUND,
            Self::Permission => codes::IO_OPEN_PERMISSION,
            Self::Directory => codes::IO_OPEN_DIRECTORY,
            Self::Special { .. } => codes::IO_OPEN_SPECIAL,
            Self::Link => codes::IO_OPEN_LINK,
            Self::Replaced => codes::IO_OPEN_REPLACED,
            Self::Failed { .. } => codes::IO_OPEN_FAILED,
            Self::Short { .. } => codes::IO_STDIN_SHORT,
            Self::Long { .. } => codes::IO_STDIN_LONG,
        }
    }

    fn class(&self) -> Class {
        Class::Io
    }

    fn is_transient(&self) -> bool {
        !matches!(self, Self::NotFound | Self::Permission | Self::Directory | Self::Special { .. })
    }

    fn kind(&self) -> imgprep_map::ErrorKind {
        match self {
            Self::NotFound => imgprep_map::ErrorKind::NotFound,
            Self::Permission => imgprep_map::ErrorKind::PermissionDenied,
            _ => self.class().kind(),
        }
    }

    fn at(&self) -> Option<u64> {
        match self {
            Self::Short { found, .. } => Some(*found),
            _ => None,
        }
    }
}

impl From<std::io::Error> for OpenError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::PermissionDenied => Self::Permission,
            _ => Self::Failed { reason: reason(&error) },
        }
    }
}

/// An output that cannot be made or published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateError {
    /// Something of this name is there.
    #[error("the file already exists")]
    Exists,
    /// It is a directory or something else that is not replaced.
    #[error("this is a {kind}, which cannot be replaced")]
    Special {
        /// What it is.
        kind: &'static str,
    },
    /// A device that is mounted or in use.
    #[error("the device is mounted or otherwise in use")]
    Busy,
    /// The file system is full.
    #[error("the file could not be {doing}: no space left on the output's file system")]
    NoSpace {
        /// What was tried.
        doing: &'static str,
    },
    /// The system could not.
    #[error("the file could not be {doing}: {reason}")]
    Failed {
        /// What was tried.
        doing: &'static str,
        /// The system's words.
        reason: String,
    },
}

impl CreateError {
    pub(crate) fn failed(doing: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |error| match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::NoSpace { doing },
            _ => Self::Failed { doing, reason: reason(&error) },
        }
    }
}

impl From<WriteError> for CreateError {
    /// An error of the bytes that are written last.
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NoSpace { .. } => Self::NoSpace { doing: "written" },
            other => Self::Failed { doing: "written", reason: other.to_string() },
        }
    }
}

impl Detail for CreateError {
    fn code(&self) -> &'static Code {
        match self {
            Self::Exists => codes::IO_OUTPUT_EXISTS,
            Self::Special { .. } => codes::IO_OUTPUT_SPECIAL,
            Self::Busy => codes::IO_OUTPUT_BUSY,
            // The same as when it is met while writing.
            Self::NoSpace { .. } => imgprep_map::codes::WRITE_NO_SPACE,
            Self::Failed { .. } => codes::IO_OUTPUT_FAILED,
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::NoSpace { .. } | Self::Failed { .. } => Class::Io,
            _ => Class::Refused,
        }
    }

    fn kind(&self) -> imgprep_map::ErrorKind {
        match self {
            Self::Exists => imgprep_map::ErrorKind::AlreadyExists,
            Self::NoSpace { .. } => imgprep_map::ErrorKind::NoSpace,
            _ => self.class().kind(),
        }
    }

    fn hint(&self) -> Option<Hint> {
        matches!(self, Self::Exists).then_some(Hint::ReplaceOutput)
    }

    fn at(&self) -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_has_one_code_wherever_it_is_met() {
        for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded] {
            let error = CreateError::failed("synced")(kind.into());
            assert_eq!((error.code().id, error.class()), ("io.write.no-space", Class::Io));
        }
        assert_eq!(CreateError::failed("synced")(ErrorKind::Other.into()).code().id, "io.output.failed");
    }

    #[test]
    fn a_retry_may_succeed_unless_the_name_itself_is_wrong() {
        let permanent = [
            OpenError::NotFound,
            OpenError::Permission,
            OpenError::Directory,
            OpenError::Special { kind: "pipe" },
        ];
        assert!(permanent.iter().all(|error| !error.is_transient()));
        assert!(
            OpenError::Failed { reason: String::new() }.is_transient() && OpenError::Replaced.is_transient()
        );
        assert!(CreateError::NoSpace { doing: "written" }.is_transient());
        assert!(!CreateError::Exists.is_transient() && !CreateError::Busy.is_transient());
    }

    #[test]
    fn each_reason_why_a_source_cannot_be_opened_has_its_code() {
        for (kind, code) in [
            (ErrorKind::NotFound, "io.open.not-found"),
            (ErrorKind::PermissionDenied, "io.open.permission"),
            (ErrorKind::NotADirectory, "io.open.failed"),
        ] {
            let error = OpenError::from(std::io::Error::from(kind));
            assert_eq!((error.code().id, error.class()), (code, Class::Io));
        }
    }
}
