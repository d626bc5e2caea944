//! Bytes that should be zero.

/// The index of the first byte that is not zero, and the byte.
pub fn first_nonzero(bytes: &[u8]) -> Option<(usize, u8)> {
    bytes.iter().copied().enumerate().find(|(_, byte)| *byte != 0)
}
