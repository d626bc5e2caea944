//! Kinds of errors, for programs that react to them.

/// The kind of an error, for callers that handle some errors differently from others.
///
/// It groups the codes: [`Error::code`](crate::Error::code) is more precise.
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
