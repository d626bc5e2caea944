//! Differencing images.

use crate::bytes::put;
use crate::model::Refused::AtOpen;
use crate::model::{BrokenImage, ImageFile};
use crate::rows::named;
use crate::vhd::broken::recipe::{BLOCK, recipe};
use crate::vhd::encode::{Parent, Vhd, seal, wide};

fn child(name: &str, uuid: [u8; 16], below: &str) -> Vhd {
    let locators = vec![(*b"W2ru", wide(&format!(".\\{below}")))];
    let parent = Parent { uuid, name: below.into(), locators, ..Parent::default() };
    let uuid = if name.is_empty() { [9; 16] } else { *b"0123456789abcdef" };
    Vhd { uuid, parent: Some(parent), ..Vhd::new(4, 6 * BLOCK, BLOCK as u32) }
}

pub(crate) fn parents() -> Vec<BrokenImage> {
    let base = |name: &str| ImageFile { name: name.into(), bytes: recipe().write().file };
    let bytes = |recipe: Vhd| recipe.write().file;
    let row = |name, about, code, at, bytes| named("vhd", (name, about, AtOpen, code, at, bytes));
    let with_base = |image: BrokenImage, file: ImageFile| {
        let mut image = image;
        image.files.push(file);
        image
    };
    // The locator's name is after the table, which has one sector.
    let name_at = Some(2048);
    let mut nameless = child("a", [7; 16], "");
    nameless.parent = Some(Parent { uuid: [7; 16], ..Parent::default() });
    let mut lost = child("a", *b"0123456789abcdef", "vhd-base.vhd").write().file;
    put(&mut lost, 512 + 576 + 16, &(1u64 << 50).to_be_bytes());
    seal(&mut lost[512..1536], 36);
    let mut long = child("a", *b"0123456789abcdef", "vhd-base.vhd").write().file;
    put(&mut long, 512 + 576 + 8, &[0xff; 4]);
    seal(&mut long[512..1536], 36);
    let cycle = child("", [9; 16], "vhd-cycle.vhd");
    vec![
        row(
            "vhd-parent-missing",
            "a missing file",
            "open.name.missing",
            name_at,
            bytes(child("a", [7; 16], "gone.vhd")),
        ),
        with_base(
            row(
                "vhd-parent-other",
                "a parent with another uuid",
                "open.parent.mismatch",
                name_at,
                bytes(child("a", [7; 16], "vhd-other.base.vhd")),
            ),
            base("vhd-other.base.vhd"),
        ),
        row(
            "vhd-parent-unnamed",
            "a parent without a name",
            "open.parent.not-found",
            Some(512 + 64),
            bytes(nameless),
        ),
        row("vhd-cycle", "an image that is its own parent", "open.chain.cycle", name_at, bytes(cycle)),
        row(
            "vhd-locator-past-end",
            "a name past the file's end",
            "vhd.table.past-end",
            Some(512 + 576 + 16),
            lost,
        ),
        row("vhd-locator-long", "a name of 4 GiB", "vhd.limit.text", Some(512 + 576 + 8), long),
    ]
}
