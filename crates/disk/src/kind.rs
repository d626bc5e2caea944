//! Partition types by number and by GUID: those that are relevant for booting, and common ones.

use alloc::format;
use alloc::string::String;

use byteorder::{ByteOrder, LittleEndian};

/// The EFI system partition.
pub(crate) const EFI_SYSTEM: &str = "EFI system";
/// The BIOS boot partition, which contains GRUB's core image.
pub(crate) const BIOS_BOOT: &str = "BIOS boot";

/// MBR types; EFI's own are UEFI 2.10, 5.2.2.
#[rustfmt::skip]
const MBR: &[(u8, &str)] = &[
    (0x01, "FAT12"), (0x04, "FAT16"), (0x05, "extended"), (0x06, "FAT16"), (0x07, "NTFS or exFAT"),
    (0x0b, "FAT32"), (0x0c, "FAT32"), (0x0e, "FAT16"), (0x0f, "extended"), (0x11, "hidden FAT12"),
    (0x14, "hidden FAT16"), (0x16, "hidden FAT16"), (0x17, "hidden NTFS"), (0x1b, "hidden FAT32"),
    (0x1c, "hidden FAT32"), (0x27, "Windows recovery"), (0x42, "Windows dynamic disk"),
    (0x82, "Linux swap"), (0x83, "Linux"), (0x85, "Linux extended"), (0x8e, "Linux LVM"), (0xa5, "FreeBSD"),
    (0xa6, "OpenBSD"), (0xa9, "NetBSD"), (0xaf, "Apple HFS+"), (0xbf, "Solaris"), (0xea, "Linux boot"),
    (0xee, "protective"), (0xef, EFI_SYSTEM), (0xfb, "VMFS"), (0xfd, "Linux RAID"),
];

/// GPT types, as they are written.
#[rustfmt::skip]
const GPT: &[(&str, &str)] = &[
    ("c12a7328-f81f-11d2-ba4b-00a0c93ec93b", EFI_SYSTEM),
    ("21686148-6449-6e6f-744e-656564454649", BIOS_BOOT),
    ("e3c9e316-0b5c-4db8-817d-f92df00215ae", "Microsoft reserved"),
    ("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7", "Windows data"),
    ("de94bba4-06d1-4d40-a16a-bfd50179d6ac", "Windows recovery"),
    ("5808c8aa-7e8f-42e0-85d2-e1e90434cfb3", "Windows dynamic disk metadata"),
    ("af9b60a0-1431-4f62-bc68-3311714a69ad", "Windows dynamic disk"),
    ("0fc63daf-8483-4772-8e79-3d69d8477de4", "Linux"),
    ("4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "Linux root (x86-64)"),
    ("b921b045-1df0-41c3-af44-4c6f280d3fae", "Linux root (ARM64)"),
    ("933ac7e1-2eb4-4f13-b844-0e14e2aef915", "Linux home"),
    ("bc13c2ff-59e6-4262-a352-b275fd6f7172", "Linux boot"),
    ("0657fd6d-a4ab-43c4-84e5-0933c84b4f4f", "Linux swap"),
    ("e6d6d379-f507-44c2-a23c-238f2a3df928", "Linux LVM"),
    ("a19d880f-05fc-4d3b-a006-743f0f84911e", "Linux RAID"),
    ("ca7d7ccb-63ed-4c53-861c-1742536059cc", "Linux LUKS"),
    ("9e1a2d38-c612-4316-aa26-8b49521e5a8b", "PReP boot"),
    ("48465300-0000-11aa-aa11-00306543ecac", "Apple HFS+"),
    ("7c3457ef-0000-11aa-aa11-00306543ecac", "Apple APFS"),
    ("83bd6b9d-7f41-11dc-be0b-001560b84f0f", "FreeBSD boot"),
    ("516e7cb5-6ecf-11d6-8ff8-00022d09712b", "FreeBSD swap"),
    ("516e7cb6-6ecf-11d6-8ff8-00022d09712b", "FreeBSD UFS"),
    ("516e7cba-6ecf-11d6-8ff8-00022d09712b", "FreeBSD ZFS"),
    ("6a898cc3-1dd2-11b2-99a6-080020736631", "ZFS"),
];

/// Whether it holds logical partitions.
pub(crate) fn is_extended(kind: u8) -> bool {
    matches!(kind, 0x05 | 0x0f | 0x85)
}

/// The name of an MBR type.
pub(crate) fn of_mbr(kind: u8) -> Option<&'static str> {
    MBR.iter().find(|(number, _)| *number == kind).map(|(_, name)| *name)
}

/// The name of a GPT type.
pub(crate) fn of_gpt(kind: &[u8; 16]) -> Option<&'static str> {
    let text = guid_text(kind);
    GPT.iter().find(|(guid, _)| *guid == text).map(|(_, name)| *name)
}

/// A GUID in its text form: the first three fields are little-endian on disk.
pub(crate) fn guid_text(guid: &[u8; 16]) -> String {
    let (time, middle, high) = (
        LittleEndian::read_u32(guid),
        LittleEndian::read_u16(&guid[4..]),
        LittleEndian::read_u16(&guid[6..]),
    );
    let rest = imgprep_map::hex(&guid[8..]);
    // OK: eight bytes are sixteen digits.
    let (family, node) = rest.split_at(4);
    format!("{time:08x}-{middle:04x}-{high:04x}-{family}-{node}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_is_written_in_its_usual_form() {
        let esp =
            [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b];
        assert_eq!(guid_text(&esp), "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
        assert_eq!(of_gpt(&esp), Some(EFI_SYSTEM));
        assert_eq!(of_gpt(b"Hah!IdontNeedEFI"), Some(BIOS_BOOT));
        assert_eq!(of_gpt(&[7; 16]), None);
        assert_eq!(of_mbr(0xef), Some(EFI_SYSTEM));
        assert_eq!(of_mbr(0x99), None);
    }
}
