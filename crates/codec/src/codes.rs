//! The codes of compression.

imgprep_map::code_table! {
    COMPRESS_FAILED = io("codec.compress.failed", "compression failed");
    COMPRESS_LEVEL = refused("codec.compress.level", "the codec has no such compression level");
    DECOMPRESS_BROKEN_STREAM = corrupt("codec.decompress.broken-stream", "structure/payload", "the compressed stream is damaged at an earlier record");
    DECOMPRESS_GARBAGE = corrupt("codec.decompress.garbage", "structure/payload", "a compressed range is not valid data of its codec");
    DECOMPRESS_LEFT_OVER = corrupt("codec.decompress.left-over", "structure/payload", "a compressed range has bytes left when its block is full");
    DECOMPRESS_LONG = corrupt("codec.decompress.long", "structure/payload", "a compressed range decompresses to more than its block");
    DECOMPRESS_SHORT = corrupt("codec.decompress.short", "structure/payload", "a compressed range decompresses to less than its block");
}
