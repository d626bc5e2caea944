//! Files that must never be taken for RAW: archives, ISO images, formats not read yet.

use imgprep_map::{Evidence, Probe};

/// Something recognised that is not read.
pub(crate) struct Foreign {
    pub(crate) name: &'static str,
    pub(crate) evidence: Evidence,
    pub(crate) remedy: Remedy,
}

/// What to do about it.
#[derive(Clone, Copy)]
pub(crate) enum Remedy {
    /// An image format whose reader does not exist yet.
    NotYet,
    /// Not a disk image: what to do instead.
    NoDisk(&'static str),
}

use Remedy::{NoDisk, NotYet};

const UNPACK: Remedy = NoDisk("unpack it first");

/// Name, offset, magic, what it says, what to do.
type Row = (&'static str, usize, &'static [u8], &'static str, Remedy);

#[rustfmt::skip]
const HEADS: &[Row] = &[
    ("qcow",      0,     b"QFI\xfb\0\0\0\x01", "magic \"QFI\\xfb\", version 1",       NotYet),
    ("vmdk",      0,     b"KDMV",              "magic \"KDMV\"",                      NotYet),
    ("vmdk",      0,     b"COWD",              "magic \"COWD\"",                      NotYet),
    ("vmdk",      0,     b"\xbe\xba\xfe\xca\0\0\0\0", "magic 0xcafebabe",             NotYet),
    ("vmdk",      0,     b"# Disk DescriptorFile", "text descriptor",                 NotYet),
    ("vdi",       64,    b"\x7f\x10\xda\xbe",  "signature 0xbeda107f",                NotYet),
    ("qed",       0,     b"QED\0",             "magic \"QED\"",                       NotYet),
    ("parallels", 0,     b"WithoutFreeSpace",  "magic \"WithoutFreeSpace\"",          NotYet),
    ("parallels", 0,     b"WithouFreSpacExt",  "magic \"WithouFreSpacExt\"",          NotYet),
    ("gzip",      0,     b"\x1f\x8b",          "magic 1f 8b",                         UNPACK),
    ("xz",        0,     b"\xfd7zXZ\0",        "magic \"\\xfd7zXZ\"",                 UNPACK),
    ("zstd",      0,     b"\x28\xb5\x2f\xfd",  "magic 28 b5 2f fd",                   UNPACK),
    ("bzip2",     0,     b"BZh",               "magic \"BZh\"",                       UNPACK),
    ("zip",       0,     b"PK\x03\x04",        "magic \"PK\\x03\\x04\"",              UNPACK),
    ("7z",        0,     b"7z\xbc\xaf\x27\x1c", "magic \"7z\"",                       UNPACK),
    ("iso9660",   32769, b"CD001",             "\"CD001\"",                           NoDisk("an ISO is registered as an ISO image, not imported as a disk; --from raw reads it as it is")),
];

/// Everything in `probe` that is known and not read.
pub(crate) fn recognise(probe: &Probe<'_>) -> Vec<Foreign> {
    let heads = HEADS.iter().filter(|(_, at, magic, ..)| probe.has(*at, magic));
    let mut found: Vec<_> = heads
        .map(|(name, at, magic, says, remedy)| foreign(name, *at as u64, magic.len(), says, *remedy))
        .collect();
    found.extend(tar(probe));
    found.extend(vhd_footer(probe));
    found.extend(dmg_trailer(probe));
    found
}

fn foreign(name: &'static str, at: u64, len: usize, says: &str, remedy: Remedy) -> Foreign {
    Foreign { name, evidence: Evidence { at, len: len as u64, says: says.into() }, remedy }
}

/// An OVA is a tar whose first member is a descriptor.
fn tar(probe: &Probe<'_>) -> Option<Foreign> {
    if !probe.has(257, b"ustar") {
        return None;
    }
    let name = probe.head.get(..100)?.split(|byte| *byte == 0).next().unwrap_or_default();
    Some(if name.to_ascii_lowercase().ends_with(b".ovf") {
        foreign(
            "ova",
            0,
            100,
            "a tar whose first member is an OVF descriptor",
            NoDisk("unpack it with tar and convert the disk inside"),
        )
    } else {
        foreign("tar", 257, 5, "magic \"ustar\"", UNPACK)
    })
}

/// A VHD has its footer at the end, 512 bytes long, or 511 in files of old Virtual PC;
/// dynamic ones have a copy at the start.
fn vhd_footer(probe: &Probe<'_>) -> Option<Foreign> {
    let at_end = [512, 511].into_iter().find_map(|back| {
        let at = probe.tail.len().checked_sub(back)?;
        probe.tail[at..].starts_with(b"conectix").then(|| probe.tail_at() + at as u64)
    });
    let at = if probe.has(0, b"conectix") { Some(0) } else { at_end };
    at.map(|at| foreign("vhd", at, 8, "cookie \"conectix\"", NotYet))
}

fn dmg_trailer(probe: &Probe<'_>) -> Option<Foreign> {
    let at = probe.tail.len().checked_sub(512)?;
    let is_dmg = probe.tail[at..].starts_with(b"koly");
    is_dmg.then(|| foreign("dmg", probe.tail_at() + at as u64, 4, "trailer \"koly\"", NotYet))
}
