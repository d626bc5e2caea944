//! The envelope of all errors.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use core::fmt;
use core::ops::Range;

use super::class::Class;
use super::hint::Hint;
use super::kind::ErrorKind;
use crate::{Code, FileId};

/// The properties of a crate's own error type that the envelope needs.
///
/// Its `Display` states the actual and the expected value, without the file offset
/// of [`at`](Self::at), which the envelope prints.
pub trait Detail: core::error::Error + Send + Sync + 'static {
    /// The row of the crate's table of codes.
    fn code(&self) -> &'static Code;
    /// The class.
    fn class(&self) -> Class;
    /// Whether the same step may succeed if it is repeated later: a failed read or write, not a fault of the image or of
    /// the request.
    fn is_transient(&self) -> bool {
        self.class() == Class::Io
    }
    /// The kind, if it is more precise than that of the class.
    fn kind(&self) -> ErrorKind {
        self.class().kind()
    }
    /// An option of the caller that would let the operation succeed.
    fn hint(&self) -> Option<Hint> {
        None
    }
    /// File offset of the invalid bytes.
    fn at(&self) -> Option<u64>;
}

/// An error with its location.
///
/// A format creates it with [`Error::new`]; the opener adds the path, the engine
/// the range of the disk and what it was doing.
pub struct Error(Box<Envelope>);

struct Envelope {
    detail: Box<dyn Detail>,
    file: FileId,
    at: Option<u64>,
    path: Option<String>,
    disk: Option<Range<u64>>,
    doing: Option<&'static str>,
}

impl Error {
    /// Wraps a crate's own error. It concerns [`FileId::SELF`] by default.
    pub fn new(detail: impl Detail) -> Self {
        Self(Box::new(Envelope {
            detail: Box::new(detail),
            file: FileId::SELF,
            at: None,
            path: None,
            disk: None,
            doing: None,
        }))
    }

    /// The same error, about another file of the image.
    #[must_use]
    pub fn in_file(mut self, file: FileId) -> Self {
        self.0.file = file;
        self
    }

    /// The same error at this file offset, for details without an
    /// offset of their own (a decoder's). The first value is kept.
    #[must_use]
    pub fn at_offset(mut self, at: u64) -> Self {
        self.0.at.get_or_insert(at);
        self
    }

    /// The same error, affecting this range of the disk. The first value is kept.
    #[must_use]
    pub fn hitting(mut self, disk: Range<u64>) -> Self {
        self.0.disk.get_or_insert(disk);
        self
    }

    /// The same error, that occurred during this step ("reading", "compressing"). The first value is kept.
    #[must_use]
    pub fn while_doing(mut self, doing: &'static str) -> Self {
        self.0.doing.get_or_insert(doing);
        self
    }

    /// The same error, in the file of this name. The first value is kept.
    #[must_use]
    pub fn in_path(mut self, path: impl Into<String>) -> Self {
        self.0.path.get_or_insert_with(|| path.into());
        self
    }

    /// The kind, for callers that handle some errors differently from others.
    pub fn kind(&self) -> ErrorKind {
        self.0.detail.kind()
    }

    /// File offset of the invalid bytes, if the error has one. The same as [`at`](Self::at).
    pub fn offset(&self) -> Option<u64> {
        self.at()
    }

    /// The code: an id that does not change with the message.
    pub fn code(&self) -> &'static Code {
        self.0.detail.code()
    }

    /// The format or area: the first word of the code.
    pub fn format(&self) -> &'static str {
        self.code().area()
    }

    /// The message without path and offsets.
    pub fn what(&self) -> String {
        self.0.detail.to_string()
    }

    /// An option of the caller that would let the operation succeed. The message does not mention it.
    pub fn hint(&self) -> Option<Hint> {
        self.0.detail.hint()
    }

    /// The class.
    pub fn class(&self) -> Class {
        self.0.detail.class()
    }

    /// Whether the same step may succeed if it is repeated later. Set where the error is made ([`Detail::is_transient`]).
    pub fn is_transient(&self) -> bool {
        self.0.detail.is_transient()
    }

    /// File offset of the invalid bytes.
    pub fn at(&self) -> Option<u64> {
        self.0.detail.at().or(self.0.at)
    }

    /// The file of the image that the offset refers to.
    pub fn file(&self) -> FileId {
        self.0.file
    }

    /// The name of that file, once the opener has set it.
    pub fn path(&self) -> Option<&str> {
        self.0.path.as_deref()
    }

    /// Bytes of the disk that cannot be read.
    pub fn disk(&self) -> Option<Range<u64>> {
        self.0.disk.clone()
    }

    /// The crate's own error, if it is a `D`.
    pub fn detail<D: Detail>(&self) -> Option<&D> {
        let detail: &dyn Detail = &*self.0.detail;
        let error: &(dyn core::error::Error + 'static) = detail;
        error.downcast_ref()
    }
}

impl<D: Detail> From<D> for Error {
    fn from(detail: D) -> Self {
        Self::new(detail)
    }
}

/// `[PATH: ][while DOING: ]WHAT [CODE, file offset N, disk bytes A..B]`
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let envelope = &*self.0;
        if let Some(path) = &envelope.path {
            write!(f, "{path}: ")?;
        }
        if let Some(doing) = envelope.doing {
            write!(f, "while {doing}: ")?;
        }
        write!(f, "{} [{}", envelope.detail, self.code())?;
        if let Some(at) = self.at() {
            write!(f, ", file offset {at}")?;
        }
        if let Some(disk) = &envelope.disk {
            write!(f, ", disk bytes {}..{}", disk.start, disk.end)?;
        }
        f.write_str("]")
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({self}: {:?})", self.0.detail)
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        // The message contains that of the detail, so only the detail's own source is a source.
        self.0.detail.source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ReadError, WriteError};

    #[test]
    fn the_message_contains_every_place_once() {
        let error = Error::new(ReadError::PastEnd { at: 7, len: 2, file_len: 8 })
            .hitting(0..512)
            .hitting(1..2)
            .while_doing("reading")
            .in_path("a.img");
        assert_eq!(
            error.to_string(),
            "a.img: while reading: 2 bytes at 7 extend past the end of the file at 8 \
             [io.read.past-end, file offset 7, disk bytes 0..512]"
        );
        assert_eq!(error.format(), "io");
    }

    #[test]
    fn the_kind_is_that_of_the_class_unless_the_error_is_more_precise() {
        let kind = |error: Error| (error.kind(), error.offset());
        assert_eq!(kind(WriteError::NoSpace { at: 5 }.into()), (ErrorKind::NoSpace, Some(5)));
        let changed = ReadError::Changed { at: None, what: String::new() };
        assert_eq!(kind(changed.into()), (ErrorKind::Changed, None));
        let failed = ReadError::Failed { at: 1, reason: String::new() };
        assert_eq!(kind(failed.into()), (ErrorKind::Io, Some(1)));
    }

    #[test]
    fn reads_and_writes_that_failed_are_transient_unless_they_lie_past_the_end() {
        let failed = ReadError::Failed { at: 1, reason: String::new() };
        let changed = ReadError::Changed { at: None, what: String::new() };
        assert!(Error::new(failed).is_transient() && Error::new(changed).is_transient());
        assert!(!Error::new(ReadError::PastEnd { at: 7, len: 2, file_len: 8 }).is_transient());
        assert!(Error::new(WriteError::NoSpace { at: 5 }).in_path("a").is_transient());
    }

    #[test]
    fn the_detail_is_accessible_by_its_type() {
        let detail = ReadError::Changed { at: None, what: "length".into() };
        let error = Error::new(detail.clone());
        assert_eq!(error.detail::<ReadError>(), Some(&detail));
    }
}
