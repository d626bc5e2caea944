//! Volumes: recognition by the first bytes of a disk or of a partition.

use byteorder::{BigEndian, ByteOrder, LittleEndian};

/// A file system or another volume that fills a disk or a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Volume {
    /// The kind, such as `ext4`.
    pub name: &'static str,
    /// Whether the contents are encrypted.
    pub is_encrypted: bool,
}

/// The beginning of a volume: bytes from 0 on, and some from 64 KiB on.
#[derive(Clone, Copy)]
pub(crate) struct Start<'a> {
    pub(crate) head: &'a [u8],
    /// The bytes from 65536.
    pub(crate) at_64k: &'a [u8],
}

impl Start<'_> {
    fn get(&self, at: usize, len: usize) -> Option<&[u8]> {
        let (bytes, at) = at.checked_sub(65536).map_or((self.head, at), |at| (self.at_64k, at));
        bytes.get(at..at.checked_add(len)?)
    }

    fn has(&self, at: usize, magic: &[u8]) -> bool {
        self.get(at, magic.len()) == Some(magic)
    }

    fn u16(&self, at: usize) -> u16 {
        self.get(at, 2).map_or(0, LittleEndian::read_u16)
    }

    fn u32(&self, at: usize) -> u32 {
        self.get(at, 4).map_or(0, LittleEndian::read_u32)
    }

    fn u16_be(&self, at: usize) -> u16 {
        self.get(at, 2).map_or(0, BigEndian::read_u16)
    }
}

/// Name, whether it is encrypted, the test.
type Row = (&'static str, bool, fn(&Start<'_>) -> bool);

/// Encrypted volumes first: `BitLocker` and NTFS differ in one field only.
#[rustfmt::skip]
const KINDS: &[Row] = &[
    ("BitLocker",        true,  |start| start.has(3, b"-FVE-FS-") || is_bitlocker_to_go(start)),
    ("LUKS1",            true,  |start| start.has(0, b"LUKS\xba\xbe") && start.u16_be(6) == 1),
    ("LUKS2",            true,  |start| start.has(0, b"LUKS\xba\xbe") && start.u16_be(6) == 2),
    ("LUKS",             true,  |start| start.has(0, b"LUKS\xba\xbe")),
    ("ISO 9660",         false, |start| start.has(32769, b"CD001\x01")),
    ("UDF",              false, is_udf),
    ("NTFS",             false, |start| start.has(3, b"NTFS    ")),
    ("exFAT",            false, |start| start.has(3, b"EXFAT   ")),
    ("ReFS",             false, |start| start.has(3, b"ReFS\0\0\0\0")),
    ("XFS",              false, |start| start.has(0, b"XFSB") && start.get(4, 4).is_some_and(|size| BigEndian::read_u32(size).is_power_of_two())),
    ("Btrfs",            false, |start| start.has(65536 + 64, b"_BHRfS_M")),
    ("ext4",             false, |start| ext(start) == Some(4)),
    ("ext3",             false, |start| ext(start) == Some(3)),
    ("ext2",             false, |start| ext(start) == Some(2)),
    ("HFS+",             false, |start| start.has(1024, b"H+\0\x04") || start.has(1024, b"HX\0\x05")),
    ("APFS",             false, |start| start.has(32, b"NXSB") && start.u32(36).is_power_of_two()),
    ("LVM",              false, is_lvm),
    ("Linux RAID",       false, |start| is_raid(start, 0) || is_raid(start, 4096)),
    ("ZFS",              false, is_zfs),
    ("swap",             false, is_swap),
    ("squashfs",         false, |start| start.has(0, b"hsqs") && start.u16(28) <= 4 && start.u16(28) > 0),
    ("EROFS",            false, |start| start.has(1024, &[0xe2, 0xe1, 0xf5, 0xe0])),
    ("F2FS",             false, |start| start.has(1024, &[0x10, 0x20, 0xf5, 0xf2])),
    ("bcachefs",         false, |start| start.has(4096 + 24, b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81")),
    ("JFS",              false, |start| start.has(32768, b"JFS1")),
    ("ReiserFS",         false, |start| start.has(65536 + 52, b"ReIsEr")),
    ("Apple partitions", false, |start| start.has(0, b"ER") && start.has(512, b"PM\0\0")),
    ("BSD disklabel",    false, |start| start.has(512, &[0x57, 0x45, 0x56, 0x82])),
    ("FAT32",            false, |start| fat(start) == Some(32)),
    ("FAT16",            false, |start| fat(start) == Some(16)),
    ("FAT12",            false, |start| fat(start) == Some(12)),
];

/// The kind of a volume, if its first bytes are recognised.
pub(crate) fn recognise(start: &Start<'_>) -> Option<Volume> {
    let (name, is_encrypted, _) = KINDS.iter().find(|(.., test)| test(start))?;
    Some(Volume { name, is_encrypted: *is_encrypted })
}

/// A FAT boot sector with the identifier of `BitLocker To Go`.
fn is_bitlocker_to_go(start: &Start<'_>) -> bool {
    start.has(3, b"MSWIN4.1")
        && start.has(424, b"\x3b\xd6\x67\x49\x29\x2e\xd8\x4a\x83\x99\xf6\xa3\x39\xe3\xd0\x01")
}

/// ECMA-167: `NSR` in the recognition sequence that begins at 32 KiB.
fn is_udf(start: &Start<'_>) -> bool {
    let nsr = |at: usize| start.has(at + 1, b"NSR02\x01") || start.has(at + 1, b"NSR03\x01");
    start.has(32769, b"BEA01\x01") && (32768..65536).step_by(2048).any(nsr)
}

/// The superblock at 1024. Its magic has only two bytes, so revision, block size and counts must be valid
/// as well. The version follows from the features, as in the kernel.
fn ext(start: &Start<'_>) -> Option<u8> {
    const JOURNAL: u32 = 4;
    /// Incompatible: extents, 64 bit, multiple mounts, flexible groups. Read-only: huge files, checksums,
    /// many links, large inodes, metadata checksums.
    const OF_4: (u32, u32) = (0x40 | 0x80 | 0x100 | 0x200, 0x8 | 0x10 | 0x20 | 0x40 | 0x400);
    let field = |at: usize| start.u32(1024 + at);
    let is_sane = field(0) > 0 && field(4) > 0 && field(24) <= 6 && field(76) <= 1;
    if !start.has(1024 + 56, &[0x53, 0xef]) || !is_sane {
        return None;
    }
    let (compatible, incompatible, read_only) = (field(92), field(96), field(100));
    Some(match () {
        () if incompatible & OF_4.0 != 0 || read_only & OF_4.1 != 0 => 4,
        () if compatible & JOURNAL != 0 => 3,
        () => 2,
    })
}

/// A label in one of the first four sectors.
fn is_lvm(start: &Start<'_>) -> bool {
    (0..2048).step_by(512).any(|at| start.has(at, b"LABELONE") && start.has(at + 24, b"LVM2 001"))
}

/// The superblock of version 1.1 (at 0) or 1.2 (at 4096).
fn is_raid(start: &Start<'_>, at: usize) -> bool {
    start.has(at, &[0xfc, 0x4e, 0x2b, 0xa9]) && start.u32(at + 4) == 1
}

/// The name-value list of the first label: encoding, byte order, version, then the pool's fields.
fn is_zfs(start: &Start<'_>) -> bool {
    const LIST: usize = 16384;
    let is_list = start.has(LIST, &[1, 0, 0, 0]) || start.has(LIST, &[1, 1, 0, 0]);
    let fields = start.get(LIST, 1024).unwrap_or_default();
    is_list && fields.windows(9).any(|name| name == b"pool_guid")
}

/// The signature is at the end of the first page, for every page size.
fn is_swap(start: &Start<'_>) -> bool {
    [4096, 8192, 16384, 32768, 65536].into_iter().any(|page| {
        // OK: a page is larger than a signature.
        start.has(page - 10, b"SWAPSPACE2") || start.has(page - 10, b"SWAP-SPACE")
    })
}

/// The type of a FAT, by the number of clusters, as in Microsoft's
/// specification. The type names in the boot sector are not evidence.
fn fat(start: &Start<'_>) -> Option<u8> {
    let jumps = matches!(start.get(0, 3)?, [0xeb, _, 0x90] | [0xe9, ..]);
    let (sector, cluster) = (u32::from(start.u16(11)), u32::from(*start.get(13, 1)?.first()?));
    let (reserved, fats) = (u32::from(start.u16(14)), u32::from(*start.get(16, 1)?.first()?));
    let is_sane = jumps
        && sector.is_power_of_two()
        && (512..=4096).contains(&sector)
        && cluster.is_power_of_two()
        && reserved > 0
        && (1..=2).contains(&fats)
        && matches!(start.get(21, 1)?, [0xf0 | 0xf8..=0xff]);
    if !is_sane {
        return None;
    }
    let either = |short: u16, long: u32| if short == 0 { long } else { u32::from(short) };
    let root_sectors = (u32::from(start.u16(17)) * 32).div_ceil(sector);
    let fat_sectors = u64::from(either(start.u16(22), start.u32(36)));
    let used = u64::from(reserved) + u64::from(fats) * fat_sectors + u64::from(root_sectors);
    let sectors = u64::from(either(start.u16(19), start.u32(32)));
    let clusters = sectors.checked_sub(used)? / u64::from(cluster);
    match clusters {
        _ if fat_sectors == 0 => None,
        0 => None,
        1..4085 => Some(12),
        4085..65525 => Some(16),
        _ => Some(32),
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    fn name(parts: &[(usize, &[u8])]) -> Option<&'static str> {
        let mut bytes = vec![0; 65536 + 4096];
        for (at, part) in parts {
            bytes[*at..*at + part.len()].copy_from_slice(part);
        }
        let start = Start { head: &bytes[..65536], at_64k: &bytes[65536..] };
        recognise(&start).map(|volume| volume.name)
    }

    const ONE: &[u8] = &[1, 0, 0, 0];

    #[test]
    fn every_volume_kind_is_recognised() {
        let fve: &[u8] = b"\x3b\xd6\x67\x49\x29\x2e\xd8\x4a\x83\x99\xf6\xa3\x39\xe3\xd0\x01";
        let bcachefs: &[u8] = b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81";
        for (parts, want) in [
            (&[(3, &b"-FVE-FS-"[..])][..], "BitLocker"),
            (&[(3, b"MSWIN4.1"), (424, fve)], "BitLocker"),
            (&[(0, b"LUKS\xba\xbe\0\x01")], "LUKS1"),
            (&[(0, b"LUKS\xba\xbe\0\x02")], "LUKS2"),
            (&[(0, b"LUKS\xba\xbe\0\x03")], "LUKS"),
            (&[(32768, b"\x01CD001\x01")], "ISO 9660"),
            (&[(32768, b"\0BEA01\x01"), (34816, b"\0NSR02\x01")], "UDF"),
            (&[(3, b"NTFS    ")], "NTFS"),
            (&[(3, b"EXFAT   ")], "exFAT"),
            (&[(3, b"ReFS\0\0\0\0")], "ReFS"),
            (&[(0, b"XFSB\0\0\x10\0")], "XFS"),
            (&[(65600, b"_BHRfS_M")], "Btrfs"),
            (&[(1024, b"H+\0\x04")], "HFS+"),
            (&[(1024, b"HX\0\x05")], "HFS+"),
            (&[(32, b"NXSB\0\x10\0\0")], "APFS"),
            (&[(0, b"LABELONE"), (24, b"LVM2 001")], "LVM"),
            (&[(1536, b"LABELONE"), (1560, b"LVM2 001")], "LVM"),
            (&[(4096, &[0xfc, 0x4e, 0x2b, 0xa9, 1])], "Linux RAID"),
            (&[(16384, &[1, 1, 0, 0]), (16500, b"pool_guid")], "ZFS"),
            (&[(4086, b"SWAPSPACE2")], "swap"),
            (&[(65526, b"SWAP-SPACE")], "swap"),
            (&[(0, b"hsqs"), (28, &[4])], "squashfs"),
            (&[(1024, &[0xe2, 0xe1, 0xf5, 0xe0])], "EROFS"),
            (&[(1024, &[0x10, 0x20, 0xf5, 0xf2])], "F2FS"),
            (&[(4120, bcachefs)], "bcachefs"),
            (&[(32768, b"JFS1")], "JFS"),
            (&[(65588, b"ReIsEr2Fs")], "ReiserFS"),
            (&[(0, b"ER"), (512, b"PM\0\0")], "Apple partitions"),
            (&[(512, &[0x57, 0x45, 0x56, 0x82])], "BSD disklabel"),
        ] {
            assert_eq!(name(parts), Some(want));
        }
    }

    #[test]
    fn similar_bytes_are_not_recognised_as_volumes() {
        for parts in [
            &[(0, &b"LUKS\xba\xbf\0\x01"[..])][..],
            &[(0, b"XFSB\0\0\x10\x01")],
            &[(65601, b"_BHRfS_M")],
            &[(1024, b"H+\0\x05")],
            &[(32, b"NXSB\0\x10\0\x01")],
            &[(0, b"LABELONE"), (24, b"LVM1 001")],
            &[(2048, b"LABELONE"), (2072, b"LVM2 001")],
            &[(4096, &[0xfc, 0x4e, 0x2b, 0xa9, 2])],
            &[(16384, &[1, 1, 0, 0])],
            &[(4087, b"SWAPSPACE2")],
            &[(0, b"hsqs"), (28, &[5])],
            &[(1080, &[0x53, 0xef])],
            &[(36864, b"\0NSR02\x01")],
            &[],
        ] {
            assert_eq!(name(parts), None, "{parts:?}");
        }
    }

    #[test]
    fn ext_versions_are_distinguished_by_their_features() {
        let of = |compatible: u8, incompatible: u8, read_only: u8| {
            name(&[
                (1024, ONE),
                (1028, ONE),
                (1080, &[0x53, 0xef]),
                (1100, ONE),
                (1116, &[compatible]),
                (1120, &[incompatible]),
                (1124, &[read_only]),
            ])
        };
        assert_eq!(of(0x38, 2, 3), Some("ext2"));
        assert_eq!(of(0x3c, 6, 3), Some("ext3"));
        assert_eq!(of(0x3c, 0x42, 3), Some("ext4"));
        assert_eq!(of(0x38, 2, 0x1b), Some("ext4"));
        let insane = [(1024, ONE), (1028, ONE), (1048, &[7][..]), (1080, &[0x53, 0xef])];
        assert_eq!(name(&insane), None, "blocks of 128 KiB");
    }

    /// Sectors of 512 bytes, one reserved, two tables.
    fn fat_of(cluster: u8, fat: u16, sectors: u32) -> Vec<u8> {
        let mut boot = vec![0xeb, 0x3c, 0x90];
        boot.extend(b"anything\0\x02");
        boot.extend([cluster, 1, 0, 2, 0, 2, 0, 0, 0xf8]);
        boot.extend(fat.to_le_bytes());
        boot.resize(32, 0);
        boot.extend(sectors.to_le_bytes());
        boot
    }

    #[test]
    fn fat_types_are_distinguished_by_their_cluster_count() {
        for (boot, want) in [
            (fat_of(1, 9, 2880), Some("FAT12")),
            (fat_of(4, 64, 65536), Some("FAT16")),
            (fat_of(8, 2000, 2_000_000), Some("FAT32")),
            (fat_of(3, 9, 2880), None),
            (fat_of(1, 0, 2880), None),
            (fat_of(1, 9, 20), None),
        ] {
            assert_eq!(name(&[(0, &boot)]), want);
        }
        let mut no_jump = fat_of(1, 9, 2880);
        no_jump[0] = 0xfa;
        assert_eq!(name(&[(0, &no_jump)]), None);
    }

    #[test]
    fn a_volume_start_of_any_length_is_accepted() {
        let bytes = fat_of(1, 9, 2880);
        for len in 0..bytes.len() {
            assert_eq!(recognise(&Start { head: &bytes[..len], at_64k: &[] }), None);
        }
    }
}
