//! Detection: what a format is shown, and what it answers.

use alloc::string::String;

/// The ends of a file, enough for every format to recognise its own.
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
    /// Bytes shown of the beginning: enough for ISO 9660 (`CD001` at 32769).
    pub const HEAD: u64 = 64 << 10;
    /// Bytes shown of the end: ZVHD2's and VHD's last page.
    pub const TAIL: u64 = 4096;

    /// File offset of the tail's first byte.
    pub fn tail_at(&self) -> u64 {
        self.file_len.saturating_sub(self.tail.len() as u64)
    }

    /// Whether `magic` stands at `at`, which must be within the head.
    pub fn has(&self, at: usize, magic: &[u8]) -> bool {
        self.head.get(at..).is_some_and(|rest| rest.starts_with(magic))
    }
}

/// Why a file is thought to be of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// File offset of the bytes that say so.
    pub at: u64,
    /// How many bytes say so.
    pub len: u64,
    /// In words: `magic "QFI\xfb", version 3`.
    pub says: String,
}
