//! Differencing images.

use crate::model::Refused::{AtOpen, AtRead};
use crate::model::{BrokenImage, ImageFile};
use crate::rows::{Row, named};
use crate::vhdx::broken::recipe::{LATER, OWN, edited, over, recipe};
use crate::vhdx::encode::{FILE_PARAMETERS, LOCATOR, Vhdx, put};

pub(crate) fn parents() -> Vec<BrokenImage> {
    [chains(), locators(), bitmaps()].concat()
}

/// A child with its parent beside it.
fn with_parent((name, about, refused, code, at, bytes): Row) -> BrokenImage {
    let mut image = named("vhdx", (name, about, refused, code, at, bytes));
    image.files.push(ImageFile { name: "below.vhdx".into(), bytes: recipe().write().file });
    image
}

/// The child with other bytes at `at`.
fn edit(at: u64, bytes: &[u8]) -> Vec<u8> {
    edited(&over("below.vhdx"), |written| put(&mut written.file, at, bytes))
}

/// Parents that cannot be used.
fn chains() -> Vec<BrokenImage> {
    let alone = named(
        "vhdx",
        (
            "vhdx-parent-missing",
            "the parent is not there",
            AtOpen,
            "open.name.missing",
            Some(over("gone.vhdx").write().values["relative_path"]),
            over("gone.vhdx").write().file,
        ),
    );
    let own = Vhdx { data_write: OWN, ..recipe() }.over("vhdx-own-parent.vhdx", OWN).write();
    let cycle = (
        "vhdx-own-parent",
        "an image that is its own parent",
        AtOpen,
        "open.chain.cycle",
        Some(own.values["relative_path"]),
        own.file,
    );
    let stranger = over("below.vhdx").over("below.vhdx", LATER).write();
    vec![
        alone,
        named("vhdx", cycle),
        with_parent((
            "vhdx-parent-of-another-name",
            "the parent was written to since",
            AtOpen,
            "open.parent.mismatch",
            Some(stranger.values["relative_path"]),
            stranger.file,
        )),
    ]
}

/// The parent locator.
fn locators() -> Vec<BrokenImage> {
    let whole = over("below.vhdx").write();
    let locator = whole.items[LOCATOR];
    let keys = |keys: &[(&'static str, &str)]| Vhdx {
        parent: Some(keys.iter().map(|(key, value)| (*key, (*value).to_string())).collect()),
        ..over("below.vhdx")
    };
    let linkage = ("parent_linkage", "{11111111-2222-4333-8444-555555555555}");
    let bad = "vhdx.parent.locator";
    vec![
        with_parent((
            "vhdx-parent-without-linkage",
            "no parent_linkage",
            AtOpen,
            bad,
            Some(locator),
            keys(&[("relative_path", "below.vhdx")]).write().file,
        )),
        with_parent((
            "vhdx-parent-linkage-no-guid",
            "an invalid parent_linkage",
            AtOpen,
            bad,
            Some(
                keys(&[("parent_linkage", "{me}"), ("relative_path", "below.vhdx")]).write().values["parent_linkage"],
            ),
            keys(&[("parent_linkage", "{me}"), ("relative_path", "below.vhdx")]).write().file,
        )),
        with_parent((
            "vhdx-parent-without-name",
            "no path",
            AtOpen,
            bad,
            Some(locator),
            keys(&[linkage]).write().file,
        )),
        with_parent((
            "vhdx-locator-count",
            "more keys than there is room for",
            AtOpen,
            bad,
            Some(locator + 18),
            edit(locator + 18, &[0xff; 2]),
        )),
        with_parent((
            "vhdx-locator-value-outside",
            "a value outside the locator",
            AtOpen,
            bad,
            Some(locator + 20 + 12),
            edit(locator + 20 + 12 + 4, &[0xff; 4]),
        )),
        with_parent((
            "vhdx-locator-type",
            "an unknown type of parent locator",
            AtOpen,
            "vhdx.parent.type",
            Some(locator),
            Vhdx { locator: LATER, ..over("below.vhdx") }.write().file,
        )),
        with_parent((
            "vhdx-no-locator",
            "a parent that is not named",
            AtOpen,
            "vhdx.metadata.missing",
            Some(whole.metadata),
            edited(&recipe(), |written| put(&mut written.file, written.items[FILE_PARAMETERS] + 4, &[2])),
        )),
    ]
}

/// Bitmaps of blocks that are stored in part.
fn bitmaps() -> Vec<BrokenImage> {
    let whole = over("below.vhdx").write();
    let bitmap_entry = whole.bitmap_entries[&0];
    let bitmap = |value: u64| edit(bitmap_entry, &value.to_le_bytes());
    let file_len = whole.file.len() as u64;
    vec![
        with_parent((
            "vhdx-partial-without-bitmap",
            "a block in part and no bitmap",
            AtRead,
            "vhdx.bat.entry",
            Some(bitmap_entry),
            bitmap(0),
        )),
        with_parent((
            "vhdx-bitmap-state-3",
            "a reserved state of a bitmap",
            AtRead,
            "vhdx.bat.entry",
            Some(bitmap_entry),
            bitmap(whole.bat | 3),
        )),
        with_parent((
            "vhdx-bitmap-past-end",
            "a bitmap after the file's end",
            AtRead,
            "vhdx.bat.past-end",
            Some(bitmap_entry),
            bitmap(file_len | 6),
        )),
        with_parent((
            "vhdx-bitmap-in-data",
            "a bitmap in a block",
            AtRead,
            "usage.overlap",
            Some(whole.places[&0]),
            bitmap(whole.places[&0] | 6),
        )),
        with_parent((
            "vhdx-bitmap-in-headers",
            "a bitmap in the headers",
            AtRead,
            "vhdx.bat.entry",
            Some(bitmap_entry),
            bitmap(6),
        )),
    ]
}
