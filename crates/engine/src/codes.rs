//! The codes of the engine.

use imgprep_map::Code;

/// All codes of this crate.
#[rustfmt::skip]
pub const CODES: &[Code] = &[
    Code::limit("claims.many", "safety/limit", "the comparison of uses stopped after too many conflicts"),
    Code::corrupt("claims.overlap", "structure/overlap", "two parts of the image use the same bytes of the file"),
    Code::corrupt("claims.past-end", "structure/past-end", "a part of the image lies past the end of the file"),
    Code::refused("engine.file-not-open", "a file of the image is not open"),
    Code::refused("engine.interrupted", "the run was interrupted"),
    Code::limit("engine.memory", "safety/limit", "the memory budget is too small for the number of threads"),
    Code::io("engine.threads", "threads could not be started"),
    Code::limit("engine.unit-too-large", "safety/limit", "a compressed block is too large to decompress at once"),
    Code::io("verify.differs", "the output read back differs from the source"),
];
