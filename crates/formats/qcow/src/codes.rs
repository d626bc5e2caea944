//! The codes of QCOW.

imgprep_map::code_table! {
    BACKING_NO_FORMAT = finding("qcow.backing.no-format", "safety/backing-format", "the format of the backing file is not declared");
    BACKING_UNPLACED = finding("qcow.backing.unplaced", "structure/header", "a backing file name has a length but no offset");
    CHECK_BACKING_NAME = finding("qcow.check.backing-name", "structure/note", "the backing file name contains a NUL");
    CHECK_BEYOND_DISK = finding("qcow.check.beyond-disk", "structure/note", "an entry maps data past the end of the disk");
    CHECK_L1_ENTRY = finding("qcow.check.l1-entry", "structure/note", "an L1 entry is invalid");
    CHECK_L2_ENTRY = finding("qcow.check.l2-entry", "structure/note", "an L2 entry is invalid");
    CHECK_LEAK = finding("qcow.check.leak", "structure/leak", "clusters are allocated but not referenced");
    CHECK_MTIME = finding("qcow.check.mtime", "structure/note", "a backing file's time is set although there is no backing file");
    CHECK_ODD_SIZE = finding("qcow.check.odd-size", "structure/note", "the disk size is not a multiple of 512 bytes");
    CHECK_OVERLAP = finding("qcow.check.overlap", "structure/overlap", "two entries use the same bytes of the file");
    CHECK_PADDING = finding("qcow.check.padding", "structure/note", "the padding of the header is not zero");
    CHECK_REPEATED = finding("qcow.check.repeated", "structure/note", "the same L2 table is referenced too often");
    CHECK_TRAILING = finding("qcow.check.trailing", "structure/note", "bytes follow the last cluster in use");
    HEADER_CUT = corrupt("qcow.header.cut", "structure/cut", "the file ends inside its header");
    HEADER_ENCRYPTED = unsupported("qcow.header.encrypted", "safety/encrypted", "the image is encrypted");
    HEADER_FIELD = corrupt("qcow.header.field", "structure/header", "a header field has an invalid value");
    HEADER_MAGIC = corrupt("qcow.header.magic", "structure/header", "the file does not begin with the magic of QCOW");
    HEADER_NATIVE_L1 = unsupported("qcow.header.native-l1", "format/unsupported", "the L1 table has the byte order of the machine that wrote it").finding_under("structure/header");
    HEADER_VERSION = unsupported("qcow.header.version", "format/unsupported", "the version is unknown");
    L2_PAST_END = corrupt("qcow.l2.past-end", "structure/past-end", "an L2 entry points past the end of the file");
    TABLE_ENTRY = corrupt("qcow.table.entry", "structure/table", "a table entry is invalid");
    TABLE_PAST_END = corrupt("qcow.table.past-end", "safety/table-size", "a table lies past the end of the file");
    TABLE_REPEATED = corrupt("qcow.table.repeated", "structure/table", "the same L2 table is referenced too often");
    WRITE_DISK_TOO_LARGE = unsupported("qcow.write.disk-too-large", "format/unsupported", "the disk is too large for a QCOW with clusters of this size").without_rule();
}
