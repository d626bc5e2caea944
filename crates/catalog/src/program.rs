//! Programs, firmware and pictures whose magics are short: what follows must make sense, too, or a boot sector could
//! be taken for one.

use imgprep_map::Probe;

use crate::foreign::{Foreign, Treatment, foreign};
use crate::library::may_be_disk;

const PROGRAM: Treatment = Treatment::NoDisk("a program, not a disk");
const FIRMWARE: Treatment =
    Treatment::NoDisk("firmware or its settings, not a disk: use the disk's own file");
const PICTURE: Treatment = Treatment::NoDisk("not an image of a disk: obtain the image file itself");

/// Name, bytes that speak, what they say, what to do, the test.
type Row = (&'static str, usize, &'static str, Treatment, fn(&[u8]) -> bool);

#[rustfmt::skip]
const KINDS: &[Row] = &[
    ("elf",    16, "magic 7f \"ELF\", version 1",           PROGRAM, is_elf),
    ("pe",     64, "magic \"MZ\" and a \"PE\" header",      PROGRAM, is_pe),
    ("mach-o", 8,  "magic fe ed fa ce or fe ed fa cf and a processor", PROGRAM, is_mach_o),
    ("mach-o", 8,  "magic ca fe ba be and a number of processors", PROGRAM, |head| matches!(head, [0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 1..=20, 1 | 0, 0, 0, ..])),
    ("java-class", 8, "magic ca fe ba be, version 45 to 100", PROGRAM, |head| matches!(head, [0xca, 0xfe, 0xba, 0xbe, 0 | 0xff, _, 0, 45..=100, ..])),
    ("wasm",   8,  "magic 00 \"asm\", version 1",           PROGRAM, |head| head.starts_with(b"\0asm\x01\0\0\0")),
    ("uefi-firmware", 44, "a file system of UEFI firmware", FIRMWARE, is_uefi),
    ("device-tree", 12, "magic d0 0d fe ed and the offset of a structure", FIRMWARE, is_device_tree),
    ("jpeg",   10, "magic ff d8 ff, \"JFIF\" or \"Exif\"",  PICTURE, |head| head.starts_with(b"\xff\xd8\xff") && matches!(head.get(6..10), Some(b"JFIF" | b"Exif"))),
    ("tiff",   8,  "magic \"II\" or \"MM\", 42, a first directory at 8", PICTURE, |head| head.starts_with(b"II*\0\x08\0\0\0") || head.starts_with(b"MM\0*\0\0\0\x08")),
];

pub(crate) fn recognise(probe: &Probe<'_>) -> Option<Foreign> {
    if let Some(kernel) = kernel(probe) {
        return Some(kernel);
    }
    if may_be_disk(probe) {
        return None;
    }
    let (name, len, description, treatment, _) = KINDS.iter().find(|(.., test)| test(probe.head))?;
    Some(foreign(name, 0, *len, description, *treatment))
}

/// A Linux kernel has a boot signature and, after it, the header of the boot protocol (Documentation/arch/x86/boot.rst).
fn kernel(probe: &Probe<'_>) -> Option<Foreign> {
    let is_kernel = probe.has(510, b"\x55\xaa") && probe.has(514, b"HdrS");
    let has_version = matches!(probe.head.get(518..520), Some([_, 2]));
    (is_kernel && has_version).then(|| foreign("linux-kernel", 514, 6, "\"HdrS\", boot protocol 2", PROGRAM))
}

/// Class, byte order, version (System V ABI, ELF header).
fn is_elf(head: &[u8]) -> bool {
    matches!(head, [0x7f, b'E', b'L', b'F', 1 | 2, 1 | 2, 1, ..])
}

/// The PE header is where the DOS header says.
fn is_pe(head: &[u8]) -> bool {
    let at = head.get(60..64).and_then(|at| at.try_into().ok()).map_or(0, u32::from_le_bytes) as usize;
    head.starts_with(b"MZ") && (64..head.len()).contains(&at) && head[at..].starts_with(b"PE\0\0")
}

/// x86, ARM or PowerPC, in 32 or 64 bits, in either byte order.
fn is_mach_o(head: &[u8]) -> bool {
    matches!(
        head,
        [0xce | 0xcf, 0xfa, 0xed, 0xfe, 7 | 12 | 18, 0, 0, 0 | 1, ..]
            | [0xfe, 0xed, 0xfa, 0xce | 0xcf, 0 | 1, 0, 0, 7 | 12 | 18, ..]
    )
}

/// UEFI PI 1.8, volume 3, 3.2.1: a zero vector, a file system's GUID, the signature.
fn is_uefi(head: &[u8]) -> bool {
    head.len() >= 56 && head[..16] == [0; 16] && head[16..32] != [0; 16] && head[40..44] == *b"_FVH"
}

/// Devicetree Specification 0.4, 5.2: the structure block is within the blob.
fn is_device_tree(head: &[u8]) -> bool {
    let word = |at: usize| head.get(at..at + 4).and_then(|word| word.try_into().ok()).map(u32::from_be_bytes);
    let (Some(magic), Some(size), Some(structure), Some(version)) = (word(0), word(4), word(8), word(20))
    else {
        return false;
    };
    magic == 0xd00d_feed && (40..size).contains(&structure) && matches!(version, 1..=17)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(parts: &[(usize, &[u8])]) -> Option<&'static str> {
        let mut head = vec![0; 4096];
        for (at, bytes) in parts {
            head[*at..*at + bytes.len()].copy_from_slice(bytes);
        }
        recognise(&Probe { head: &head, tail: &[], file_len: 1 << 20 }).map(|found| found.name)
    }

    const ELF: (usize, &[u8]) = (0, b"\x7fELF\x02\x01\x01");
    const PE: [(usize, &[u8]); 3] = [(0, b"MZ\x90"), (60, b"\x80\0\0\0"), (128, b"PE\0\0")];
    const BOOT: (usize, &[u8]) = (510, b"\x55\xaa");

    #[test]
    fn every_kind_is_recognised() {
        let tree = b"\xd0\x0d\xfe\xed\0\0\x10\0\0\0\0\x38\0\0\x0f\0\0\0\0\x28\0\0\0\x11";
        for (parts, want) in [
            (&[ELF][..], "elf"),
            (&PE, "pe"),
            (&[(0, b"\xcf\xfa\xed\xfe\x0c\0\0\x01")], "mach-o"),
            (&[(0, b"\xfe\xed\xfa\xce\0\0\0\x12")], "mach-o"),
            (&[(0, b"\xca\xfe\xba\xbe\0\0\0\x02\x01\0\0\x07")], "mach-o"),
            (&[(0, b"\xca\xfe\xba\xbe\0\0\0\x41")], "java-class"),
            (&[(0, b"\0asm\x01\0\0\0")], "wasm"),
            (&[(16, b"\x8d\x2b\xf1\xff"), (40, b"_FVH")], "uefi-firmware"),
            (&[(0, tree)], "device-tree"),
            (&[(0, b"\xff\xd8\xff\xe0\0\x10JFIF\0")], "jpeg"),
            (&[(0, b"II*\0\x08\0\0\0")], "tiff"),
            (&[BOOT, (514, b"HdrS\x0f\x02")], "linux-kernel"),
        ] {
            assert_eq!(name(parts), Some(want));
        }
    }

    #[test]
    fn similar_beginnings_and_possible_disks_are_not_recognised() {
        for parts in [
            &[ELF, BOOT][..],
            &[PE[0], PE[1], PE[2], BOOT],
            &[(0, b"\x7fELF\x03\x01\x01")],
            &[PE[0], PE[1]],
            &[PE[0], (60, b"\xff\xff\xff\xff"), PE[2]],
            &[(0, b"\xcf\xfa\xed\xfe\x0d\0\0\x01")],
            &[(0, b"\xca\xfe\xba\xbe\0\0\0\0")],
            &[(0, b"\0asm\x02\0\0\0")],
            &[(0, b"\x01"), (16, b"\x8d\x2b\xf1\xff"), (40, b"_FVH")],
            &[(0, b"\xd0\x0d\xfe\xed\0\0\0\x10")],
            &[(0, b"\xff\xd8\xff\xe0\0\x10JPEG")],
            &[BOOT, (514, b"HdrS\x0f\x01")],
            &[(514, b"HdrS\x0f\x02")],
        ] {
            assert_eq!(name(parts), None, "{parts:02x?}");
        }
    }
}
