//! Files that tests write.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use testdata_gen::{Cell, Noise, Qcow2};

/// Writes a file of `len` bytes with these pieces; the rest of it is a hole.
pub(crate) fn sparse<B: AsRef<[u8]>>(folder: &Path, name: &str, len: u64, pieces: &[(u64, B)]) -> PathBuf {
    let path = folder.join(name);
    let file = File::create(&path).unwrap();
    file.set_len(len).unwrap();
    pieces.iter().for_each(|(at, bytes)| file.write_all_at(bytes.as_ref(), *at).unwrap());
    path
}

/// Writes a file.
pub(crate) fn write(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    std::fs::write(folder.join(name), bytes).unwrap();
}

/// A QCOW2 of 1 MiB with one cluster of noise.
pub(crate) fn qcow2() -> Vec<u8> {
    let cells = BTreeMap::from([(0, Cell::Data(Noise::new(3).bytes(65536)))]);
    Qcow2 { cells, ..Qcow2::new(16, 1 << 20) }.write().file
}
