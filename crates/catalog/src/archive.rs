//! Archives, which may contain a disk image.

use imgprep_map::Probe;

use crate::foreign::{Foreign, Treatment, foreign};

const EXTRACT: Treatment = Treatment::NoDisk("extract it and convert the disk inside");

/// Bytes of a tar header.
const TAR_HEADER: usize = 512;

/// Name, offset and length of the evidence, its description, the test.
type Row = (&'static str, usize, &'static str, fn(&[u8]) -> bool);

#[rustfmt::skip]
const KINDS: &[Row] = &[
    ("zip",  4, "magic \"PK\\x03\\x04\"",       is_zip),
    ("zip",  4, "magic \"PK\\x05\\x06\" of an empty archive", |head| head.starts_with(b"PK\x05\x06\0\0\0\0")),
    ("7z",   7, "magic \"7z\\xbc\\xaf\\x27\\x1c\"", |head| head.starts_with(b"7z\xbc\xaf\x27\x1c\0")),
    ("rar",  7, "magic \"Rar!\"",               |head| head.starts_with(b"Rar!\x1a\x07\0") || head.starts_with(b"Rar!\x1a\x07\x01\0")),
    ("cpio", 6, "magic \"070701\" and numbers", |head| is_cpio(head, &[b"070701", b"070702"], 104, u8::is_ascii_hexdigit)),
    ("cpio", 6, "magic \"070707\" and numbers", |head| is_cpio(head, &[b"070707"], 70, |digit| matches!(digit, b'0'..=b'7'))),
    ("ar",   8, "magic \"!<arch>\"",            |head| head.starts_with(b"!<arch>\n")),
    ("cab",  8, "magic \"MSCF\"",               |head| head.starts_with(b"MSCF\0\0\0\0")),
    ("wim",  8, "magic \"MSWIM\"",              |head| head.starts_with(b"MSWIM\0\0\0") || head.starts_with(b"WLPWM\0\0\0")),
    ("rpm",  5, "magic ed ab ee db, version 3 or 4", |head| matches!(head, [0xed, 0xab, 0xee, 0xdb, 3 | 4, ..])),
    ("xar",  8, "magic \"xar!\", a header of 28 to 64 bytes", |head| matches!(head, [b'x', b'a', b'r', b'!', 0, 28..=64, 0, 1, ..])),
    ("squashfs", 32, "magic \"hsqs\", version 4", is_squashfs),
];

pub(crate) fn recognise(probe: &Probe<'_>) -> Option<Foreign> {
    let row = KINDS.iter().find(|(.., test)| test(probe.head));
    row.map(|(name, len, description, _)| match *name {
        "wim" => foreign(
            name,
            0,
            *len,
            description,
            Treatment::NoDisk("contains files, not a disk: apply it to a disk"),
        ),
        "squashfs" => {
            foreign(name, 0, *len, description, Treatment::NoDisk("contains files, not a disk: extract them"))
        }
        _ => foreign(name, 0, *len, description, EXTRACT),
    })
}

/// The header of the first member: an existing PKZIP version, a known method, a name.
fn is_zip(head: &[u8]) -> bool {
    let Some(member) = head.get(..30).filter(|_| head.starts_with(b"PK\x03\x04")) else { return false };
    let half = |at: usize| u16::from_le_bytes([member[at], member[at + 1]]);
    member[4] <= 63 && matches!(half(8), 0..=20 | 93..=99) && (1..=4096).contains(&half(26))
}

fn is_cpio(head: &[u8], magics: &[&[u8; 6]], len: usize, is_digit: fn(&u8) -> bool) -> bool {
    head.get(6..len + 6).is_some_and(|fields| {
        magics.iter().any(|magic| head.starts_with(*magic)) && fields[..len].iter().all(is_digit)
    })
}

/// Version 4.0, and a block size of 4 KiB to 1 MiB that agrees with its logarithm.
fn is_squashfs(head: &[u8]) -> bool {
    let Some(fields) = head.get(..32).filter(|_| head.starts_with(b"hsqs")) else { return false };
    let size = u32::from_le_bytes([fields[12], fields[13], fields[14], fields[15]]);
    let log = u16::from_le_bytes([fields[22], fields[23]]);
    fields[28..32] == [4, 0, 0, 0] && (12..=20).contains(&log) && size == 1 << log
}

/// An OVA is a tar whose first member is a descriptor, an XVA one whose first member is `ova.xml`.
pub(crate) fn tar(probe: &Probe<'_>) -> Option<Foreign> {
    let header = probe.head.get(..TAR_HEADER)?;
    let name = header[..100].split(|byte| *byte == 0).next().unwrap_or_default();
    let has_magic = matches!(&header[257..263], b"ustar\0" | b"ustar ");
    // Archives from before POSIX have no magic: the checksum identifies them.
    let has_sum = !name.is_empty() && has_checksum(header);
    if !has_magic && !has_sum {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    Some(if lower.ends_with(b".ovf") {
        foreign("ova", 0, name.len(), "a tar whose first member is an OVF descriptor", EXTRACT)
    } else if lower == b"ova.xml" {
        let treatment = Treatment::NoDisk("its disks are split into chunks: join them with xva-img");
        foreign("xva", 0, name.len(), "a tar whose first member is \"ova.xml\"", treatment)
    } else if has_magic {
        foreign("tar", 257, 5, "magic \"ustar\"", EXTRACT)
    } else {
        foreign("tar", 148, 8, "a header with a valid checksum", EXTRACT)
    })
}

/// POSIX 1003.1, ustar: the sum of all bytes, with spaces in place of the field itself.
fn has_checksum(header: &[u8]) -> bool {
    let field = &header[148..156];
    let digits: Vec<u8> = field.iter().copied().filter(|byte| !matches!(byte, 0 | b' ')).collect();
    let is_octal = !digits.is_empty() && digits.iter().all(|digit| matches!(digit, b'0'..=b'7'));
    // OK: at most eight digits.
    let stored = digits.iter().fold(0, |sum: u32, digit| sum << 3 | u32::from(digit & 7));
    let bytes = header.iter().enumerate();
    let sum: u32 = bytes.map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) }).sum();
    is_octal && sum == stored
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(start: &[u8]) -> Option<(&'static str, u64)> {
        let mut head = start.to_vec();
        head.resize(4096.max(head.len()), 0);
        let file_len = head.len() as u64;
        let probe = Probe { head: &head, tail: &head, file_len };
        let found = recognise(&probe).or_else(|| tar(&probe))?;
        Some((found.name, found.evidence.at))
    }

    fn zip(version: u8, method: u8, name: u8) -> Vec<u8> {
        let mut member = b"PK\x03\x04".to_vec();
        member.resize(30, 0);
        (member[4], member[8], member[26]) = (version, method, name);
        member
    }

    fn squashfs(log: u8) -> Vec<u8> {
        let mut head = b"hsqs".to_vec();
        head.resize(32, 0);
        (head[14], head[22], head[28]) = (2, log, 4);
        head
    }

    fn tar_of(name: &[u8], magic: &[u8]) -> Vec<u8> {
        let mut header = vec![0; 512];
        header[..name.len()].copy_from_slice(name);
        header[257..257 + magic.len()].copy_from_slice(magic);
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        header
    }

    #[test]
    fn every_kind_is_recognised() {
        let newc = [&b"070701"[..], &[b'0'; 104]].concat();
        let odc = [&b"070707"[..], &[b'0'; 70]].concat();
        for (start, want) in [
            (&zip(20, 8, 5)[..], "zip"),
            (b"PK\x05\x06\0\0\0\0", "zip"),
            (b"7z\xbc\xaf\x27\x1c\0\x04", "7z"),
            (b"Rar!\x1a\x07\0", "rar"),
            (b"Rar!\x1a\x07\x01\0", "rar"),
            (&newc, "cpio"),
            (&odc, "cpio"),
            (b"!<arch>\n", "ar"),
            (b"MSCF\0\0\0\0", "cab"),
            (b"MSWIM\0\0\0", "wim"),
            (b"WLPWM\0\0\0", "wim"),
            (b"\xed\xab\xee\xdb\x03\0", "rpm"),
            (b"xar!\0\x1c\0\x01", "xar"),
            (&squashfs(17), "squashfs"),
            (&tar_of(b"machine.ovf", b"ustar\0"), "ova"),
            (&tar_of(b"MACHINE.OVF", b""), "ova"),
            (&tar_of(b"ova.xml", b"ustar\0"), "xva"),
        ] {
            assert_eq!(found(start), Some((want, 0)));
        }
    }

    #[test]
    fn a_tar_is_recognised_by_its_magic_or_its_checksum() {
        assert_eq!(found(&tar_of(b"disk.raw", b"ustar\0")), Some(("tar", 257)));
        assert_eq!(found(&tar_of(b"disk.raw", b"ustar  ")), Some(("tar", 257)));
        assert_eq!(found(&tar_of(b"disk.raw", b"")), Some(("tar", 148)));
    }

    #[test]
    fn similar_beginnings_are_not_recognised() {
        let mut wrong_sum = tar_of(b"disk.raw", b"");
        wrong_sum[3] ^= 1;
        let cut = [&b"070701"[..], &[b'0'; 103]].concat();
        let octal = [&b"070707"[..], &[b'8'; 70]].concat();
        for start in [
            &zip(64, 8, 5)[..],
            &zip(20, 50, 5),
            &zip(20, 8, 0),
            b"PK\x05\x06\x01\0\0\0",
            b"7z\xbc\xaf\x27\x1c\x01",
            b"Rar!\x1a\x07\x02",
            &cut,
            &octal,
            b"!<arch>x",
            b"MSCF\0\0\0\x01",
            b"MSWIM\0\0\x01",
            b"\xed\xab\xee\xdb\x05",
            b"xar!\0\x10\0\x01",
            &squashfs(16),
            b"hsqs",
            &wrong_sum,
            &tar_of(b"", b""),
            &[0; 512],
        ] {
            assert_eq!(found(start), None, "{:02x?}", &start[..8]);
        }
        let mut named = vec![0; 512];
        named[257..262].copy_from_slice(b"ustar");
        named[262] = b'x';
        assert_eq!(found(&named), None, "a word at 257, and not a magic");
    }
}
