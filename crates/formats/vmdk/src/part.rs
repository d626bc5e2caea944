//! One extent of a disk.

use alloc::vec::Vec;
use core::ops::Range;

use imgprep_map::FileId;

use crate::refusal::Refusal;
use crate::tables::Tables;
use crate::walked::Walked;

/// How the data of one extent is located.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Zero,
    /// Plain bytes, from this file offset on.
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
    /// Range of the disk, in bytes.
    pub(crate) disk: Range<u64>,
    pub(crate) file: FileId,
    pub(crate) kind: Kind,
    /// Headers and other fixed structures, for `file_usage`.
    pub(crate) fixed: Vec<(Range<u64>, &'static str)>,
}
