//! One extent of a disk and how its bytes are found.

use alloc::vec::Vec;
use core::ops::Range;

use imgprep_map::FileId;

use crate::refusal::Refusal;
use crate::tables::Tables;
use crate::walked::Walked;

/// How the bytes of one extent are found.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Zero,
    /// The bytes themselves, from this offset on.
    Flat {
        at: u64,
    },
    Sparse(Tables),
    Walked(Walked),
    Refused(Refusal),
}

/// One extent.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// Bytes of the disk.
    pub(crate) disk: Range<u64>,
    pub(crate) file: FileId,
    pub(crate) kind: Kind,
    /// Headers and the like, for `file_usage`.
    pub(crate) fixed: Vec<(Range<u64>, &'static str)>,
}
