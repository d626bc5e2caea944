//! Files that are mostly holes.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Writes a file of `len` bytes with these pieces; the rest of it is a hole.
pub(crate) fn sparse<B: AsRef<[u8]>>(folder: &Path, name: &str, len: u64, pieces: &[(u64, B)]) -> PathBuf {
    let path = folder.join(name);
    let file = File::create(&path).unwrap();
    file.set_len(len).unwrap();
    pieces.iter().for_each(|(at, bytes)| file.write_all_at(bytes.as_ref(), *at).unwrap());
    path
}
