//! One image for each code of QCOW that no other image here provokes.

use crate::bytes::{be64_at, put};
use crate::model::{Provoked, Provoking};
use crate::qcow::encode::{Cell, Qcow, Written};

fn recipe() -> Qcow {
    Qcow::new(12, 9, 16 << 12)
}

/// All of them.
pub(crate) fn provoking() -> Vec<Provoking> {
    use Provoked::{Checked, Opened, Refused, Walked};
    let over = |name: &str| Qcow { backing: Some(name.into()), ..recipe() }.write().file;
    let name = be64_at(&over("base"), 8);
    let (repeated, entry) = repeated();
    vec![
        ("qcow", "qcow.backing.no-format", name, Opened, over("base")),
        ("qcow", "qcow.check.backing-name", name + 2, Checked, over("ba\0e")),
        ("qcow", "qcow.header.magic", 0, Refused, vec![0; 512]),
        ("qcow", "qcow.table.repeated", entry, Walked, repeated.clone()),
        ("qcow", "qcow.check.repeated", entry, Checked, repeated),
    ]
}

/// An L1 table whose entries all name one L2 table: it is walked as often as it fits into the file.
fn repeated() -> (Vec<u8>, u64) {
    let mut recipe = Qcow::new(9, 6, 64 << 15);
    recipe.cells.insert(0, Cell::Data(vec![1; 512]));
    let Written { mut file, l1, .. } = recipe.write();
    let entry = be64_at(&file, l1).to_be_bytes();
    put(&mut file, l1, &entry.repeat(64));
    // The first entry that would walk more bytes of tables than the file has.
    let at = l1 + file.len() as u64 / 512 * 8;
    (file, at)
}
