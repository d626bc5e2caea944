//! Detection: the bytes that a format inspects, and its evidence.

use alloc::string::String;

/// Head and tail of a file, sufficient for every format to recognise its files.
#[derive(Clone, Copy, Debug)]
pub struct Probe<'a> {
    /// The first [`Probe::HEAD`] bytes, or the whole file if it is shorter.
    pub head: &'a [u8],
    /// The last [`Probe::TAIL`] bytes, or the whole file if it is shorter.
    pub tail: &'a [u8],
    /// Length of the file.
    pub file_len: u64,
}

impl Probe<'_> {
    /// Length of the head: sufficient for ISO 9660 (`CD001` at 32769).
    pub const HEAD: u64 = 64 << 10;
    /// Length of the tail: the last page of ZVHD2 and VHD.
    pub const TAIL: u64 = 4096;

    /// File offset of the tail's first byte.
    pub fn tail_at(&self) -> u64 {
        self.file_len.saturating_sub(self.tail.len() as u64)
    }

    /// Whether the head contains `magic` at `at`.
    pub fn has(&self, at: usize, magic: &[u8]) -> bool {
        self.head.get(at..).is_some_and(|rest| rest.starts_with(magic))
    }
}

/// The evidence for a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// File offset of the evidence.
    pub at: u64,
    /// Length of the evidence, in bytes.
    pub len: u64,
    /// A description: `magic "QFI\xfb", version 3`.
    pub description: String,
}
