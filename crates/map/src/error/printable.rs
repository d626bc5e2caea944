//! Escaping of untrusted text for terminals.
//!
//! Names and descriptors are untrusted. A line break in a name forges a line of output, an escape character controls
//! the terminal, and U+202E shows `gpj.exe` as `exe.jpg`. All text output passes through [`Printable`].

use alloc::borrow::Cow;
use alloc::string::ToString;
use core::fmt::{self, Write};

/// Invisible characters outside of Latin-1: first and last of each range, in ascending order.
///
/// Unicode 16: the categories Cf (format), Zl and Zp (separators of lines and paragraphs), and the rest of what is
/// "default ignorable", but for the first sixteen variation selectors, which emoji have.
const INVISIBLE: [(u32, u32); 25] = [
    (0x034f, 0x034f),
    (0x0600, 0x0605),
    (0x061c, 0x061c),
    (0x06dd, 0x06dd),
    (0x070f, 0x070f),
    (0x0890, 0x0891),
    (0x08e2, 0x08e2),
    (0x115f, 0x1160),
    (0x17b4, 0x17b5),
    (0x180e, 0x180e),
    (0x200b, 0x200f),
    (0x2028, 0x202e),
    (0x2060, 0x206f),
    (0x3164, 0x3164),
    (0xfeff, 0xfeff),
    (0xffa0, 0xffa0),
    (0xfff0, 0xfffb),
    (0x1_10bd, 0x1_10bd),
    (0x1_10cd, 0x1_10cd),
    (0x1_3430, 0x1_343f),
    (0x1_bca0, 0x1_bca3),
    (0x1_d173, 0x1_d17a),
    (0xe_0000, 0xe_0fff),
    (0xf_fffe, 0xf_ffff),
    (0x10_fffe, 0x10_ffff),
];

/// Whether a character is visible and does not affect the text around it.
pub fn is_printable(c: char) -> bool {
    match u32::from(c) {
        0x20..=0x7e => true,
        // U+00AD is the soft hyphen.
        code @ ..0x300 => code >= 0xa0 && code != 0xad,
        code => {
            let at = INVISIBLE.partition_point(|(_, last)| *last < code);
            INVISIBLE.get(at).is_none_or(|(first, _)| code < *first)
        }
    }
}

/// Text with every unprintable character escaped as in Rust: `\n`, `\u{1b}`, `\u{202e}`.
#[derive(Clone, Copy, Debug)]
pub struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(|c| !is_printable(c)) {
            let (plain, tail) = rest.split_at(at);
            f.write_str(plain)?;
            let mut chars = tail.chars();
            match chars.next() {
                Some(c @ ('\t' | '\n' | '\r')) => write!(f, "{}", c.escape_default())?,
                Some(c) => write!(f, "{}", c.escape_unicode())?,
                None => {}
            }
            rest = chars.as_str();
        }
        f.write_str(rest)
    }
}

/// The same as a string; printable text is borrowed.
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_printable) { text.into() } else { Printable(text).to_string().into() }
}

/// Escapes every unprintable character of a JSON text by its code. The value is unchanged, and terminals interpret none of
/// it. Neither do CI runners, which treat `##[...]` anywhere in a log as a command.
///
/// Outside of strings, only line breaks and indentation can be unprintable.
pub fn printable_json(json: &str) -> Cow<'_, str> {
    let must_escape = |c| !is_printable(c) && c != '\n';
    if json.contains("##") {
        return printable_json(&json.replace("##", "#\\u0023")).into_owned().into();
    }
    if !json.contains(must_escape) {
        return json.into();
    }
    let mut text = alloc::string::String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if must_escape(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // OK: writing into a string does not fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(c);
        }
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_escaped_and_all_others_kept() {
        for (text, want) in [
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\u{1b}[2J\u{7}\u{7f}\u{9b}", "\\u{1b}[2J\\u{7}\\u{7f}\\u{9b}"),
            ("\u{202e}\u{2066}\u{2028}\u{2029}\u{200b}", "\\u{202e}\\u{2066}\\u{2028}\\u{2029}\\u{200b}"),
            ("\u{feff}\u{ad}\u{61c}\u{e0041}\u{180e}", "\\u{feff}\\u{ad}\\u{61c}\\u{e0041}\\u{180e}"),
            (
                "Bu\u{308}ro 仮想 サーバー ❤\u{fe0f} C:\\x 'y' \u{a0}",
                "Bu\u{308}ro 仮想 サーバー ❤\u{fe0f} C:\\x 'y' \u{a0}",
            ),
            ("", ""),
        ] {
            assert_eq!(Printable(text).to_string(), want);
            assert_eq!(printable(text), want);
        }
    }

    #[test]
    fn every_character_around_the_table_s_edges_is_classified() {
        assert!(INVISIBLE.windows(2).all(|pair| pair[0].1 < pair[1].0));
        for (first, last) in INVISIBLE {
            for code in [first, last] {
                assert!(char::from_u32(code).is_none_or(|c| !is_printable(c)), "{code:x}");
            }
        }
        for c in [
            '\u{5ff}',
            '\u{606}',
            '\u{200a}',
            '\u{2010}',
            '\u{2027}',
            '\u{202f}',
            '\u{205f}',
            '\u{2070}',
            '\u{1f600}',
        ] {
            assert!(is_printable(c), "{c:?}");
        }
        assert!((0..0xa0).filter_map(char::from_u32).all(|c| is_printable(c) != c.is_control()));
    }

    #[test]
    fn json_keeps_its_value() {
        let json = "{\n  \"name\": \"\u{202e}\u{e0041}\u{7f}ü\\n\"\n}";
        assert_eq!(printable_json(json), "{\n  \"name\": \"\\u202e\\udb40\\udc41\\u007fü\\n\"\n}");
        assert_eq!(printable_json("[\"###[x]\u{7f}\"]"), "[\"#\\u0023#[x]\\u007f\"]");
        assert!(matches!(printable_json("{}\n"), Cow::Borrowed(_)));
    }
}
