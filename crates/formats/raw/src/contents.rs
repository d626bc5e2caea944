//! What can be seen inside a RAW disk from its first bytes.

use core::fmt;

/// What the first bytes look like. A hint for people: nothing is read by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// No byte at all.
    Empty,
    /// Only zeros in the bytes seen.
    Zeros,
    /// A GUID partition table.
    Gpt,
    /// A master boot record with partitions.
    Mbr,
    /// A boot sector without a partition table.
    BootSector,
    /// A LUKS header.
    Luks,
    /// A file system, or another volume, without partitions around it.
    Volume(&'static str),
    /// An ISO 9660 image.
    Iso9660,
    /// None of these.
    Unknown,
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "empty file",
            Self::Zeros => "zeros at the beginning",
            Self::Gpt => "GPT partitions",
            Self::Mbr => "MBR partitions",
            Self::BootSector => "boot sector without partitions",
            Self::Luks => "LUKS encrypted volume",
            Self::Volume(name) => return write!(f, "bare {name}"),
            Self::Iso9660 => "ISO 9660",
            Self::Unknown => "unknown contents",
        })
    }
}

/// Offset, magic, name: each from the structure's own specification.
const VOLUMES: &[(usize, &[u8], &str)] = &[
    (0, b"XFSB", "XFS file system"),
    (3, b"NTFS    ", "NTFS file system"),
    (54, b"FAT1", "FAT file system"),
    (82, b"FAT32", "FAT file system"),
    (1080, b"\x53\xef", "ext file system"),
    (4086, b"SWAPSPACE2", "swap space"),
    (536, b"LVM2 001", "LVM volume"),
];

/// Looks at the beginning of a disk: 40 KiB tell all there is to tell.
pub fn contents(head: &[u8]) -> Contents {
    let has = |at: usize, magic: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(magic));
    if head.is_empty() {
        Contents::Empty
    } else if has(32769, b"CD001") {
        Contents::Iso9660
    } else if has(512, b"EFI PART") || has(4096, b"EFI PART") {
        Contents::Gpt
    } else if has(0, b"LUKS\xba\xbe") {
        Contents::Luks
    } else if let Some((_, _, name)) = VOLUMES.iter().find(|(at, magic, _)| has(*at, magic)) {
        Contents::Volume(name)
    } else if has(510, &[0x55, 0xaa]) {
        if has_partition(head) { Contents::Mbr } else { Contents::BootSector }
    } else if head.iter().all(|byte| *byte == 0) {
        Contents::Zeros
    } else {
        Contents::Unknown
    }
}

/// Whether one of the four entries at 446 has a type, and flags that a boot record can have.
fn has_partition(head: &[u8]) -> bool {
    let Some(table) = head.get(446..510) else { return false };
    let mut entries = table.chunks_exact(16);
    entries.clone().all(|entry| matches!(entry[0], 0 | 0x80)) && entries.any(|entry| entry[4] != 0)
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    fn with(parts: &[(usize, &[u8])]) -> Vec<u8> {
        let mut head = vec![0; 40960];
        for (at, bytes) in parts {
            head[*at..*at + bytes.len()].copy_from_slice(bytes);
        }
        head
    }

    #[test]
    fn what_is_inside_is_named() {
        let boot: (usize, &[u8]) = (510, &[0x55, 0xaa]);
        assert_eq!(contents(&[]), Contents::Empty);
        assert_eq!(contents(&with(&[])), Contents::Zeros);
        assert_eq!(contents(&with(&[(9, b"x")])), Contents::Unknown);
        assert_eq!(contents(&with(&[boot])), Contents::BootSector);
        assert_eq!(contents(&with(&[boot, (446, &[0x80]), (450, &[0x83])])), Contents::Mbr);
        assert_eq!(contents(&with(&[boot, (450, &[0xee]), (512, b"EFI PART")])), Contents::Gpt);
        assert_eq!(contents(&with(&[(1080, b"\x53\xef")])), Contents::Volume("ext file system"));
        assert_eq!(contents(&with(&[(32769, b"CD001")])), Contents::Iso9660);
        assert_eq!(contents(&with(&[(0, b"LUKS\xba\xbe")])), Contents::Luks);
    }

    #[test]
    fn one_byte_is_enough_to_look_at() {
        assert_eq!(contents(&[1]), Contents::Unknown);
    }
}
