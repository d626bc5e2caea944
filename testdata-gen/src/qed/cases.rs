//! Images with one damage that the format can detect although the disk can be read.

use crate::bytes::put;
use crate::model::{AnomalousImage, ImageFile};
use crate::qed::encode::{Cell, Qed};
use crate::rows::anomaly;

/// Images that a conversion reads with a finding of this code at this place.
pub(crate) fn damaged() -> Vec<AnomalousImage> {
    let mut recipe = Qed::new(4096, 1, 16 << 12);
    recipe.cells = (1..6).map(|index| (index, Cell::Data(vec![index as u8; 4096]))).collect();
    let mut flag = Qed { backing: Some(("base.raw".into(), true)), ..recipe.clone() }.write().file;
    flag[16] = 4;
    let written = recipe.write();
    let (mut lost, mut smaller) = (written.file.clone(), written.file.clone());
    put(&mut lost, written.entries[&3], &[0; 8]);
    put(&mut smaller, 48, &(5u64 << 12).to_le_bytes());
    let rows = [
        ("qed-backing-flag-cleared", "a name without its flag", "qed.backing.unflagged", (flag, 56)),
        ("qed-entry-lost", "a cluster that nothing names", "qed.check.leak", (lost, written.places[&3])),
        (
            "qed-size-smaller",
            "a size below a cluster",
            "qed.check.beyond-disk",
            (smaller, written.entries[&5]),
        ),
    ];
    rows.map(|(name, about, code, (bytes, at))| anomaly("qed", (name, about, code, at), bytes)).into()
}

/// An image that asks for a check may have lost clusters: a conversion reports nothing.
pub(crate) fn undamaged() -> Vec<ImageFile> {
    let mut recipe = Qed { features: [2, 0, 0], ..Qed::new(4096, 1, 16 << 12) };
    recipe.cells = (1..4).map(|index| (index, Cell::Data(vec![1; 4096]))).collect();
    let mut unchecked = recipe.write();
    put(&mut unchecked.file, unchecked.entries[&3], &[0; 8]);
    vec![ImageFile { name: "unchecked.qed".into(), bytes: unchecked.file }]
}
