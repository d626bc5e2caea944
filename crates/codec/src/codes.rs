//! The codes of compression.

imgprep_map::code_table! {
    PACK_FAILED = io("codec.pack.failed", "compression failed");
    PACK_LEVEL = refused("codec.pack.level", "the codec has no such compression level");
    UNPACK_BROKEN_STREAM = corrupt("codec.unpack.broken-stream", "structure/payload", "the compressed stream is damaged at an earlier record");
    UNPACK_GARBAGE = corrupt("codec.unpack.garbage", "structure/payload", "a compressed range is not valid data of its codec");
    UNPACK_LEFT_OVER = corrupt("codec.unpack.left-over", "structure/payload", "a compressed range has bytes left when its block is full");
    UNPACK_LONG = corrupt("codec.unpack.long", "structure/payload", "a compressed range decompresses to more than its block");
    UNPACK_SHORT = corrupt("codec.unpack.short", "structure/payload", "a compressed range decompresses to less than its block");
}
