//! Images with one damage that the format can detect although the disk can be read.

use crate::bytes::put;
use crate::disk::text;
use crate::model::{AnomalousImage, ImageFile};
use crate::qcow::encode::{Cell, Qcow};
use crate::rows::anomaly;

/// Images that a conversion reads with a finding of this code at this place.
pub(crate) fn damaged() -> Vec<AnomalousImage> {
    let mut recipe = Qcow::new(12, 9, 16 << 12);
    recipe.cells = (1..6).map(|index| (index, Cell::Data(vec![index as u8; 4096]))).collect();
    let mut no_place = Qcow { backing: Some("base.raw".into()), ..recipe.clone() }.write().file;
    put(&mut no_place, 8, &[0; 8]);
    let mut no_name = no_place.clone();
    put(&mut no_name, 16, &[0; 4]);
    let written = recipe.write();
    let (mut lost, mut smaller) = (written.file.clone(), written.file.clone());
    put(&mut lost, written.entries[&3], &[0; 8]);
    put(&mut smaller, 24, &(5u64 << 12).to_be_bytes());
    let rows = [
        ("qcow-backing-offset-zero", "a length without its offset", "qcow.backing.unplaced", (no_place, 16)),
        ("qcow-backing-fields-zero", "a name without its fields", "qcow.backing.unplaced", (no_name, 48)),
        ("qcow-entry-lost", "a cluster that nothing names", "qcow.check.leak", (lost, written.places[&3])),
        (
            "qcow-size-smaller",
            "a size below a cluster",
            "qcow.check.beyond-disk",
            (smaller, written.entries[&5]),
        ),
    ];
    rows.map(|(name, about, code, (bytes, at))| anomaly("qcow", (name, about, code, at), bytes)).into()
}

/// QEMU leaves the payload of a compressed cluster that is written to: a conversion reports nothing.
pub(crate) fn undamaged() -> Vec<ImageFile> {
    let mut recipe = Qcow::new(12, 9, 16 << 12);
    recipe.cells.insert(1, Cell::Data(vec![1; 4096]));
    recipe.cells.insert(2, Cell::Data(vec![2; 4096]));
    recipe.cells.insert(3, Cell::Compressed(text(4096)));
    let mut left_behind = recipe.write();
    put(&mut left_behind.file, left_behind.entries[&1], &[0; 8]);
    vec![ImageFile { name: "left-behind.qcow".into(), bytes: left_behind.file }]
}
