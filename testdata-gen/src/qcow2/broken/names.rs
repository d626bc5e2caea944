//! Backing files and data files.

use std::collections::BTreeMap;

use crate::bytes::put;
use crate::disk::text;
use crate::model::Refused::{AtOpen, AtRead};
use crate::model::{BrokenImage, ImageFile};
use crate::qcow2::broken::recipe::recipe;
use crate::qcow2::encode::{Cell, Qcow2};
use crate::rows::named;

pub(crate) fn names() -> Vec<BrokenImage> {
    let over = |name: &'static str, about, backing: &str, code| {
        let mut top = recipe();
        top.backing = Some((backing.into(), Some("qcow2".into())));
        named("qcow2", (name, about, AtOpen, code, None, top.write().file))
    };
    let mut all = vec![
        over("qcow2-backing-missing", "a missing backing file", "gone.raw", "open.name.missing"),
        over(
            "qcow2-backing-json",
            "options instead of a name",
            "json:{\"driver\":\"null-co\"}",
            "open.name.protocol",
        ),
        over("qcow2-backing-nbd", "a server instead of a name", "nbd://127.0.0.1/disk", "open.name.protocol"),
        over("qcow2-backing-file-url", "an address instead of a name", "file:base.raw", "open.name.protocol"),
        over("qcow2-backing-absolute", "a file outside the folder", "/etc/passwd", "open.follow.outside"),
        over(
            "qcow2-backing-dotdot",
            "a file in another folder",
            "../../../../../../etc/passwd",
            "open.follow.outside",
        ),
        over(
            "qcow2-backing-itself",
            "its own backing file",
            "qcow2-backing-itself.qcow2",
            "open.chain.cycle",
        ),
        over(
            "qcow2-backing-cycle",
            "the backing file's backing file",
            "qcow2-backing-cycle.other",
            "open.chain.cycle",
        ),
    ];
    let mut other = recipe();
    other.backing = Some(("qcow2-backing-cycle.qcow2".into(), Some("qcow2".into())));
    if let Some(cycle) = all.last_mut() {
        cycle.files.push(ImageFile { name: "qcow2-backing-cycle.other".into(), bytes: other.write().file });
    }
    let mut unknown = recipe();
    unknown.backing = Some(("qcow2-backing-format.base".into(), Some("floppy".into())));
    let mut format = named(
        "qcow2",
        (
            "qcow2-backing-format",
            "an unknown backing format",
            AtOpen,
            "open.parent.format",
            None,
            unknown.write().file,
        ),
    );
    format.files.push(ImageFile { name: "qcow2-backing-format.base".into(), bytes: vec![0; 512] });
    all.push(format);
    let data = Qcow2 { data_file: Some(("gone.data".into(), false)), ..Qcow2::new(16, 1 << 20) };
    all.push(named(
        "qcow2",
        (
            "qcow2-data-file-missing",
            "a missing data file",
            AtOpen,
            "open.name.missing",
            None,
            data.write().file,
        ),
    ));
    all.extend(data_files());
    all
}

/// A data file whose cluster is not at its own offset, and one that is the image itself.
fn data_files() -> [BrokenImage; 2] {
    let over = |name: &str| Qcow2 { data_file: Some((name.into(), false)), ..Qcow2::new(16, 1 << 20) };
    let stored = Qcow2 { cells: BTreeMap::from([(2, Cell::Data(text(1 << 16)))]), ..over("elsewhere.data") };
    let mut written = stored.write();
    let at = written.entries[&2];
    put(&mut written.file, at, &(1u64 << 63 | 1 << 16).to_be_bytes());
    let (name, about) = ("qcow2-data-file-elsewhere", "a cluster at the offset of another in a data file");
    let row = (name, about, AtRead, "qcow2.l2.not-raw", Some(at), written.file);
    let mut elsewhere = named("qcow2", row);
    elsewhere.files.push(ImageFile { name: "elsewhere.data".into(), bytes: written.data });
    let (name, about) = ("qcow2-data-file-itself", "a data file that is the image");
    let itself = over("qcow2-data-file-itself.qcow2").write().file;
    // Behind the header and the extension's head.
    let row = (name, about, AtOpen, "open.file.own-part", Some(120), itself);
    [elsewhere, named("qcow2", row)]
}
