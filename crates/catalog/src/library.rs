//! Files that are not disk images, recognised by the signatures of the `file-format` crate.
//!
//! Only formats of this list count: those whose signatures are long enough (5 bytes at least, most of them 8 and more) never
//! to be met at the start of a disk, and that our own tables do not name. Its short signatures (two bytes for an
//! executable, three for an MP3) would take boot sectors for something else.

use file_format::FileFormat as F;
use imgprep_map::Probe;

use crate::foreign::{Foreign, Treatment, foreign};

const REMEDY: Treatment = Treatment::NoDisk("not an image of a disk: obtain the image file itself");

/// Number of bytes shown as evidence.
const SHOWN: usize = 12;

#[rustfmt::skip]
static BINARY: &[F] = &[
    // Documents, pictures, sound, films.
    F::PortableNetworkGraphics, F::AnimatedPortableNetworkGraphics, F::GraphicsInterchangeFormat, F::Webp, F::JpegNetworkGraphics,
    F::WindowsBitmap, F::Jpeg2000Part1, F::HighEfficiencyImageCoding, F::Av1ImageFileFormat, F::CompoundFileBinary, F::PortableDocumentFormat,
    F::AudioVideoInterleave, F::WaveformAudio, F::AudioInterchangeFileFormat, F::OggOpus, F::OggVorbis, F::OggTheora, F::OggFlac,
    F::AdvancedSystemsFormat, F::Mpeg4Part14, F::AppleItunesVideo, F::AppleItunesAudio, F::ThirdGenerationPartnershipProject, F::Realmedia,
    F::Djvu, F::MicrosoftAccess2007Database, F::MicrosoftAccessDatabase, F::Sqlite3, F::WindowsShortcut, F::MacosAlias,
    // Archives, compressed and encrypted files.
    F::Ace, F::Stuffit, F::StuffitX, F::Snappy, F::AgeEncryption, F::MultiLayerArchive,
    // Programs.
    F::DalvikExecutable, F::Bittorrent,
];

#[rustfmt::skip]
static TEXT: &[F] = &[
    F::PgpMessage, F::PgpPublicKeyBlock, F::PgpSignature, F::PemCertificate, F::MicrosoftVisualStudioSolution, F::Icalendar, F::Vcalendar, F::Vcard,
    F::Latex, F::MsDosBatch, F::Mp3Url, F::ShoutcastPlaylist, F::ScalableVectorGraphics, F::RichTextFormat, F::Bittorrent, F::PortableDocumentFormat,
    F::WebVideoTextTracks, F::SubripText,
];

/// The kind of a file that begins with a known signature, unless it may be a disk.
pub(crate) fn recognise(probe: &Probe<'_>) -> Option<Foreign> {
    if may_be_disk(probe) {
        return None;
    }
    let (name, description) = named(BINARY, probe.head)?;
    Some(foreign(name, 0, probe.head.len().min(SHOWN), &format!("signature of {description}"), REMEDY))
}

/// The name of a kind of text, and what it is in words.
pub(crate) fn text(head: &[u8]) -> Option<(&'static str, &'static str)> {
    named(TEXT, head)
}

fn named(known: &'static [F], head: &[u8]) -> Option<(&'static str, &'static str)> {
    let found = F::from_bytes(head);
    known.iter().find(|format| **format == found).map(|format| (format.extension(), format.name()))
}

/// A boot signature, a GPT or the superblock of an ext file system: something that is bootable or mountable is a disk,
/// whatever precedes it.
pub(crate) fn may_be_disk(probe: &Probe<'_>) -> bool {
    probe.has(510, b"\x55\xaa")
        || probe.has(512, b"EFI PART")
        || probe.has(4096, b"EFI PART")
        || probe.has(1024 + 56, b"\x53\xef")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(parts: &[(usize, &[u8])]) -> Option<&'static str> {
        let mut head = vec![0; 65536];
        for (at, bytes) in parts {
            head[*at..*at + bytes.len()].copy_from_slice(bytes);
        }
        recognise(&Probe { head: &head, tail: &[], file_len: 1 << 20 }).map(|found| found.name)
    }

    const PNG: (usize, &[u8]) = (0, b"\x89PNG\r\n\x1a\n");

    #[test]
    fn library_signatures_are_named_by_extension() {
        assert_eq!(name(&[PNG]), Some("png"));
        assert_eq!(name(&[(0, b"%PDF-1.7\n")]), Some("pdf"));
        assert_eq!(name(&[(0, b"SQLite format 3\0")]), Some("sqlite"));
        assert_eq!(name(&[(0, b"RIFF\0\0\0\0WAVE")]), Some("wav"));
        assert_eq!(name(&[(4, b"ftypisom")]), Some("mp4"));
        assert_eq!(name(&[(0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")]), Some("cfb"));
    }

    #[test]
    fn a_disk_with_a_boot_signature_is_never_foreign() {
        for part in [(510, &b"\x55\xaa"[..]), (512, b"EFI PART"), (4096, b"EFI PART"), (1080, b"\x53\xef")] {
            assert_eq!(name(&[PNG, part]), None);
        }
        // Signatures of two to five bytes do not count.
        for start in [
            &b"MZ"[..],
            b"\xff\xd8\xff",
            b"BM",
            b"\x1f\x9d",
            b"\x30\x82",
            b"%!",
            b"\xff\xfb",
            b"\x60\xea",
            b"ID3\x03",
            b"\0\0\x01\0",
            b"\0\x01\0\0\0",
            b"DOS\0",
            b"\x78\x01",
            b"LUKS\xba\xbe",
            b"XFSB",
            b"LABELONE",
            b"\xeb\x58\x90MSDOS5.0",
            b"\xeb\x52\x90NTFS    ",
            b"\xeb\x76\x90EXFAT   ",
            b"BitLocker",
            b"ER\x02\0",
            b"\xfa\xeb\x7c",
            b"\x33\xc0\x8e\xd0",
        ] {
            assert_eq!(name(&[(0, start)]), None, "{start:02x?}");
        }
    }
}
