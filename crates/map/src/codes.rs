//! The codes of reading and writing.

code_table! {
    READ_CHANGED = io("io.read.changed", "the file changed while it was read");
    READ_FAILED = io("io.read.failed", "reading failed");
    READ_PAST_END = io("io.read.past-end", "a read reaches past the end of the file").under("structure/past-end");
    WRITE_CLOSED = io("io.write.closed", "the reader of the output closed it");
    WRITE_FAILED = io("io.write.failed", "writing failed");
    WRITE_NO_SPACE = io("io.write.no-space", "no space is left on the output's file system");
    WRITE_SOURCE_FAULT = io("io.write.source-fault", "the source could not be read while it was written out");
    WRITE_TOO_SMALL = io("io.write.too-small", "the output is smaller than the disk needs");
}
