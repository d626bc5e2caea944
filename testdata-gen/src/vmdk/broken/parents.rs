//! Parents.

use crate::model::Refused::AtOpen;
use crate::model::{BrokenImage, ImageFile};
use crate::rows::named;
use crate::vmdk::encode::{descriptor, file, recipe};

pub(crate) fn parents() -> Vec<BrokenImage> {
    let of = |name: &'static str, about, code, parent: (u32, &str), base: Option<ImageFile>| {
        let lines = [format!("RW 2 FLAT \"{name}-flat\" 0")];
        let text = descriptor("monolithicFlat", 1, Some(parent), &lines).into_bytes();
        let mut image = named("vmdk", (name, about, AtOpen, code, None, text));
        image.files.push(file(format!("{name}-flat"), vec![1; 1024]));
        image.files.extend(base);
        image
    };
    let base = recipe().write().file;
    vec![
        of("vmdk-parent-missing", "a missing parent", "open.name.missing", (2, "gone.vmdk"), None),
        of(
            "vmdk-parent-other",
            "a parent with another id",
            "open.parent.mismatch",
            (2, "vmdk-parent-other.base"),
            Some(file("vmdk-parent-other.base", base)),
        ),
        of("vmdk-parent-itself", "its own parent", "open.chain.cycle", (1, "vmdk-parent-itself.vmdk"), None),
        of(
            "vmdk-parent-outside",
            "a parent outside the folder",
            "open.follow.outside",
            (2, "/etc/passwd"),
            None,
        ),
    ]
}
