//! The codes of QCOW.

use imgprep_map::Code;

/// All codes of this crate.
#[rustfmt::skip]
pub const CODES: &[Code] = &[
    Code::finding("qcow.backing.no-format", "safety/backing-format", "the format of the backing file is not declared"),
    Code::finding("qcow.backing.unplaced", "structure/header", "a backing file name has a length but no offset"),
    Code::finding("qcow.check.backing-name", "structure/note", "the backing file name contains a NUL"),
    Code::finding("qcow.check.beyond-disk", "structure/note", "an entry maps data past the end of the disk"),
    Code::finding("qcow.check.l1-entry", "structure/note", "an L1 entry is invalid"),
    Code::finding("qcow.check.l2-entry", "structure/note", "an L2 entry is invalid"),
    Code::finding("qcow.check.leak", "structure/leak", "clusters are allocated but not referenced"),
    Code::finding("qcow.check.mtime", "structure/note", "a backing file's time is set although there is no backing file"),
    Code::finding("qcow.check.odd-size", "structure/note", "the disk size is not a multiple of 512 bytes"),
    Code::finding("qcow.check.overlap", "structure/overlap", "two entries use the same bytes of the file"),
    Code::finding("qcow.check.padding", "structure/note", "the padding of the header is not zero"),
    Code::finding("qcow.check.repeated", "structure/note", "the same L2 table is referenced too often"),
    Code::finding("qcow.check.trailing", "structure/note", "bytes follow the last cluster in use"),
    Code::corrupt("qcow.header.cut", "structure/cut", "the file ends inside its header"),
    Code::unsupported("qcow.header.encrypted", "safety/encrypted", "the image is encrypted"),
    Code::corrupt("qcow.header.field", "structure/header", "a header field has an invalid value"),
    Code::corrupt("qcow.header.magic", "structure/header", "the file does not begin with the magic of QCOW"),
    Code::unsupported("qcow.header.native-l1", "format/unsupported", "the L1 table has the byte order of the machine that wrote it").finding_under("structure/header"),
    Code::unsupported("qcow.header.version", "format/unsupported", "the version is unknown"),
    Code::corrupt("qcow.l2.past-end", "structure/past-end", "an L2 entry points past the end of the file"),
    Code::corrupt("qcow.table.entry", "structure/table", "a table entry is invalid"),
    Code::corrupt("qcow.table.past-end", "safety/table-size", "a table lies past the end of the file"),
    Code::corrupt("qcow.table.repeated", "structure/table", "the same L2 table is referenced too often"),
    Code::unsupported("qcow.write.disk-too-large", "format/unsupported", "the disk is too large for a QCOW with clusters of this size").without_rule(),
];
