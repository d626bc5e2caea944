//! Kinds of errors, for programs that react to them.

use super::envelope::{Class, Error};

/// The kind of an error, for callers that handle some errors differently from others.
///
/// It groups the codes: [`Error::code`] is more precise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file does not exist: the image, its parent, or another file that it names.
    NotFound,
    /// The system denies access to a file.
    PermissionDenied,
    /// The output exists already.
    AlreadyExists,
    /// The output's file system or device is full.
    NoSpace,
    /// A source was modified while it was read.
    Changed,
    /// The run was interrupted by its caller.
    Interrupted,
    /// Any other failure to read or write.
    Io,
    /// The image contradicts itself or its specification.
    Corrupt,
    /// The image may be valid, but a feature that it uses is not supported.
    Unsupported,
    /// A limit that protects the process was exceeded.
    LimitExceeded,
    /// The options forbid the operation.
    Refused,
}

/// Codes whose kind is more precise than their class.
const KINDS: [(&str, ErrorKind); 10] = [
    ("io.open.not-found", ErrorKind::NotFound),
    ("open.name.missing", ErrorKind::NotFound),
    ("open.parent.not-found", ErrorKind::NotFound),
    ("io.open.permission", ErrorKind::PermissionDenied),
    ("io.output.exists", ErrorKind::AlreadyExists),
    ("io.write.no-space", ErrorKind::NoSpace),
    ("io.write.too-small", ErrorKind::NoSpace),
    ("io.read.changed", ErrorKind::Changed),
    ("convert.target", ErrorKind::Unsupported),
    ("engine.interrupted", ErrorKind::Interrupted),
];

impl Error {
    /// The kind of the error: from its code where that is more precise, otherwise from its class.
    pub fn kind(&self) -> ErrorKind {
        let code = self.code();
        if let Some((_, kind)) = KINDS.iter().find(|(known, _)| *known == code) {
            return *kind;
        }
        match self.class() {
            Class::Io => ErrorKind::Io,
            Class::Corrupt => ErrorKind::Corrupt,
            Class::Unsupported => ErrorKind::Unsupported,
            Class::Limit => ErrorKind::LimitExceeded,
            Class::Refused => ErrorKind::Refused,
        }
    }

    /// File offset of the invalid bytes, if the error has one. The same as [`Error::at`].
    pub fn offset(&self) -> Option<u64> {
        self.at()
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;
    use crate::{ReadError, WriteError};

    #[test]
    fn kind_is_derived_from_the_code_before_the_class() {
        let kind = |error: Error| (error.kind(), error.offset());
        assert_eq!(kind(WriteError::NoSpace { at: 5 }.into()), (ErrorKind::NoSpace, Some(5)));
        let changed = ReadError::Changed { at: None, what: String::new() };
        assert_eq!(kind(changed.into()), (ErrorKind::Changed, None));
        let failed = ReadError::Failed { at: 1, reason: String::new() };
        assert_eq!(kind(failed.into()), (ErrorKind::Io, Some(1)));
    }
}
