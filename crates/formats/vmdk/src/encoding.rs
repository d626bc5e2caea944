//! Names in the descriptor's own encoding -> the names of files.

use alloc::string::String;
use alloc::vec::Vec;

/// Bytes 0x80 to 0x9f of windows-1252; the five that it leaves out stay control characters.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}',
    '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// Whether names that are not plain ASCII can be understood in this encoding.
pub(crate) fn is_known(encoding: &str) -> bool {
    ["utf-8", "windows-1252"].iter().any(|known| encoding.eq_ignore_ascii_case(known))
}

/// A name as UTF-8, where its encoding is known; else as it stands.
pub(crate) fn decode(name: &[u8], encoding: &str) -> Vec<u8> {
    if name.is_ascii() || !encoding.eq_ignore_ascii_case("windows-1252") {
        return name.to_vec();
    }
    let text: String = name.iter().map(|byte| char_of(*byte)).collect();
    text.into_bytes()
}

fn char_of(byte: u8) -> char {
    match byte {
        // OK: the table has 32 entries.
        0x80..=0x9f => WINDOWS_1252[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_windows() {
        assert_eq!(decode(b"caf\xe9 \x80.vmdk", "windows-1252"), "café €.vmdk".as_bytes());
        assert_eq!(decode("café".as_bytes(), "UTF-8"), "café".as_bytes());
        assert_eq!(decode(b"\xe9", "GBK"), b"\xe9");
        assert!(is_known("utf-8") && is_known("Windows-1252") && !is_known("GBK"));
    }
}
