//! One image for each code of QED that no other image here provokes.

use crate::bytes::{le64_at, put};
use crate::model::{Provoked, Provoking};
use crate::qed::encode::{Cell, Qed, Written};

fn recipe() -> Qed {
    Qed::new(4096, 1, 16 << 12)
}

/// All of them.
pub(crate) fn provoking() -> Vec<Provoking> {
    use Provoked::{Checked, Opened, Refused};
    let over = |name: &str| Qed { backing: Some((name.into(), false)), ..recipe() }.write().file;
    let long = Qed { header: 300, backing: Some(("a".repeat((1 << 20) + 1), true)), ..recipe() }.write().file;
    let need_check = Qed { features: [2, 0, 0], ..recipe() }.write().file;
    vec![
        ("qed", "qed.backing.no-format", 64, Opened, over("base")),
        ("qed", "qed.check.backing-name", 66, Checked, over("ba\0e")),
        ("qed", "qed.header.need-check", 16, Opened, need_check),
        ("qed", "qed.header.odd-size", 48, Opened, Qed { size: 999, ..recipe() }.write().file),
        ("qed", "qed.header.magic", 0, Refused, vec![0; 512]),
        ("qed", "qed.limit.text", 60, Refused, long),
        repeated(),
    ]
}

/// An L1 table whose entries all name one L2 table: it is walked as often as it fits into the file.
fn repeated() -> Provoking {
    let mut recipe = Qed::new(4096, 1, 64 << 21);
    recipe.cells.insert(0, Cell::Data(vec![1; 4096]));
    let Written { mut file, l1, .. } = recipe.write();
    let entry = le64_at(&file, l1).to_le_bytes();
    put(&mut file, l1, &entry.repeat(64));
    // The first entry that would walk more bytes of tables than the file has.
    let at = l1 + file.len() as u64 / 4096 * 8;
    ("qed", "qed.table.repeated", at, Provoked::Walked, file)
}
