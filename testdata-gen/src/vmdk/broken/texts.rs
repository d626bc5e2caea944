//! Descriptors.

use crate::model::Refused::{AtOpen, AtRead};
use crate::model::{BrokenImage, Refused};
use crate::rows::named;
use crate::vmdk::encode::{descriptor, file};

/// A descriptor with one flat extent of two sectors, and that.
fn flat_text(name: &str) -> String {
    descriptor("monolithicFlat", 1, None, &[format!("RW 2 FLAT \"{name}-flat\" 0")])
}

/// Name, about, when it is rejected, code, the words that the error names, a text and what replaces it.
type TextRow =
    (&'static str, &'static str, Refused, &'static str, Option<&'static str>, &'static str, &'static str);

/// Changes of [`flat_text`].
const TEXTS: &[TextRow] = &[
    (
        "vmdk-text-version",
        "a version that does not exist",
        AtOpen,
        "vmdk.header.version",
        Some("version"),
        "version=1",
        "version=5",
    ),
    (
        "vmdk-physical",
        "a physical disk",
        AtOpen,
        "vmdk.descriptor.physical",
        Some("createType"),
        "monolithicFlat",
        "fullDevice",
    ),
    (
        "vmdk-rdm",
        "a raw device map",
        AtOpen,
        "vmdk.descriptor.physical",
        Some("createType"),
        "monolithicFlat",
        "vmfsRawDeviceMap",
    ),
    (
        "vmdk-type-unknown",
        "an unknown type of disk",
        AtOpen,
        "vmdk.descriptor.create-type",
        Some("createType"),
        "monolithicFlat",
        "floppy",
    ),
    (
        "vmdk-extent-rdm",
        "an extent on a device",
        AtOpen,
        "vmdk.descriptor.extent-type",
        Some("RW 2"),
        "FLAT",
        "VMFSRDM",
    ),
    (
        "vmdk-no-access",
        "an extent that must not be read",
        AtRead,
        "vmdk.extent.no-access",
        Some("NOACCESS"),
        "RW 2",
        "NOACCESS 2",
    ),
    (
        "vmdk-no-extents",
        "a descriptor without extents",
        AtOpen,
        "vmdk.descriptor.no-extents",
        None,
        "RW 2",
        "# 2",
    ),
    (
        "vmdk-line-count",
        "an extent of x sectors",
        AtOpen,
        "vmdk.descriptor.extent-line",
        Some("RW x"),
        "RW 2",
        "RW x",
    ),
    (
        "vmdk-line-name",
        "an extent without name",
        AtOpen,
        "vmdk.descriptor.extent-line",
        Some("RW 2"),
        "\"",
        "",
    ),
    (
        "vmdk-line-bomb",
        "an extent of 2^60 sectors",
        AtOpen,
        "vmdk.descriptor.too-large",
        Some("RW 1"),
        "RW 2",
        "RW 1152921504606846976",
    ),
    (
        "vmdk-cid",
        "an invalid id",
        AtOpen,
        "vmdk.descriptor.value",
        Some("CID=xyz"),
        "CID=00000001",
        "CID=xyz",
    ),
    (
        "vmdk-cid-twice",
        "two ids",
        AtOpen,
        "vmdk.descriptor.twice",
        Some("CID=2"),
        "version=1",
        "version=1\nCID=00000001\nCID=2",
    ),
    (
        "vmdk-descriptor-cut",
        "a NUL in front of the extents",
        AtOpen,
        "vmdk.descriptor.nul",
        Some("\0# Extent"),
        "# Extent",
        "\0# Extent",
    ),
    (
        "vmdk-parent-nameless",
        "a parent without name",
        AtOpen,
        "vmdk.descriptor.parent",
        Some("parentCID"),
        "parentCID=ffffffff",
        "parentCID=12",
    ),
    (
        "vmdk-parent-idless",
        "a parent without id",
        AtOpen,
        "vmdk.descriptor.parent",
        Some("parentFile"),
        "version=1",
        "version=1\nparentFileNameHint=\"base.vmdk\"",
    ),
    (
        "vmdk-encrypted",
        "an encrypted disk",
        AtRead,
        "vmdk.descriptor.encrypted",
        Some("ddb.iof"),
        "#DDB",
        "#DDB\nddb.iofilters = \"vmwarevmcrypt\"",
    ),
    ("vmdk-extent-missing", "a missing extent", AtOpen, "open.name.missing", None, "-flat\"", "-gone\""),
    (
        "vmdk-extent-outside",
        "an extent outside the folder",
        AtOpen,
        "open.follow.outside",
        None,
        "vmdk-extent-outside-flat",
        "/etc/passwd",
    ),
    (
        "vmdk-extent-dotdot",
        "an extent in another folder",
        AtOpen,
        "open.follow.outside",
        None,
        "vmdk-extent-dotdot-flat",
        "../../../../../../etc/passwd",
    ),
    ("vmdk-flat-short", "a flat file that is too short", AtRead, "vmdk.flat.past-end", None, "RW 2", "RW 3"),
    (
        "vmdk-flat-is-no-sparse",
        "a flat file declared as sparse",
        AtOpen,
        "vmdk.header.magic",
        None,
        "FLAT",
        "SPARSE",
    ),
    (
        "vmdk-flat-shared",
        "two extents share bytes",
        AtRead,
        "usage.overlap",
        None,
        "RW 2 FLAT \"vmdk-flat-shared-flat\" 0",
        "RW 2 FLAT \"vmdk-flat-shared-flat\" 0\nRW 1 FLAT \"vmdk-flat-shared-flat\" 1",
    ),
];

pub(crate) fn texts() -> Vec<BrokenImage> {
    TEXTS.iter().map(|row| changed_text(*row)).collect()
}

fn changed_text((name, about, refused, code, place, from, to): TextRow) -> BrokenImage {
    let text = flat_text(name).replace(from, to);
    let at = place.map(|place| text.find(place).expect("the text has the place") as u64);
    let mut image = named("vmdk", (name, about, refused, code, at, text.into_bytes()));
    image.files.push(file(format!("{name}-flat"), vec![1; 1024]));
    image
}
