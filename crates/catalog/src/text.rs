//! Text in any encoding: error pages from downloads, checksums, settings.
//!
//! All bytes of the head and of the tail must be text, so a disk that only begins with text does not count as text.

use imgprep_map::Probe;

use crate::foreign::{Foreign, Treatment, foreign};
use crate::library;

use Treatment::NoDisk;

const OTHER: Treatment = NoDisk("text, not a disk: obtain the image file itself");
const FETCH: Treatment = NoDisk("the download contains a message instead of the file: download it again");

/// Characters at the start that determine the kind of text.
const SHOWN: usize = 512;
/// A file without a space or a line break is text only below this length, in bytes.
const SHORT: u64 = 4096;

/// How text is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Utf8,
    /// Windows-1252, Latin-1 or another encoding that extends ASCII.
    EightBit,
    Utf16 {
        is_little: bool,
        has_mark: bool,
    },
    Utf32 {
        is_little: bool,
    },
}

impl Encoding {
    fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "text",
            Self::EightBit => "text in an 8-bit encoding",
            Self::Utf16 { is_little: true, .. } => "text in UTF-16LE",
            Self::Utf16 { is_little: false, .. } => "text in UTF-16BE",
            Self::Utf32 { .. } => "text in UTF-32",
        }
    }
}

/// The kind of a file whose bytes are all text.
pub(crate) fn recognise(probe: &Probe<'_>) -> Option<Foreign> {
    let encoding = encoding(probe)?;
    let start = decoded(probe.head, encoding);
    let start = start.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let (name, what, treatment) = kind(start, encoding, probe.head);
    let description =
        if encoding == Encoding::Utf8 { what.into() } else { format!("{what}: {}", encoding.name()) };
    Some(foreign(name, 0, probe.head.len().min(24), &description, treatment))
}

fn encoding(probe: &Probe<'_>) -> Option<Encoding> {
    let (head, tail) = (probe.head, probe.tail);
    let is_whole = probe.file_len == head.len() as u64;
    let wide = match head {
        [0xff, 0xfe, 0, 0, ..] => Some(Encoding::Utf32 { is_little: true }),
        [0, 0, 0xfe, 0xff, ..] => Some(Encoding::Utf32 { is_little: false }),
        [0xff, 0xfe, _, _, ..] => Some(Encoding::Utf16 { is_little: true, has_mark: true }),
        [0xfe, 0xff, _, _, ..] => Some(Encoding::Utf16 { is_little: false, has_mark: true }),
        _ => None,
    };
    if let Some(wide) = wide {
        return is_wide_text(probe, wide).then_some(wide);
    }
    if head.iter().chain(tail).all(|byte| is_text(*byte)) && has_words(probe) {
        return match core::str::from_utf8(head) {
            Ok(_) => Some(Encoding::Utf8),
            // The head ends within a character.
            Err(error) if error.error_len().is_none() && !is_whole => Some(Encoding::Utf8),
            Err(_) => is_eight_bit(head).then_some(Encoding::EightBit),
        };
    }
    // UTF-16 without a mark: most characters are ASCII, so every other byte is zero.
    [true, false].into_iter().map(|is_little| Encoding::Utf16 { is_little, has_mark: false }).find(|wide| {
        let ascii = units(head, *wide).filter(|unit| *unit < 0x80).count();
        head.len() >= 8 && ascii * 4 >= head.len() && is_wide_text(probe, *wide)
    })
}

/// Not a control character, except tab, line feed, form feed, carriage return, escape and the DOS end-of-file mark.
fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | 0x0c | b'\r' | 0x1a | 0x1b | 0x20..=0x7e | 0x80..=0xff)
}

/// A space or a line break, or a short file of more than two different bytes: a disk may be filled with one.
fn has_words(probe: &Probe<'_>) -> bool {
    let head = probe.head;
    let is_varied = || {
        let others = head.iter().filter(|byte| **byte != head[0]);
        others.clone().next().is_some_and(|second| others.clone().any(|byte| byte != second))
    };
    let is_varied = !head.is_empty() && is_varied();
    is_varied && (probe.file_len < SHORT || head.iter().any(|byte| matches!(byte, b' ' | b'\n' | b'\r')))
}

/// Mostly ASCII, or so long that random bytes would contain control characters.
fn is_eight_bit(head: &[u8]) -> bool {
    let ascii = head.iter().filter(|byte| byte.is_ascii()).count();
    ascii * 2 >= head.len() || head.len() >= 512
}

fn is_wide_text(probe: &Probe<'_>, encoding: Encoding) -> bool {
    let size = if matches!(encoding, Encoding::Utf32 { .. }) { 4 } else { 2 };
    if !probe.file_len.is_multiple_of(size) {
        return false;
    }
    // OK: less than four bytes.
    let skipped = (size - probe.tail_at() % size) % size;
    let tail = probe.tail.get(skipped as usize..).unwrap_or_default();
    let is_character =
        |unit: u32| !matches!(unit, 0..=8 | 0x0e..=0x19 | 0x7f | 0xfffe | 0xffff | 0x11_0000..);
    units(probe.head, encoding).chain(units(tail, encoding)).all(is_character)
}

/// The code units, each as a number.
fn units(bytes: &[u8], encoding: Encoding) -> Box<dyn Iterator<Item = u32> + '_> {
    match encoding {
        Encoding::Utf16 { is_little, .. } => Box::new(bytes.chunks_exact(2).map(move |unit| {
            let unit = [unit[0], unit[1]];
            u32::from(if is_little { u16::from_le_bytes(unit) } else { u16::from_be_bytes(unit) })
        })),
        Encoding::Utf32 { is_little } => Box::new(bytes.chunks_exact(4).map(move |unit| {
            let unit = [unit[0], unit[1], unit[2], unit[3]];
            if is_little { u32::from_le_bytes(unit) } else { u32::from_be_bytes(unit) }
        })),
        Encoding::Utf8 | Encoding::EightBit => Box::new(bytes.iter().map(|byte| u32::from(*byte))),
    }
}

/// The first characters.
fn decoded(head: &[u8], encoding: Encoding) -> String {
    if encoding == Encoding::Utf8 {
        return String::from_utf8_lossy(&head[..head.len().min(SHOWN)]).into_owned();
    }
    units(head, encoding).take(SHOWN).map(|unit| char::from_u32(unit).unwrap_or('\u{fffd}')).collect()
}

/// First words of a text, in lower case: name, words, description, what to do.
#[rustfmt::skip]
const BEGINNINGS: &[(&str, &[&str], &str, Treatment)] = &[
    ("html", &["<!doctype html", "<html", "<head", "<body"], "an HTML page", FETCH),
    ("xml", &["<?xml", "<envelope", "<error>"], "an XML document", NoDisk("if it is an OVF descriptor, convert the disks that it names")),
    ("vmx", &[".encoding =", "config.version =", "config.version="], "a machine's settings", NoDisk("convert the disks that it names")),
    ("error-page", &["http/1.", "http/2", "404", "403", "401", "400 bad", "500 internal", "502 bad", "503 service", "not found",
        "access denied", "forbidden", "unauthorized", "no such key", "nosuchkey", "file not found", "error:"],
        "an error message of a server", FETCH),
    ("pem", &["-----begin "], "a key, certificate or signature", NoDisk("it belongs to another file: use that one")),
    ("signature", &["untrusted comment:"], "a signature of minisign", NoDisk("it belongs to another file: use that one")),
    ("script", &["#!/"], "a script", OTHER),
];

const SUMS: (&str, &str, Treatment) =
    ("checksum", "a list of checksums", NoDisk("it belongs to another file: use that one"));
const IN_UTF16: &str = "a VMDK descriptor";
const RECODE: Treatment =
    NoDisk("descriptors must have an ASCII-based encoding: convert a copy next to the original");

fn kind(start: &str, encoding: Encoding, head: &[u8]) -> (&'static str, &'static str, Treatment) {
    let lower = start.to_ascii_lowercase();
    if let Encoding::Utf16 { is_little, has_mark } = encoding
        && (lower.starts_with("# disk descriptorfile") || lower.contains("createtype="))
    {
        return match (has_mark, is_little) {
            (true, _) => ("vmdk-utf16", IN_UTF16, RECODE),
            (false, true) => ("vmdk-utf16le", IN_UTF16, RECODE),
            (false, false) => ("vmdk-utf16be", IN_UTF16, RECODE),
        };
    }
    let begins = |words: &&[&str]| words.iter().any(|word| lower.starts_with(word));
    if let Some((name, _, description, treatment)) = BEGINNINGS.iter().find(|(_, words, ..)| begins(words)) {
        return (name, description, *treatment);
    }
    if is_json(start) {
        return ("json", "a JSON document", FETCH);
    }
    if is_checksum(&lower) {
        return SUMS;
    }
    library::text(head).map_or(("text", "only text", OTHER), |(name, description)| (name, description, OTHER))
}

/// An object or a list, by its first two characters that are not spaces.
fn is_json(start: &str) -> bool {
    let mut characters = start.chars().filter(|c| !c.is_whitespace());
    match (characters.next(), characters.next()) {
        (Some('{'), second) => matches!(second, None | Some('"' | '}')),
        (Some('['), second) => matches!(second, None | Some('{' | '[' | '"' | ']' | '-' | '0'..='9')),
        _ => false,
    }
}

/// A first line of hexadecimal digits and a name, or of `SHA256 (name) = digits`.
fn is_checksum(lower: &str) -> bool {
    let line = lower.lines().next().unwrap_or_default().trim_start_matches('\\');
    let first = line.split([' ', '\t']).next().unwrap_or_default();
    let is_sum = matches!(first.len(), 8 | 32 | 40 | 56 | 64 | 96 | 128)
        && first.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_tagged = || {
        let kind = line.split_once(" (").or_else(|| line.split_once('('));
        kind.is_some_and(|(kind, rest)| {
            ["md5", "sha", "blake", "sm3", "rmd160"].iter().any(|known| kind.starts_with(known))
                && rest.contains('=')
        })
    };
    is_sum || is_tagged()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8]) -> Option<Foreign> {
        let head = &bytes[..bytes.len().min(65536)];
        let tail = &bytes[bytes.len().saturating_sub(4096)..];
        recognise(&Probe { head, tail, file_len: bytes.len() as u64 })
    }

    fn name(bytes: &[u8]) -> Option<&'static str> {
        found(bytes).map(|found| found.name)
    }

    fn wide(text: &str, is_little: bool, mark: bool) -> Vec<u8> {
        let text = if mark { format!("\u{feff}{text}") } else { text.to_string() };
        let bytes = |unit: u16| if is_little { unit.to_le_bytes() } else { unit.to_be_bytes() };
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn texts_are_recognised_by_their_first_words() {
        for (start, want) in [
            (&b"<!DOCTYPE HTML>\n<title>404 Not Found</title>"[..], "html"),
            (b"\xef\xbb\xbf<?xml version=\"1.0\"?>\n<Envelope>", "xml"),
            (b"  \n<html><body>", "html"),
            (b".encoding = \"UTF-8\"\n", "vmx"),
            (b"{\"error\":{\"code\":\"AuthenticationFailed\"}}\n", "json"),
            (b"[\n  {\"a\": 1}\n]\n", "json"),
            (b"404: Not Found", "error-page"),
            (b"HTTP/1.1 403 Forbidden\r\n", "error-page"),
            (b"-----BEGIN PGP SIGNATURE-----\n", "pem"),
            (b"untrusted comment: minisign public key\n", "signature"),
            (b"d41d8cd98f00b204e9800998ecf8427e  disk.qcow2\n", "checksum"),
            (
                b"SHA256 (disk.qcow2) = e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n",
                "checksum",
            ),
            (b"#!/bin/sh\necho\n", "script"),
            (b"[section]\nkey = value\n", "text"),
            (b"hello", "text"),
        ] {
            assert_eq!(name(start), Some(want), "{}", String::from_utf8_lossy(start));
        }
    }

    #[test]
    fn text_is_recognised_in_every_encoding() {
        let words = "Gr\u{fc}\u{df}e vom Server\r\n";
        let latin: Vec<u8> = words.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        assert_eq!(found(words.as_bytes()).unwrap().evidence.description, "only text");
        assert_eq!(found(&latin).unwrap().evidence.description, "only text: text in an 8-bit encoding");
        for is_little in [true, false] {
            for mark in [true, false] {
                let description = found(&wide(words, is_little, mark)).unwrap().evidence.description;
                let want = if is_little { "UTF-16LE" } else { "UTF-16BE" };
                assert_eq!(description, format!("only text: text in {want}"));
            }
        }
        let utf32: Vec<u8> =
            format!("\u{feff}{words}").chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        assert_eq!(found(&utf32).unwrap().evidence.description, "only text: text in UTF-32");
        // The head ends within a character of the long text.
        let long = "\u{20ac} ".repeat(30_000);
        assert_eq!(found(long.as_bytes()).unwrap().evidence.description, "only text");
    }

    #[test]
    fn a_vmdk_descriptor_in_utf_16_is_recognised() {
        let text = "# Disk DescriptorFile\nversion=1\ncreateType=\"vmfs\"\n";
        assert_eq!(name(&wide(text, true, true)), Some("vmdk-utf16"));
        assert_eq!(name(&wide(text, true, false)), Some("vmdk-utf16le"));
        assert_eq!(name(&wide(text, false, false)), Some("vmdk-utf16be"));
        assert_eq!(name(&wide("version=1\ncreateType=\"vmfs\"\n", true, true)), Some("vmdk-utf16"));
    }

    #[test]
    fn a_disk_is_not_recognised_as_text() {
        let mut zeros_after = b"a text\n".repeat(10_000);
        zeros_after.extend([0; 8192]);
        let mut zeros_before = vec![0; 70_000];
        zeros_before.extend(b"a text\n".repeat(1000));
        let control: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        let wide_zeros = [&b"\xff\xfe"[..], &[0; 4094]].concat();
        for disk in [
            &zeros_after[..],
            &zeros_before,
            &control,
            &wide_zeros,
            &vec![0xff; 65536],
            &[0xf6; 4096],
            &vec![b'Z'; 65536],
            &b"ZY".repeat(4096),
            &[0xfe, 0xff],
            b"<html>\0\0\0",
            b"",
        ] {
            assert_eq!(name(disk), None, "{:02x?}", &disk[..disk.len().min(8)]);
        }
    }
}
