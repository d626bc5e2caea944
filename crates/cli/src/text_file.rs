//! Text files of users and other programs.
//!
//! These are manifests, configurations and lists of names.

use std::path::Path;

use crate::failure::{Failure, file_error};

/// The bytes without a byte order mark.
///
/// UTF-16 with a mark, as Windows writes it, is converted to UTF-8. Fails if it is invalid.
///
/// The first name of a list may begin with the bytes of a mark. UTF-16 has a NUL in each dot, slash and line
/// break, while lines of names have none.
pub(crate) fn without_mark(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    let units = |unit: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes[2..].as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
        let text = String::from_utf16(&units).ok().filter(|_| rest.is_empty());
        text.map(String::into_bytes).ok_or_else(|| "invalid UTF-16".to_string())
    };
    let is_wide = bytes.contains(&0);
    match &bytes[..] {
        [0xef, 0xbb, 0xbf, rest @ ..] => Ok(rest.to_vec()),
        [0xff, 0xfe, ..] if is_wide => units(u16::from_le_bytes),
        [0xfe, 0xff, ..] if is_wide => units(u16::from_be_bytes),
        _ => Ok(bytes),
    }
}

/// The text of a file, without a byte order mark.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    let bytes = std::fs::read(path).map_err(|error| file_error(path, &error))?;
    let wrong = |what: String| Failure::Usage(format!("{}: {what}", path.display()));
    String::from_utf8(without_mark(bytes).map_err(wrong)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        wrong(format!("invalid UTF-8 at byte {at}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_order_marks_are_stripped() {
        for (bytes, want) in [
            (&b"a\r\n"[..], &b"a\r\n"[..]),
            (b"\xef\xbb\xbfa", b"a"),
            (b"\xef\xbb\xbf", b""),
            (b"\xff\xfea\0\xfc\0", "aü".as_bytes()),
            (b"\xfe\xff\0a\xd8\x3d\xde\0", "a😀".as_bytes()),
            (b"a\xff\xfe", b"a\xff\xfe"),
            (b"\xff\xfe.raw", b"\xff\xfe.raw"),
            (b"", b""),
        ] {
            assert_eq!(without_mark(bytes.to_vec()).as_deref(), Ok(want), "{bytes:?}");
        }
        for cut in [&b"\xff\xfe\0\xd8"[..], b"\xfe\xff\0a\0"] {
            assert_eq!(without_mark(cut.to_vec()), Err("invalid UTF-16".into()));
        }
    }
}
