//! Types for files that are recognised but not read.

use imgprep_map::Evidence;

/// Something recognised that is not read.
pub(crate) struct Foreign {
    pub(crate) name: &'static str,
    pub(crate) evidence: Evidence,
    pub(crate) treatment: Treatment,
}

/// How a recognised file is reported.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Treatment {
    /// An image format that is not supported.
    Unsupported,
    /// Not a disk image: what to do instead.
    NoDisk(&'static str),
    /// An image that ends at this file offset, followed by zeros.
    Cut(u64),
}

/// What was recognised, and where.
pub(crate) fn foreign(
    name: &'static str,
    at: u64,
    len: usize,
    description: &str,
    treatment: Treatment,
) -> Foreign {
    Foreign { name, evidence: Evidence { at, len: len as u64, description: description.into() }, treatment }
}
