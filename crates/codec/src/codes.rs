//! The codes of compression.

use imgprep_map::Code;

/// All codes of this crate.
#[rustfmt::skip]
pub const CODES: &[Code] = &[
    Code::io("codec.pack.failed", "compression failed"),
    Code::refused("codec.pack.level", "the codec has no such compression level"),
    Code::corrupt("codec.unpack.broken-stream", "structure/payload", "the compressed stream is damaged at an earlier record"),
    Code::corrupt("codec.unpack.garbage", "structure/payload", "a compressed range is not valid data of its codec"),
    Code::corrupt("codec.unpack.left-over", "structure/payload", "a compressed range has bytes left when its block is full"),
    Code::corrupt("codec.unpack.long", "structure/payload", "a compressed range decompresses to more than its block"),
    Code::corrupt("codec.unpack.short", "structure/payload", "a compressed range decompresses to less than its block"),
];
