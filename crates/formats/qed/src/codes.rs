//! The codes of QED.

use imgprep_map::Code;

/// All codes of this crate.
#[rustfmt::skip]
pub const CODES: &[Code] = &[
    Code::finding("qed.backing.no-format", "safety/backing-format", "the format of the backing file is not declared"),
    Code::finding("qed.backing.unflagged", "structure/header", "a backing file is named, but its feature bit is clear"),
    Code::finding("qed.check.autoclear-features", "safety/optional-feature", "an autoclear feature is unknown"),
    Code::finding("qed.check.backing-name", "structure/note", "the backing file name contains a NUL"),
    Code::finding("qed.check.beyond-disk", "structure/note", "an entry maps data past the end of the disk"),
    Code::finding("qed.check.cluster-shared", "structure/overlap", "two entries use the same cluster"),
    Code::finding("qed.check.compat-features", "safety/optional-feature", "a compatible feature is unknown"),
    Code::finding("qed.check.cut-cluster", "structure/note", "the last cluster is cut off by the end of the file"),
    Code::finding("qed.check.l1-entry", "structure/note", "an L1 entry is invalid"),
    Code::finding("qed.check.l2-entry", "structure/note", "an L2 entry is invalid"),
    Code::finding("qed.check.leak", "structure/leak", "clusters are allocated but not referenced"),
    Code::finding("qed.check.no-probe", "structure/note", "the flag for a RAW backing file is set, but there is no backing file"),
    Code::finding("qed.check.table-shared", "structure/overlap", "an L2 table shares clusters with another use"),
    Code::finding("qed.check.too-large", "structure/note", "the image uses too many places to check all of them"),
    Code::finding("qed.check.trailing", "structure/note", "the file ends with a part of a cluster"),
    Code::corrupt("qed.header.cut", "structure/cut", "the file ends inside its header"),
    Code::corrupt("qed.header.field", "structure/header", "a header field has an invalid value"),
    Code::corrupt("qed.header.magic", "structure/header", "the file does not begin with the magic of QED"),
    Code::finding("qed.header.need-check", "structure/dirty", "the image was not closed properly"),
    Code::finding("qed.header.odd-size", "structure/header", "the disk size is not a multiple of 512 bytes"),
    Code::unsupported("qed.header.unknown-feature", "safety/unknown-feature", "a feature is unknown"),
    Code::corrupt("qed.l2.past-end", "structure/past-end", "an L2 entry points past the end of the file"),
    Code::limit("qed.limit.text", "safety/limit", "the backing file name is too long"),
    Code::corrupt("qed.table.entry", "structure/table", "a table entry is invalid"),
    Code::corrupt("qed.table.past-end", "safety/table-size", "a table lies past the end of the file"),
    Code::corrupt("qed.table.repeated", "structure/table", "the same L2 table is referenced too often"),
    Code::unsupported("qed.write.disk-too-large", "format/unsupported", "the disk is too large for a QED with clusters and tables of this size").without_rule(),
];
