//! Classes of errors.

use super::kind::ErrorKind;

/// The class of an error, which determines what the user can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// An I/O error.
    Io,
    /// The image contradicts itself or its specification.
    Corrupt,
    /// The image may be valid, but a feature of it is not supported.
    Unsupported,
    /// A limit that protects the program was exceeded.
    Limit,
    /// The options forbid the operation.
    Refused,
}

impl Class {
    /// The kind of an error of this class, unless the error itself is more precise.
    pub fn kind(self) -> ErrorKind {
        match self {
            Self::Io => ErrorKind::Io,
            Self::Corrupt => ErrorKind::Corrupt,
            Self::Unsupported => ErrorKind::Unsupported,
            Self::Limit => ErrorKind::LimitExceeded,
            Self::Refused => ErrorKind::Refused,
        }
    }

    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Io => "io",
            Self::Corrupt => "corrupt",
            Self::Unsupported => "unsupported",
            Self::Limit => "limit",
            Self::Refused => "refused",
        }
    }
}
