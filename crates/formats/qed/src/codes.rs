//! The codes of QED.

imgprep_map::code_table! {
    BACKING_NO_FORMAT = finding("qed.backing.no-format", "safety/backing-format", "the format of the backing file is not declared");
    BACKING_UNFLAGGED = finding("qed.backing.unflagged", "structure/header", "a backing file is named, but its feature bit is clear");
    CHECK_AUTOCLEAR_FEATURES = finding("qed.check.autoclear-features", "safety/optional-feature", "an autoclear feature is unknown");
    CHECK_BACKING_NAME = finding("qed.check.backing-name", "structure/note", "the backing file name contains a NUL");
    CHECK_BEYOND_DISK = finding("qed.check.beyond-disk", "structure/note", "an entry maps data past the end of the disk");
    CHECK_CLUSTER_SHARED = finding("qed.check.cluster-shared", "structure/overlap", "two entries use the same cluster");
    CHECK_COMPAT_FEATURES = finding("qed.check.compat-features", "safety/optional-feature", "a compatible feature is unknown");
    CHECK_CUT_CLUSTER = finding("qed.check.cut-cluster", "structure/note", "the last cluster is cut off by the end of the file");
    CHECK_L1_ENTRY = finding("qed.check.l1-entry", "structure/note", "an L1 entry is invalid");
    CHECK_L2_ENTRY = finding("qed.check.l2-entry", "structure/note", "an L2 entry is invalid");
    CHECK_LEAK = finding("qed.check.leak", "structure/leak", "clusters are allocated but not referenced");
    CHECK_NO_PROBE = finding("qed.check.no-probe", "structure/note", "the flag for a RAW backing file is set, but there is no backing file");
    CHECK_TABLE_SHARED = finding("qed.check.table-shared", "structure/overlap", "an L2 table shares clusters with another use");
    CHECK_TOO_LARGE = finding("qed.check.too-large", "structure/note", "the image uses too many places to check all of them");
    CHECK_TRAILING = finding("qed.check.trailing", "structure/note", "the file ends with a part of a cluster");
    HEADER_CUT = corrupt("qed.header.cut", "structure/cut", "the file ends inside its header");
    HEADER_FIELD = corrupt("qed.header.field", "structure/header", "a header field has an invalid value");
    HEADER_MAGIC = corrupt("qed.header.magic", "structure/header", "the file does not begin with the magic of QED");
    HEADER_NEED_CHECK = finding("qed.header.need-check", "structure/dirty", "the image was not closed properly");
    HEADER_ODD_SIZE = finding("qed.header.odd-size", "structure/header", "the disk size is not a multiple of 512 bytes");
    HEADER_UNKNOWN_FEATURE = unsupported("qed.header.unknown-feature", "safety/unknown-feature", "a feature is unknown");
    L2_PAST_END = corrupt("qed.l2.past-end", "structure/past-end", "an L2 entry points past the end of the file");
    LIMIT_TEXT = limit("qed.limit.text", "safety/limit", "the backing file name is too long");
    TABLE_ENTRY = corrupt("qed.table.entry", "structure/table", "a table entry is invalid");
    TABLE_PAST_END = corrupt("qed.table.past-end", "safety/table-size", "a table lies past the end of the file");
    TABLE_REPEATED = corrupt("qed.table.repeated", "structure/table", "the same L2 table is referenced too often");
    WRITE_DISK_TOO_LARGE = unsupported("qed.write.disk-too-large", "format/unsupported", "the disk is too large for a QED with clusters and tables of this size").without_rule();
}
