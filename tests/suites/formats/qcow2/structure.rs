//! The structure check of QCOW2 on repeated tables.

use std::path::{Path, PathBuf};

use testdata_gen::{Cell, Qcow2};

/// QCOW2 with one L2 table for all of a disk of 4 GiB.
fn repeated_qcow2(folder: &Path) -> PathBuf {
    let mut recipe = Qcow2::new(12, 4 << 30);
    recipe.cells.insert(0, Cell::Data(vec![1; 4096]));
    let mut file = recipe.write().file;
    let l1 = usize::from_be_bytes(file[40..48].try_into().unwrap());
    let table: [u8; 8] = file[l1..l1 + 8].try_into().unwrap();
    file[l1..l1 + 2048 * 8].copy_from_slice(&table.repeat(2048));
    let path = folder.join("repeated.qcow2");
    std::fs::write(&path, file).unwrap();
    path
}

#[test]
fn repeated_tables_cost_a_single_walk() {
    let folder = tempfile::tempdir().unwrap();
    let path = repeated_qcow2(folder.path());
    crate::support::anomalies::repeated_tables_cost_a_single_walk("qcow2", &path);
}
