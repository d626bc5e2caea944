//! The codes of ZVHD and ZVHD2.

imgprep_map::code_table! {
    BITMAP_COUNT = corrupt("zvhd.bitmap.count", "structure/bitmap", "the bitmap and the header differ in the number of data blocks");
    BITMAP_PAST_END = corrupt("zvhd.bitmap.past-end", "structure/bitmap", "the bitmap marks a block past the end of the disk");
    FILE_TOO_SHORT = corrupt("zvhd.file.too-short", "safety/table-size", "the file is shorter than its smallest valid length");
    FILE_TRAILING = corrupt("zvhd.file.trailing", "structure/table", "bytes follow the last header page");
    HEADER_APPLICATION = finding("zvhd.header.application", "structure/header", "the creator application is not the usual one");
    HEADER_BLOCK_SIZE = unsupported("zvhd.header.block-size", "format/unsupported", "the block size is not read");
    HEADER_CHECKSUM = corrupt("zvhd.header.checksum", "structure/checksum", "the checksum of a header page is wrong");
    HEADER_COMPRESSION = unsupported("zvhd.header.compression", "format/unsupported", "the kind of compression is unknown");
    HEADER_CURRENT_SIZE = finding("zvhd.header.current-size", "structure/vendor-layout", "the current size is not the next whole GiB");
    HEADER_DISK_TYPE = finding("zvhd.header.disk-type", "structure/header", "the disk type is not the usual one");
    HEADER_FIELD = corrupt("zvhd.header.field", "structure/header", "a header field has an invalid value");
    HEADER_INDEX_HAS_ZEROS = unsupported("zvhd.header.index-has-zeros", "format/unsupported", "the index has entries for zero blocks");
    HEADER_MIDDLE = finding("zvhd.header.middle", "structure/vendor-layout", "the header page after the records is missing");
    HEADER_MISSING = corrupt("zvhd.header.missing", "structure/cut", "a header page is missing: the file is cut");
    HEADER_VERSION = unsupported("zvhd.header.version", "format/unsupported", "the version is unknown");
    INDEX_BLOCK = corrupt("zvhd.index.block", "structure/table", "an index entry names another block than the bitmap");
    INDEX_RANGE = corrupt("zvhd.index.range", "structure/table", "an index entry points outside of the records");
    INDEX_REST = finding("zvhd.index.rest", "structure/note", "bytes follow the last index entry");
    LIMIT_RECORDS = limit("zvhd.limit.records", "safety/limit", "the file has too many records");
    RECORD_BLOCK = corrupt("zvhd.record.block", "structure/table", "a record has another block number than its index entry");
    RECORD_EMPTY = corrupt("zvhd.record.empty", "structure/table", "a record has no payload");
    RECORD_END_MARK = corrupt("zvhd.record.end-mark", "structure/table", "the end mark of a record is missing");
    RECORD_GAP = finding("zvhd.record.gap", "structure/vendor-layout", "a record does not follow the one before it");
    RECORD_LENGTH = corrupt("zvhd.record.length", "structure/table", "a record is longer than its room");
    RECORD_MAGIC = corrupt("zvhd.record.magic", "structure/table", "a record does not begin with its magic");
    RECORD_ORDER = corrupt("zvhd.record.order", "structure/table", "the records are not in the order of the disk");
    RECORD_SIZE = finding("zvhd.record.size", "structure/vendor-layout", "a record is too large for the vendor's reader");
    WRITE_DISK_TOO_LARGE = unsupported("zvhd.write.disk-too-large", "format/unsupported", "the disk is too large for a ZVHD2").without_rule();
    WRITE_INDEX_TOO_LARGE = unsupported("zvhd.write.index-too-large", "format/unsupported", "the index is too large for a ZVHD2").without_rule();
    WRITE_COMPRESSION = unsupported("zvhd.write.compression", "format/unsupported", "ZVHD2 stores zstd or zlib payloads only").without_rule();
}
