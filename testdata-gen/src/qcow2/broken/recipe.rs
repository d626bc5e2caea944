//! The image that is damaged.

use std::collections::BTreeMap;

use crate::disk::{Noise, text};
use crate::qcow2::encode::{Cell, Qcow2, Written};

pub(crate) fn recipe() -> Qcow2 {
    let mut recipe = Qcow2::new(16, 1 << 20);
    recipe.cells = BTreeMap::from([
        (0, Cell::Data(text(1 << 16))),
        (2, Cell::Data(Noise::new(1).bytes(1 << 16))),
        (3, Cell::Compressed(text(1 << 16))),
    ]);
    recipe
}

pub(crate) fn edited(edit: impl Fn(&mut Written)) -> Vec<u8> {
    let mut written = recipe().write();
    edit(&mut written);
    written.file
}
