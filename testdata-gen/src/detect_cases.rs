//! Files that are not RAW disks: files often found beside images, and images with wiped headers.

use crate::{GoodImage, good};

/// A file, and the kind as which it must be detected.
#[derive(Clone, Debug)]
pub struct Stranger {
    /// The file's name.
    pub name: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What it is, as `matches` names it.
    pub kind: &'static str,
    /// Words of the advice.
    pub advice: &'static str,
}

const MIB: usize = 1 << 20;

fn with(len: usize, parts: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; len];
    for (at, part) in parts {
        bytes[*at..*at + part.len()].copy_from_slice(part);
    }
    bytes
}

fn utf16(text: &str) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// All of them. The names are neutral where the bytes must decide.
pub fn strangers() -> Vec<Stranger> {
    let head = |magic: &[u8]| with(MIB, &[(0, magic)]);
    let descriptor = "# Disk DescriptorFile\nversion=1\ncreateType=\"vmfs\"\nRW 2048 VMFS \"x-flat.vmdk\"\n";
    let double =
        with(4096, &[(0, b"\0\x05\x16\x07\0\x02\0\0Mac OS X        \0\x02\0\0\0\x09"), (26, &[0, 0, 0, 50])]);
    let key = [&[0x85, 1, 12, 3][..], &[7; 8], &[1], &[9; 258], &[0xd2, 0xc0, 0x90], &[0x55; 400]].concat();
    let rows: Vec<(&str, Vec<u8>, &str, &str)> = vec![
        ("disk.asif.img", head(b"shdw\0\0\0\x01\0\0\x02\0"), "asif", "macOS 26"),
        ("utf16.vmdk", utf16(descriptor), "vmdk-utf16", "iconv -f UTF-16 -t UTF-8 utf16.vmdk"),
        (
            "denied.vhd",
            b"{\"error\":{\"code\":\"AuthenticationFailed\"}}\n".to_vec(),
            "json",
            "download it again",
        ),
        ("curl.qcow2", b"404: Not Found".to_vec(), "error-page", "download it again"),
        ("page.qcow2", b"<!DOCTYPE html><title>Sign in</title>".to_vec(), "html", "download it again"),
        (
            "x-ctk.vmdk",
            with(8192, &[(0, b"rod\xa2"), (8, &[0, 2]), (512, &[0xff; 4096])]),
            "change-tracking",
            "descriptor",
        ),
        ("._disk.qcow2", double, "appledouble", "\"._\""),
        ("vol.img", head(b"rbd image v2\nO\x08\0\0\0\0\0\0\0"), "rbd-export", "rbd import"),
        ("diff.img", head(b"rbd diff v1\nf\x04\0\0\0snap"), "rbd-diff", "changes only"),
        ("diff2.img", head(b"rbd diff v2\nf"), "rbd-diff", "changes only"),
        ("sum.img", b"d41d8cd98f00b204e9800998ecf8427e  disk.qcow2\n".to_vec(), "checksum", "another file"),
        ("elf.img", head(b"\x7fELF\x02\x01\x01"), "elf", "program"),
        ("pe.img", with(MIB, &[(0, b"MZ\x90\0"), (60, &[0x80]), (128, b"PE\0\0")]), "pe", "program"),
        ("macho.img", head(b"\xcf\xfa\xed\xfe\x0c\0\0\x01"), "mach-o", "program"),
        ("class.img", head(b"\xca\xfe\xba\xbe\0\0\0\x3d"), "java-class", "program"),
        ("kernel.img", with(MIB, &[(0, b"MZ"), (510, b"\x55\xaaxxHdrS\x0f\x02")]), "linux-kernel", "program"),
        (
            "vars.img",
            with(MIB, &[(16, b"\x8d\x2b\xf1\xff\x96\x76\x8b\x4c"), (40, b"_FVH")]),
            "uefi-firmware",
            "firmware",
        ),
        ("ntfs.img", head(b"\0ntfsclone-image\x0a\x01"), "ntfsclone", "ntfsclone --restore-image"),
        ("part.img", head(b"partclone-image"), "partclone", "partclone.restore"),
        ("fsa.img", with(MIB, &[(0, b"FsA0"), (30, b"FsArCh_002")]), "fsarchiver", "restore it"),
        ("ffu.img", with(MIB, &[(0, b"\x20\0\0\0SignedImage ")]), "ffu", "apply it"),
        ("aff.img", head(b"AFF10\r\n\0"), "aff", "export it as RAW"),
        ("ewf.img", head(b"EVF\x09\x0d\x0a\xff\0"), "ewf", "ewfexport"),
        ("lvf.img", head(b"LVF\x09\x0d\x0a\xff\0"), "ewf", "files"),
        ("btrfs.img", head(b"btrfs-stream\0\x01\0\0\0"), "btrfs-stream", "file system"),
        ("zfs.img", with(MIB, &[(8, b"\xac\xcb\xba\xf5\x02")]), "zfs-stream", "file system"),
        ("dump.img", with(MIB, &[(0, &[1]), (24, b"\x6c\xea")]), "dump", "restore it"),
        ("xfs.img", head(b"xFSdump0"), "xfsdump", "restore it"),
        ("save.img", head(b"LibvirtQemudSave"), "libvirt-state", "memory"),
        ("crash.img", head(b"KDUMP   "), "memory-dump", "memory"),
        ("tib.img", head(b"\xce\x24\xb9\xa2\x20"), "acronis", "restore it"),
        ("crypt.img", head(b"encrcdsa\0\0\0\x02"), "dmg-encrypted", "decrypt it on macOS"),
        ("salt.img", head(b"Salted__\x01"), "openssl", "decrypt it"),
        ("gpg.img", key, "openpgp", "gpg --output gpg.img.raw --decrypt gpg.img"),
        (
            "sig.img",
            b"-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n".to_vec(),
            "pem",
            "another file",
        ),
        ("minisign.img", b"untrusted comment: signature\nRUQ=\n".to_vec(), "signature", "another file"),
        ("cert.img", b"-----BEGIN CERTIFICATE-----\nMIIB\n".to_vec(), "pem", "another file"),
        (
            "snap.img",
            with(MIB, &[(0, b"hsqs"), (14, &[2]), (22, &[17]), (28, &[4])]),
            "squashfs",
            "unsquashfs snap.img",
        ),
        ("rpm.img", head(b"\xed\xab\xee\xdb\x03\0"), "rpm", "rpm2archive"),
        ("deb.img", head(b"!<arch>\ndebian-binary"), "ar", "ar x"),
        ("pdf.img", head(b"%PDF-1.7\n%\xe2\xe3"), "pdf", "not an image of a disk"),
        ("png.img", head(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), "png", "not an image of a disk"),
        ("jpeg.img", head(b"\xff\xd8\xff\xe0\0\x10JFIF\0"), "jpeg", "not an image of a disk"),
        ("db.img", head(b"SQLite format 3\0\x10"), "sqlite", "not an image of a disk"),
        ("store.img", head(b"\0\0\0\x01Bud1\0\0"), "ds-store", "next to it"),
        (
            "notes.img",
            b"Remember to ask for the new image.\n".repeat(9000),
            "text",
            "obtain the image file itself",
        ),
        ("latin1.img", b"Gr\xfc\xdfe aus M\xfcnchen\r\n".to_vec(), "text", "obtain the image file itself"),
        ("utf16.img", utf16("Gr\u{fc}\u{df}e\r\n"), "text", "obtain the image file itself"),
        ("nomark.img", utf16("A log of a service\r\n")[2..].to_vec(), "text", "obtain the image file itself"),
        (
            "gbk.img",
            b"\xb7\xfe\xce\xf1\xc6\xf7 \xca\xfd\xbe\xdd\n".repeat(60),
            "text",
            "obtain the image file itself",
        ),
    ];
    rows.into_iter().map(|(name, bytes, kind, advice)| Stranger { name, bytes, kind, advice }).collect()
}

/// Images with zeros instead of their first and last 4096 bytes, under the names that they had; one of every format
/// that has a signature.
pub fn wiped() -> Vec<GoodImage> {
    let mut found: Vec<GoodImage> = Vec::new();
    for mut image in good() {
        let is_new = found.iter().all(|other| other.format != image.format);
        if image.format == "raw" || !is_new || image.files[0].bytes.len() <= 16384 {
            continue;
        }
        let bytes = &mut image.files[0].bytes;
        let last = bytes.len() - 4096;
        bytes[..4096].fill(0);
        bytes[last..].fill(0);
        image.files.truncate(1);
        found.push(image);
    }
    found
}

/// The disk of `plain.qcow2`: a boot signature and nothing else.
pub fn plain_disk() -> Vec<u8> {
    with(MIB + 512, &[(510, b"\x55\xaa")])
}

/// Beginnings of disks that must stay RAW although their first bytes resemble a signature.
pub fn disks() -> Vec<(&'static str, Vec<u8>)> {
    let boot: (usize, &[u8]) = (510, b"\x55\xaa");
    let of = |parts: &[(usize, &[u8])]| with(MIB, parts);
    vec![
        ("MBR of Windows", of(&[(0, b"\x33\xc0\x8e\xd0\xbc\0\x7c"), boot])),
        ("MBR of GRUB", of(&[(0, b"\xeb\x63\x90\x10\x8e\xd0\xbc\0\xb0"), boot])),
        ("MBR that begins like a program", of(&[(0, b"MZ\xe8\0"), boot])),
        ("MBR that begins like a picture", of(&[(0, b"BM\x36\0"), boot])),
        (
            "protective MBR",
            of(&[(446, &[0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1]), boot, (512, b"EFI PART\0\0\x01\0")]),
        ),
        ("FAT", of(&[(0, b"\xeb\x3c\x90MSDOS5.0"), boot])),
        ("NTFS", of(&[(0, b"\xeb\x52\x90NTFS    "), boot])),
        ("exFAT", of(&[(0, b"\xeb\x76\x90EXFAT   "), boot])),
        ("BitLocker", of(&[(0, b"\xeb\x58\x90-FVE-FS-"), boot])),
        ("LUKS", of(&[(0, b"LUKS\xba\xbe\0\x02")])),
        ("LVM", of(&[(512, b"LABELONE")])),
        ("ext4", of(&[(1080, b"\x53\xef\x01\0\x01\0")])),
        ("ext4 after an old picture", of(&[(0, b"\x89PNG\r\n\x1a\n"), (1080, b"\x53\xef\x01\0\x01\0")])),
        ("XFS", of(&[(0, b"XFSB\0\0\x10\0")])),
        ("swap", of(&[(4086, b"SWAPSPACE2")])),
        ("Amiga floppy", of(&[(0, b"DOS\0")])),
        ("formatted floppy", vec![0xf6; MIB]),
        ("erased flash", vec![0xff; MIB]),
        ("zeros", vec![0; MIB]),
        ("one letter", vec![b'Z'; MIB]),
        ("words before zeros", of(&[(0, b"a label\n")])),
        ("noise", crate::Noise::new(7).bytes(MIB)),
    ]
}
