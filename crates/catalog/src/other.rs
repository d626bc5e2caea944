//! What else is brought along as "the disk": backups and streams of other programs, saved machines, phone images,
//! pointers, all known by fixed bytes.

use imgprep_map::Probe;

use crate::foreign::{Foreign, Treatment, foreign};

use Treatment::NoDisk;

const BACKUP: Treatment = NoDisk("restore it with the program that created it");
const STATE: Treatment = NoDisk("contains the memory of a machine, not its disk: use the disk's own file");
const STREAM: Treatment = NoDisk("contains a file system stream, not a disk: receive it into a file system");
const DUMP: Treatment = NoDisk("contains files of a file system, not a disk: restore it onto a disk");
const CEPH: Treatment =
    NoDisk("import it into Ceph with rbd import, then export the image without --export-format 2");
const FORENSIC: Treatment = NoDisk("a forensic copy: export it as RAW");
const LOCKED: Treatment = NoDisk("the file is encrypted: decrypt it first");
const PATCH: Treatment = NoDisk("a difference between two files: apply it first");

/// Name, offset, magic, what it says, what to do.
type Row = (&'static str, usize, &'static [u8], &'static str, Treatment);

#[rustfmt::skip]
const HEADS: &[Row] = &[
    ("android-sparse", 0, b"\x3a\xff\x26\xed\x01\0", "magic 3a ff 26 ed, version 1", NoDisk("a sparse image of a phone: expand it first")),
    ("sparseimage", 0, b"sprs\0\0\0",              "magic \"sprs\"",              NoDisk("expand it on macOS")),
    ("ewf",         0, b"EVF\x09\x0d\x0a\xff\0",   "magic \"EVF\"",               FORENSIC),
    ("ewf",         0, b"EVF2\x0d\x0a\x81\0",      "magic \"EVF2\"",              FORENSIC),
    ("partclone",   0, b"partclone-image",         "magic \"partclone-image\"",   BACKUP),
    ("ewf",         0, b"LVF\x09\x0d\x0a\xff\0",   "magic \"LVF\"",               NoDisk("contains files of a forensic copy, not a disk")),
    ("ewf",         0, b"LEF2\x0d\x0a\x81\0",      "magic \"LEF2\"",              NoDisk("contains files of a forensic copy, not a disk")),
    ("aff",         0, b"AFF10\x0d\x0a\0",         "magic \"AFF10\"",             FORENSIC),
    ("ad1",         0, b"ADSEGMENTEDFILE\0",       "magic \"ADSEGMENTEDFILE\"",   NoDisk("contains files of a forensic copy, not a disk")),
    ("ad-encrypted", 0, b"ADCRYPT\0",              "magic \"ADCRYPT\"",           LOCKED),
    ("asif",        0, b"shdw\0\0\0\x01\0\0\x02\0", "magic \"shdw\", version 1", NoDisk("convert it with macOS 26 or newer")),
    ("dmg-encrypted", 0, b"encrcdsa\0\0\0",         "magic \"encrcdsa\"",          NoDisk("an encrypted disk image: decrypt it on macOS")),
    ("ffu",         4, b"SignedImage ",            "\"SignedImage\"",             NoDisk("a Windows flash image: apply it to a disk first")),
    ("change-tracking", 0, b"rod\xa2",             "magic 72 6f 64 a2",           NoDisk("lists the changed blocks of a VMDK, without data: use the descriptor next to it")),
    ("appledouble", 0, b"\0\x05\x16\x07\0\x02\0\0", "magic 00 05 16 07, version 2", NoDisk("contains macOS file attributes: use the file without \"._\" in its name")),
    ("appledouble", 0, b"\0\x05\x16\x07\0\x01\0\0", "magic 00 05 16 07, version 1", NoDisk("contains macOS file attributes: use the file without \"._\" in its name")),
    ("applesingle", 0, b"\0\x05\x16\0\0\x02\0\0", "magic 00 05 16 00, version 2", NoDisk("contains a file with its attributes from macOS: extract it on macOS")),
    ("ds-store",    0, b"\0\0\0\x01Bud1",          "magic \"Bud1\"",              NoDisk("contains macOS folder settings: use the image next to it")),
    ("rbd-export",  0, b"rbd image v2\n",          "\"rbd image v2\"",            CEPH),
    ("rbd-export",  0, b"rbd image diffs v2\n",    "\"rbd image diffs v2\"",      CEPH),
    ("rbd-diff",    0, b"rbd diff v1\n",           "\"rbd diff v1\"",             NoDisk("contains changes only: import it into Ceph onto its image, then export that image")),
    ("rbd-diff",    0, b"rbd diff v2\n",           "\"rbd diff v2\"",             NoDisk("contains changes only: import it into Ceph onto its image, then export that image")),
    ("ntfsclone",   0, b"\0ntfsclone-image",       "magic \"ntfsclone-image\"",   BACKUP),
    ("xfsdump",     0, b"xFSdump0",                "magic \"xFSdump0\"",          DUMP),
    ("btrfs-stream", 0, b"btrfs-stream\0",         "magic \"btrfs-stream\"",      STREAM),
    ("zfs-stream",  8, b"\xac\xcb\xba\xf5\x02\0\0\0", "magic ac cb ba f5 02",   STREAM),
    ("zfs-stream",  8, b"\0\0\0\x02\xf5\xba\xcb\xac", "magic 02 f5 ba cb ac",   STREAM),
    ("acronis",     0, b"\xce\x24\xb9\xa2\x20\0\0\0", "magic ce 24 b9 a2",       BACKUP),
    ("borg",        0, b"BORG_SEG",                "magic \"BORG_SEG\"",          BACKUP),
    ("chd",         0, b"MComprHD",                "magic \"MComprHD\"",          NoDisk("a compressed disk of an emulator: extract it with chdman")),
    ("mds",         0, b"MEDIA DESCRIPTOR\x01",    "magic \"MEDIA DESCRIPTOR\"",  NoDisk("describes an optical disc: use the image next to it")),
    ("libvirt-state", 0, b"LibvirtQemudSave",      "magic \"LibvirtQemudSave\"",  STATE),
    ("libvirt-state", 0, b"LibvirtQemudPart",      "magic \"LibvirtQemudPart\"",  STATE),
    ("xen-state",   0, b"LinuxGuestRecord",        "magic \"LinuxGuestRecord\"",  STATE),
    ("xen-state",   0, b"Xen saved domain",        "\"Xen saved domain\"",        STATE),
    ("memory-dump", 0, b"KDUMP   ",                "magic \"KDUMP\"",             STATE),
    ("memory-dump", 0, b"DISKDUMP",                "magic \"DISKDUMP\"",          STATE),
    ("memory-dump", 0, b"makedumpfile\0",          "magic \"makedumpfile\"",      STATE),
    ("memory-dump", 0, b"PAGEDUMP",                "magic \"PAGEDUMP\"",          STATE),
    ("memory-dump", 0, b"PAGEDU64",                "magic \"PAGEDU64\"",          STATE),
    ("memory-dump", 0, b"EMiL\x01\0\0\0",         "magic \"EMiL\", version 1",   STATE),
    ("android-boot", 0, b"ANDROID!",               "magic \"ANDROID!\"",          NoDisk("contains a phone's kernel, not a disk")),
    ("android-ota", 0, b"CrAU\0\0\0\0\0\0\0\x02", "magic \"CrAU\", version 2",   NoDisk("a phone update: extract its images first")),
    ("openssl",     0, b"Salted__",                "magic \"Salted__\"",          LOCKED),
    ("bsdiff",      0, b"BSDIFF40",                "magic \"BSDIFF40\"",          PATCH),
    ("partimage",   0, b"PaRtImAgE-VoLuMe",        "magic \"PaRtImAgE-VoLuMe\"",  BACKUP),
    ("vma",         0, b"VMA\0\0\0\0\x01",         "magic \"VMA\", version 1",    BACKUP),
    ("qemu-state",  0, b"QEVM\0\0\0",              "magic \"QEVM\"",              STATE),
    ("vmware-state", 0, b"\xd0\xbe\xd2\xbe",       "magic d0 be d2 be",           STATE),
    ("vmware-state", 0, b"\xd2\xbe\xd2\xbe",       "magic d2 be d2 be",           STATE),
    ("virtualbox-state", 0, b"\x7fVirtualBox SavedState V", "magic \"VirtualBox SavedState\"", STATE),
    ("git-lfs",     0, b"version https://git-lfs.github.com/spec/", "the first line of a Git LFS pointer", NoDisk("a Git LFS pointer: fetch the file itself")),
];

pub(crate) fn recognise(probe: &Probe<'_>) -> Option<Foreign> {
    let head = HEADS.iter().find(|(_, at, magic, ..)| probe.has(*at, magic));
    let known = head.map(|(name, at, magic, description, treatment)| {
        foreign(name, *at as u64, magic.len(), description, *treatment)
    });
    known.or_else(|| fsarchiver(probe.head)).or_else(|| dump(probe.head))
}

/// A volume header, and the version of the archive's format in it.
fn fsarchiver(head: &[u8]) -> Option<Foreign> {
    let header = &head[..head.len().min(512)];
    let is_archive = header.starts_with(b"FsA0") && header.windows(8).any(|word| word == b"FsArCh_0");
    is_archive.then(|| foreign("fsarchiver", 0, 4, "magic \"FsA0\" and \"FsArCh_0\"", BACKUP))
}

/// The first record of `dump` (`protocols/dumprestore.h`): type 1, a volume of a tape, and a magic at 24.
fn dump(head: &[u8]) -> Option<Foreign> {
    let (kind, magic) = (head.get(..4)?, head.get(24..28)?);
    let is_dump = match kind {
        [1, 0, 0, 0] => matches!(magic, [0x6b | 0x6c, 0xea, 0, 0]),
        [0, 0, 0, 1] => matches!(magic, [0, 0, 0xea, 0x6b | 0x6c]),
        _ => false,
    };
    is_dump.then(|| foreign("dump", 24, 4, "magic 60011 or 60012 of a tape", DUMP))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(start: &[u8]) -> Option<&'static str> {
        recognise(&Probe { head: start, tail: start, file_len: start.len() as u64 }).map(|found| found.name)
    }

    #[test]
    fn every_magic_is_recognised_only_if_complete() {
        for (want, at, magic, ..) in HEADS {
            let whole = [&vec![0; *at][..], magic, &[0; 600]].concat();
            assert_eq!(name(&whole), Some(*want));
            let mut near = whole;
            near[at + magic.len() - 1] ^= 0x40;
            assert_eq!(name(&near), None, "{want}");
        }
    }

    #[test]
    fn file_system_archives_are_recognised() {
        let with = |parts: &[(usize, &[u8])]| {
            let mut head = vec![0; 1024];
            parts.iter().for_each(|(at, bytes)| head[*at..*at + bytes.len()].copy_from_slice(bytes));
            name(&head)
        };
        assert_eq!(with(&[(0, b"FsA0"), (40, b"FsArCh_002")]), Some("fsarchiver"));
        assert_eq!(with(&[(0, b"FsA0")]), None);
        assert_eq!(with(&[(0, b"\x01"), (24, b"\x6c\xea")]), Some("dump"));
        assert_eq!(with(&[(3, b"\x01"), (26, b"\xea\x6b")]), Some("dump"));
        assert_eq!(with(&[(0, b"\x02"), (24, b"\x6c\xea")]), None);
    }
}
