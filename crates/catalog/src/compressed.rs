//! One file, compressed. Their magics are short: what follows must make sense, too, or a boot sector
//! could be taken for one.

use imgprep_map::Probe;

use crate::foreign::{Foreign, Treatment, foreign};

const EXTRACT: Treatment = Treatment::NoDisk("extract it first");

/// Name, bytes that speak, what they say, the test.
type Row = (&'static str, usize, &'static str, fn(&[u8]) -> bool);

#[rustfmt::skip]
const KINDS: &[Row] = &[
    ("gzip",     10, "magic 1f 8b, method deflate",        is_gzip),
    ("xz",       8,  "magic \"\\xfd7zXZ\"",                is_xz),
    ("zstd",     5,  "magic 28 b5 2f fd",                  is_zstd),
    ("bzip2",    10, "magic \"BZh\" and a block magic",  is_bzip2),
    ("lz4",      6,  "magic 04 22 4d 18, version 1",       is_lz4),
    ("lz4",      8,  "magic 02 21 4c 18",                  is_old_lz4),
    ("lzma",     14, "properties 5d, dictionary and length", is_lzma),
    ("lzip",     6,  "magic \"LZIP\", version 1",          is_lzip),
    ("lzop",     9,  "magic \"\\x89LZO\"",                 |head| head.starts_with(b"\x89LZO\0\r\n\x1a\n")),
    ("lrzip",    6,  "magic \"LRZI\", version 0",          |head| head.starts_with(b"LRZI\0") && head.get(5).is_some_and(|minor| *minor < 16)),
    ("bzip3",    9,  "magic \"BZ3v1\" and a block size",   is_bzip3),
    ("compress", 5,  "magic 1f 9d, 9 to 16 bits",          is_compress),
];

pub(crate) fn recognise(probe: &Probe<'_>) -> Option<Foreign> {
    let (name, len, description, _) = KINDS.iter().find(|(.., test)| test(probe.head))?;
    Some(foreign(name, 0, *len, description, EXTRACT))
}

fn word(head: &[u8], at: usize) -> Option<u32> {
    head.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

/// RFC 1952: method 8, no reserved flag, an operating system that has a number.
fn is_gzip(head: &[u8]) -> bool {
    let Some(&[0x1f, 0x8b, 8, flags, .., system]) = head.get(..10) else { return false };
    flags & 0xe0 == 0 && matches!(system, 0..=13 | 255)
}

/// The stream's flags: a zero byte, then one of 16 checks.
fn is_xz(head: &[u8]) -> bool {
    head.starts_with(b"\xfd7zXZ\0\0") && head.get(7).is_some_and(|check| *check < 16)
}

/// RFC 8878: the reserved bit is zero. A skippable frame may stand before the first one.
fn is_zstd(head: &[u8]) -> bool {
    let skipped = match head {
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => word(head, 4).unwrap_or(u32::MAX).saturating_add(8),
        _ => 0,
    };
    let frame = head.get(skipped as usize..).unwrap_or_default();
    matches!(frame, [0x28, 0xb5, 0x2f, 0xfd, flags, ..] if flags & 8 == 0)
}

/// A level, then a block (pi) or, in an empty file, the end (its square root).
fn is_bzip2(head: &[u8]) -> bool {
    matches!(head, [b'B', b'Z', b'h', b'1'..=b'9', ..])
        && matches!(
            head.get(4..10),
            Some([0x31, 0x41, 0x59, 0x26, 0x53, 0x59] | [0x17, 0x72, 0x45, 0x38, 0x50, 0x90])
        )
}

/// The frame's flags: version 1, reserved bits zero, blocks of 64 KiB to 4 MiB.
fn is_lz4(head: &[u8]) -> bool {
    matches!(head, [0x04, 0x22, 0x4d, 0x18, flags, blocks, ..]
        if flags & 0xc2 == 0x40 && blocks & 0x8f == 0 && blocks >> 4 >= 4)
}

/// The first block's length: at most what 8 MiB can grow to.
fn is_old_lz4(head: &[u8]) -> bool {
    head.starts_with(&[0x02, 0x21, 0x4c, 0x18])
        && word(head, 4).is_some_and(|len| (1..=(8 << 20) + (8 << 20) / 255 + 16).contains(&len))
}

/// No magic at all, but 14 bytes that are hardly ever something else: the usual properties, a dictionary
/// of 2^n or 3 * 2^n bytes, a length that is unknown or below 1 TiB, a first code byte of 0.
fn is_lzma(head: &[u8]) -> bool {
    let Some(&[0x5d, ref dictionary @ .., 0]) = head.get(..14) else { return false };
    let len = dictionary[4..].iter().rev().fold(0, |len: u64, byte| len << 8 | u64::from(*byte));
    let size = word(dictionary, 0).unwrap_or(0);
    let is_round = size.is_power_of_two() || size.is_multiple_of(3) && (size / 3).is_power_of_two();
    size >= 4096 && is_round && (len == u64::MAX || (1..1 << 40).contains(&len))
}

fn is_lzip(head: &[u8]) -> bool {
    head.starts_with(b"LZIP\x01") && head.get(5).is_some_and(|size| matches!(size & 0x1f, 12..=29))
}

/// Blocks of 65 KiB to 511 MiB.
fn is_bzip3(head: &[u8]) -> bool {
    head.starts_with(b"BZ3v1") && word(head, 5).is_some_and(|size| (65 << 10..=511 << 20).contains(&size))
}

/// Codes grow to 9 to 16 bits; the first one is a byte as it is, so its ninth bit is clear.
fn is_compress(head: &[u8]) -> bool {
    matches!(head, [0x1f, 0x9d, flags, _, second, ..]
        if flags & 0x60 == 0 && matches!(flags & 0x1f, 9..=16) && second & 1 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(start: &[u8]) -> Option<&'static str> {
        let mut head = start.to_vec();
        head.resize(4096, 0);
        let file_len = head.len() as u64;
        recognise(&Probe { head: &head, tail: &head, file_len }).map(|found| found.name)
    }

    #[test]
    fn every_kind_is_recognised_by_its_first_bytes() {
        let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4, 0x28, 0xb5, 0x2f, 0xfd][..], &[4]];
        let unknown = [&[0x5d, 0, 0, 0x80, 0][..], &[0xff; 8], &[0]].concat();
        let known = [&[0x5d, 0, 0, 0x60, 0][..], &(1_u64 << 30).to_le_bytes(), &[0]].concat();
        for (start, want) in [
            (&[0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3][..], "gzip"),
            (b"\xfd7zXZ\0\0\x04", "xz"),
            (&[0x28, 0xb5, 0x2f, 0xfd, 0x04], "zstd"),
            (&skipped.concat(), "zstd"),
            (b"BZh91AY&SY", "bzip2"),
            (b"BZh9\x17\x72\x45\x38\x50\x90", "bzip2"),
            (&[0x04, 0x22, 0x4d, 0x18, 0x64, 0x40], "lz4"),
            (&[0x02, 0x21, 0x4c, 0x18, 0, 1, 0, 0], "lz4"),
            (&unknown, "lzma"),
            (&known, "lzma"),
            (b"LZIP\x01\x0c", "lzip"),
            (b"\x89LZO\0\r\n\x1a\n", "lzop"),
            (b"LRZI\0\x06", "lrzip"),
            (b"BZ3v1\0\0\0\x01", "bzip3"),
            (&[0x1f, 0x9d, 0x90, b'a', 0xc4], "compress"),
        ] {
            assert_eq!(name(start), Some(want), "{start:02x?}");
        }
    }

    #[test]
    fn similar_beginnings_are_not_recognised() {
        for start in [
            &[0x1f, 0x8b][..],
            &[0x1f, 0x8b, 7, 0, 0, 0, 0, 0, 0, 3],
            &[0x1f, 0x8b, 8, 0x20, 0, 0, 0, 0, 0, 3],
            &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 14],
            b"\xfd7zXZ\0\x01\x04",
            b"\xfd7zXZ\0\0\x10",
            &[0x28, 0xb5, 0x2f, 0xfd, 0x08],
            &[0x28, 0xb5, 0x2f, 0xfc, 0],
            &[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4, 5],
            &[0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0xff],
            b"BZh91AY&SX",
            b"BZh01AY&SY",
            b"BZhello",
            &[0x04, 0x22, 0x4d, 0x18, 0x24, 0x40],
            &[0x04, 0x22, 0x4d, 0x18, 0x66, 0x40],
            &[0x04, 0x22, 0x4d, 0x18, 0x64, 0x30],
            &[0x04, 0x22, 0x4d, 0x18, 0x64, 0xc0],
            &[0x02, 0x21, 0x4c, 0x18, 0, 0, 0, 0],
            &[0x02, 0x21, 0x4c, 0x18, 0, 0, 0, 0x7f],
            &[0x5d, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0x5d, 1, 0, 0x80, 0, 255, 255, 255, 255, 255, 255, 255, 255, 0],
            &[0x5d, 0, 0, 0x80, 0, 255, 255, 255, 255, 255, 255, 255, 255, 1],
            b"LZIP\x02\x0c",
            b"LZIP\x01\x0b",
            b"\x89LZO\0\r\n\x1a\r",
            b"LRZI\x01\x06",
            b"BZ3v1\0\0\0\0",
            &[0x1f, 0x9d, 0x88, b'a', 0xc5],
            &[0x1f, 0x9d, 0x91, b'a', 0],
            &[0x1f, 0x9d, 0xf0, b'a', 0],
        ] {
            assert_eq!(name(start), None, "{start:02x?}");
        }
    }

    #[test]
    fn a_head_of_any_length_is_accepted() {
        let whole = [&[0x5d, 0, 0, 0x80, 0][..], &[0xff; 8], &[0]].concat();
        for start in [&b"BZh91AY&SY"[..], &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], &whole] {
            for len in 0..start.len() {
                let head = &start[..len];
                let found = recognise(&Probe { head, tail: head, file_len: len as u64 });
                assert!(found.is_none(), "{head:02x?}");
            }
        }
    }
}
