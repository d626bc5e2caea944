//! The codes of ZVHD and ZVHD2.

use imgprep_map::Code;

/// All codes of this crate.
#[rustfmt::skip]
pub const CODES: &[Code] = &[
    Code::corrupt("zvhd.bitmap.count", "structure/bitmap", "the bitmap and the header differ in the number of data blocks"),
    Code::corrupt("zvhd.bitmap.past-end", "structure/bitmap", "the bitmap marks a block past the end of the disk"),
    Code::corrupt("zvhd.file.too-short", "safety/table-size", "the file is shorter than its smallest valid length"),
    Code::corrupt("zvhd.file.trailing", "structure/table", "bytes follow the last header page"),
    Code::finding("zvhd.header.application", "structure/header", "the creator application is not the usual one"),
    Code::unsupported("zvhd.header.block-size", "format/unsupported", "the block size is not read"),
    Code::corrupt("zvhd.header.checksum", "structure/checksum", "the checksum of a header page is wrong"),
    Code::unsupported("zvhd.header.compression", "format/unsupported", "the kind of compression is unknown"),
    Code::finding("zvhd.header.current-size", "structure/vendor-layout", "the current size is not the next whole GiB"),
    Code::finding("zvhd.header.disk-type", "structure/header", "the disk type is not the usual one"),
    Code::corrupt("zvhd.header.field", "structure/header", "a header field has an invalid value"),
    Code::unsupported("zvhd.header.index-has-zeros", "format/unsupported", "the index has entries for zero blocks"),
    Code::finding("zvhd.header.middle", "structure/vendor-layout", "the header page behind the records is missing"),
    Code::corrupt("zvhd.header.missing", "structure/cut", "a header page is missing: the file is cut"),
    Code::unsupported("zvhd.header.version", "format/unsupported", "the version is unknown"),
    Code::corrupt("zvhd.index.block", "structure/table", "an index entry names another block than the bitmap"),
    Code::corrupt("zvhd.index.range", "structure/table", "an index entry points outside of the records"),
    Code::finding("zvhd.index.rest", "structure/note", "bytes follow the last index entry"),
    Code::limit("zvhd.limit.records", "safety/limit", "the file has too many records"),
    Code::corrupt("zvhd.record.block", "structure/table", "a record has another block number than its index entry"),
    Code::corrupt("zvhd.record.empty", "structure/table", "a record has no payload"),
    Code::corrupt("zvhd.record.end-mark", "structure/table", "the end mark of a record is missing"),
    Code::finding("zvhd.record.gap", "structure/vendor-layout", "a record does not follow the one before it"),
    Code::corrupt("zvhd.record.length", "structure/table", "a record is longer than its room"),
    Code::corrupt("zvhd.record.magic", "structure/table", "a record does not begin with its magic"),
    Code::corrupt("zvhd.record.order", "structure/table", "the records are not in the order of the disk"),
    Code::finding("zvhd.record.size", "structure/vendor-layout", "a record is too large for the vendor's reader"),
    Code::unsupported("zvhd.write.disk-too-large", "format/unsupported", "the disk is too large for a ZVHD2").without_rule(),
    Code::unsupported("zvhd.write.index-too-large", "format/unsupported", "the index is too large for a ZVHD2").without_rule(),
    Code::unsupported("zvhd.write.packing", "format/unsupported", "ZVHD2 stores zstd or zlib payloads only").without_rule(),
];
