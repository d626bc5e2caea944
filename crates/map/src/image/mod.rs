//! The results of parsing an image, before any of its data is read.

mod facts;
mod file_ref;
mod limits;
mod parent;
mod parsed;
mod probe;

pub use facts::{Encryption, Facts, Finding, Severity, Snapshot, Value};
pub use file_ref::{FileRef, FileRole};
pub use limits::Limits;
pub use parent::{ImageName, ParentRef};
pub use parsed::{Image, Needs, ParseOptions, Parsed, Resume, SizeChoice};
pub use probe::{Evidence, Probe};
