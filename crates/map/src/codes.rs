//! The codes of reading and writing.

use crate::Code;

/// All codes of this crate.
#[rustfmt::skip]
pub const CODES: &[Code] = &[
    Code::io("io.read.changed", "the file changed while it was read"),
    Code::io("io.read.failed", "reading failed"),
    Code::io("io.read.past-end", "a read reaches past the end of the file").under("structure/past-end"),
    Code::io("io.write.closed", "the reader of the output closed it"),
    Code::io("io.write.failed", "writing failed"),
    Code::io("io.write.no-space", "no space is left on the output's file system"),
    Code::io("io.write.source-fault", "the source could not be read while it was written out"),
    Code::io("io.write.too-small", "the output is smaller than the disk needs"),
];
