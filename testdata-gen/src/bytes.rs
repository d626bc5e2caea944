//! Numbers and fields in the bytes of a file.

/// Writes `bytes` over what is at `at`.
pub(crate) fn put(file: &mut [u8], at: u64, bytes: &[u8]) {
    file[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
}

/// The big-endian number at `at`.
pub(crate) fn be64_at(file: &[u8], at: u64) -> u64 {
    let at = at as usize;
    file[at..at + 8].try_into().map(u64::from_be_bytes).unwrap_or_default()
}

/// The little-endian number at `at`.
pub(crate) fn le64_at(file: &[u8], at: u64) -> u64 {
    let at = at as usize;
    file[at..at + 8].try_into().map(u64::from_le_bytes).unwrap_or_default()
}
