//! Headers of sparse extents.

use crate::model::BrokenImage;
use crate::model::Refused::AtOpen;
use crate::rows::Row;
use crate::vmdk::broken::edits::{edited, rows};
use crate::vmdk::encode::recipe;

pub(crate) fn headers() -> Vec<BrokenImage> {
    let written = recipe().write();
    let field = |name, about, code, at: u64, bytes: &[u8]| -> Row {
        (name, about, AtOpen, code, Some(at), edited(&written, at, bytes))
    };
    let eight = |value: u64| value.to_le_bytes();
    let header = "vmdk.header.field";
    let mut mangled = written.file.clone();
    mangled.splice(73..77, *b"\r\n \r");
    rows(vec![
        (
            "vmdk-cut-header",
            "the file ends in its header",
            AtOpen,
            "vmdk.header.cut",
            Some(500),
            written.file[..500].to_vec(),
        ),
        field("vmdk-version-0", "no version", "vmdk.header.version", 4, &[0]),
        field("vmdk-version-4", "a version that does not exist", "vmdk.header.version", 4, &[4]),
        (
            "vmdk-newlines",
            "newlines converted by a transfer as text",
            AtOpen,
            "vmdk.header.newlines",
            Some(73),
            mangled,
        ),
        field("vmdk-grain-4", "grains too small", header, 20, &eight(4)),
        field("vmdk-grain-24", "a grain size that is not a power of two", header, 20, &eight(24)),
        field("vmdk-grain-bomb", "grains of 2^60 sectors", "vmdk.header.grain-size", 20, &eight(1 << 60)),
        field("vmdk-gtes-0", "tables of length 0", header, 44, &[0; 4]),
        field("vmdk-gtes-513", "tables too large", header, 44, &[1, 2, 0, 0]),
        field("vmdk-capacity-bomb", "a disk of 2^60 sectors", header, 12, &eight(1 << 60)),
        (
            "vmdk-capacity-large",
            "a directory larger than the file",
            AtOpen,
            "vmdk.table.past-end",
            Some(56),
            edited(&written, 12, &eight(1 << 50)),
        ),
        field(
            "vmdk-directory-past-end",
            "a directory after the file's end",
            "vmdk.table.past-end",
            56,
            &eight(1 << 40),
        ),
        field("vmdk-directory-0", "a directory in the header", header, 56, &eight(0)),
        field(
            "vmdk-descriptor-past-end",
            "a descriptor after the file's end",
            "vmdk.table.past-end",
            28,
            &eight(1 << 40),
        ),
        field("vmdk-method-without-flag", "deflate without compressed grains", header, 77, &[1, 0]),
        field(
            "vmdk-markers-without-flag",
            "markers without compressed grains",
            "vmdk.header.compression",
            8,
            &[3, 0, 2, 0],
        ),
        field(
            "vmdk-compressed-without-markers",
            "compressed grains without markers",
            "vmdk.header.compression",
            8,
            &[3, 0, 1, 0],
        ),
    ])
}
