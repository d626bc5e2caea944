//! The list of formats, one row each, and the detection of a file's format.
//!
//! Detection is based on evidence: every format probes the head and the tail of a file,
//! and every match is reported. One match decides. Several are rejected: only the user can decide.
//! No match means RAW unless something contradicts it: the contents (text, a signature
//! of another kind of file, an empty file) or the name (the extension of another
//! format, the name of a part of a disk).

mod archive;
pub mod codes;
mod compressed;
mod disc;
mod error;
mod evidence;
mod file_name;
mod foreign;
mod formats;
mod library;
mod openpgp;
mod other;
mod padding;
mod program;
mod recognise;
mod remedy;
mod text;

use std::path::Path;

use evidence::{Ends, Kind};
use foreign::{Foreign, Treatment};
use imgprep_map::{Error, Evidence, Finding, ParseOptions, Parsed, Probe, ReadAt, Severity};

pub use codes::{CODES, codes};
pub use error::DetectError;
pub use evidence::Match;
pub use file_name::{LIKELY_EXTENSIONS, image_extensions};
pub use formats::{FORMATS, Format};
pub use remedy::commands;

/// The format of this name or alias, in capital or small letters.
pub fn by_name(name: &str) -> Option<&'static Format> {
    let is_named = |known: &str| known.eq_ignore_ascii_case(name);
    FORMATS.iter().find(|format| is_named(format.name) || format.aliases.iter().any(|alias| is_named(alias)))
}

/// The detected format of a file, and the evidence.
#[derive(Clone, Debug)]
pub struct Detection {
    /// The format.
    pub format: &'static Format,
    /// The evidence for it; none for RAW, which is the fallback.
    pub evidence: Option<Evidence>,
    /// All formats that the bytes match, including the chosen one.
    pub matches: Vec<Match>,
    /// Anomalies of the chosen format.
    pub findings: Vec<Finding>,
}

/// What is known of a file in addition to its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hints<'a> {
    /// Its name. The name of a device or a stream is not evidence and is omitted.
    pub name: Option<&'a Path>,
    /// The format that the user or the child image specifies.
    pub format: Option<&'static Format>,
}

/// Detects the format of a file; with a given format only whether something contradicts it.
pub fn detect(file: &dyn ReadAt, hints: Hints<'_>) -> Result<Detection, Error> {
    detect_among(file, hints, matches_of(file)?)
}

/// The same for a file whose [`matches_of`] are known: none of its bytes are read.
pub fn detect_among(file: &dyn ReadAt, hints: Hints<'_>, matches: Vec<Match>) -> Result<Detection, Error> {
    match hints.format {
        Some(format) => Ok(chosen(format, matches, file.is_empty())),
        None => decide(file, hints.name, matches),
    }
}

/// Why the name of a file contradicts a RAW disk, if it does.
pub fn denied_as_raw(name: &Path) -> Option<String> {
    file_name::denial(name)
        .map(|denial| format!("the name ends in {:?}: {}", denial.ending, denial.description))
}

/// Whether this is the format without a signature.
pub fn is_raw(format: &Format) -> bool {
    format.name == imgprep_raw::NAME
}

/// All formats that the bytes of a file match.
pub fn matches_of(file: &dyn ReadAt) -> Result<Vec<Match>, Error> {
    let ends = Ends::read(file)?;
    matches(file, &ends.probe())
}

/// Parses a file as its detected format.
pub fn parse(file: &dyn ReadAt, detection: &Detection, options: &ParseOptions) -> Result<Parsed, Error> {
    if options.snapshot.is_some() && !detection.format.has_snapshots {
        return Err(DetectError::NoSnapshots { format: detection.format.name }.into());
    }
    (detection.format.parse)(file, options)
}

/// All signatures; without any, text and images that are followed by zeros.
fn matches(file: &dyn ReadAt, probe: &Probe<'_>) -> Result<Vec<Match>, Error> {
    let foreign =
        |found: Foreign| Match::new(probe, found.name, found.evidence, Kind::Foreign(found.treatment));
    let ours = FORMATS.iter().filter_map(|format| {
        let evidence = (format.probe)(probe)?;
        Some(Match::new(probe, format.name, evidence, Kind::Readable(format)))
    });
    let mut found: Vec<_> = ours.chain(recognise::recognise(probe).into_iter().map(foreign)).collect();
    if found.is_empty() {
        let less =
            text::recognise(probe).map_or_else(|| padding::recognise(file, probe), |text| Ok(Some(text)));
        found.extend(less?.map(foreign));
    }
    Ok(found)
}

fn decide(file: &dyn ReadAt, name: Option<&Path>, matches: Vec<Match>) -> Result<Detection, Error> {
    let denial = name.and_then(file_name::denial);
    let [found] = &matches[..] else {
        if !matches.is_empty() {
            let all = matches.iter().map(ToString::to_string).collect::<Vec<_>>();
            return Err(DetectError::Ambiguous { matches: all.join(", ") }.into());
        }
        if file.is_empty() {
            return Err(DetectError::Empty.into());
        }
        return match denial {
            Some(denial) => Err(DetectError::from(denial).into()),
            None => Ok(Detection { format: &FORMATS[0], evidence: None, matches, findings: Vec::new() }),
        };
    };
    let (name, at, description) = (found.name, found.evidence.at, found.evidence.description.clone());
    match found.kind {
        Kind::Readable(format) => {
            let evidence = Some(found.evidence.clone());
            Ok(Detection { format, evidence, matches, findings: Vec::new() })
        }
        Kind::Foreign(Treatment::Unsupported) => {
            Err(DetectError::Unsupported { name, at, description }.into())
        }
        Kind::Foreign(Treatment::Cut(len)) => Err(DetectError::Padded { name, at, description, len }.into()),
        // The name of a part is stronger evidence than its contents.
        Kind::Foreign(Treatment::NoDisk(remedy)) => {
            Err(match denial.filter(|denial| denial.is_piece(name)) {
                Some(denial) => DetectError::from(denial).into(),
                None => DetectError::NoDisk { name, at, description, remedy }.into(),
            })
        }
    }
}

fn chosen(format: &'static Format, matches: Vec<Match>, is_empty: bool) -> Detection {
    let (same, others): (Vec<_>, Vec<_>) = matches.iter().partition(|found| found.name == format.name);
    let others = others.into_iter().map(|found| Finding {
        code: codes::DETECT_LOOKS_LIKE,
        severity: Severity::Warning,
        at: Some(found.evidence.at),
        message: format!(
            "read as {} as requested, but {} indicates {}",
            format.name, found.evidence.description, found.name
        ),
    });
    let empty = (is_empty && format.name == imgprep_raw::NAME).then(|| Finding {
        code: codes::RAW_EMPTY,
        severity: Severity::Error,
        at: None,
        message: "the file is empty: a disk of 0 bytes".into(),
    });
    let (findings, evidence) =
        (others.chain(empty).collect(), same.first().map(|found| found.evidence.clone()));
    Detection { format, evidence, matches, findings }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(bytes: &[u8]) -> Result<&'static str, DetectError> {
        let file = bytes.to_vec();
        let found = detect(&file, Hints::default());
        found.map(|found| found.format.name).map_err(|error| error.detail::<DetectError>().unwrap().clone())
    }

    fn with(at: usize, magic: &[u8], len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        bytes[at..at + magic.len()].copy_from_slice(magic);
        bytes
    }

    #[test]
    fn readable_formats_are_detected_by_their_magic() {
        assert_eq!(named(&with(0, b"QFI\xfb\0\0\0\x01", 4096)), Ok("qcow"));
        assert_eq!(named(&with(0, b"QFI\xfb\0\0\0\x03", 4096)), Ok("qcow2"));
        assert_eq!(named(&with(0, b"QED\0", 4096)), Ok("qed"));
        assert_eq!(named(&with(64, &[0x7f, 0x10, 0xda, 0xbe], 4096)), Ok("vdi"));
        assert_eq!(named(b"<<< Oracle VM VirtualBox Disk Im"), Ok("vdi"), "cut before its signature");
        assert_eq!(named(&with(0, b"KDMV", 4096)), Ok("vmdk"));
        assert_eq!(named(&with(0, b"COWD", 4096)), Ok("vmdk"));
        assert_eq!(named(&with(0, b"\xbe\xba\xfe\xca", 4096)), Ok("vmdk"));
        assert_eq!(named(b"\n# Disk DescriptorFile\r\nversion=1\n"), Ok("vmdk"));
        assert_eq!(named(b"#x\nversion=1\nCID=1\ncreateType=\"vmfs\"\n"), Ok("vmdk"));
        assert_eq!(named(&with(0, b"vhdxfile", 4096)), Ok("vhdx"));
        assert_eq!(named(&with(0, b"stream\0\0", 8192)), Ok("zvhd"));
        assert_eq!(named(&with(0, b"z2strm\0\0", 8192)), Ok("zvhd2"));
        assert_eq!(named(&[0; 4096]), Ok("raw"));
    }

    fn named_as(name: &str, bytes: &[u8]) -> Result<&'static str, DetectError> {
        let found = detect(&bytes.to_vec(), Hints { name: Some(Path::new(name)), format: None });
        found.map(|found| found.format.name).map_err(|error| error.detail::<DetectError>().unwrap().clone())
    }

    #[test]
    fn the_file_name_decides_only_without_a_signature() {
        let disk = with(510, b"\x55\xaa", 4096);
        assert_eq!(named_as("disk.img", &disk), Ok("raw"));
        assert_eq!(named_as("disk", &disk), Ok("raw"));
        assert_eq!(named_as("disk.vmdk", &with(0, b"QFI\xfb\0\0\0\x03", 4096)), Ok("qcow2"));
        match named_as("disk.qcow2", &disk) {
            Err(DetectError::ExtensionDenied { ending, descriptor: None, .. }) => {
                assert_eq!(ending, ".qcow2");
            }
            other => panic!("{other:?}"),
        }
        match named_as("disk-flat.vmdk", &disk) {
            Err(DetectError::ExtensionDenied { ending, descriptor, .. }) => {
                assert_eq!((&ending[..], descriptor.as_deref()), ("-flat.vmdk", Some("disk.vmdk")));
            }
            other => panic!("{other:?}"),
        }
        // Signatures are stronger evidence than names; the name of a part is stronger than its contents.
        match named_as("disk.qcow2", b"404: Not Found") {
            Err(DetectError::NoDisk { name: "error-page", .. }) => {}
            other => panic!("{other:?}"),
        }
        match named_as("disk-flat.vmdk", b"words on a disk\n") {
            Err(DetectError::ExtensionDenied { .. }) => {}
            other => panic!("{other:?}"),
        }
        match named_as("sda1.ext4-ptcl-img.gz.aa", &with(0, &[0x1f, 0x8b, 8], 4096)) {
            Err(DetectError::ExtensionDenied { .. }) => {}
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_empty_file_is_rejected_unless_raw_is_requested() {
        assert_eq!(named(&[]), Err(DetectError::Empty));
        assert_eq!(named_as("x.qcow2", &[]), Err(DetectError::Empty));
        let found = detect(&Vec::new(), Hints { format: by_name("raw"), name: None }).unwrap();
        assert_eq!((found.findings[0].code.id, found.findings[0].severity), ("raw.empty", Severity::Error));
        assert_eq!(found.findings.len(), 1);
    }

    #[test]
    fn a_vhd_with_zeros_after_its_footer_is_reported_with_its_end() {
        let mut bytes = with(1 << 20, b"conectix", 2 << 20);
        bytes[0] = 1;
        match named(&bytes) {
            Err(DetectError::Padded { name: "vhd", at: 0x10_0000, len: 0x10_0200, .. }) => {}
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_fixed_vhd_is_never_read_as_raw() {
        // Whole, of 511 bytes, with padding after it, cut.
        for at in [4096 - 512, 4096 - 511, 2048] {
            assert_eq!(named(&with(at, b"conectix", 4096)), Ok("vhd"));
        }
        assert_eq!(named(&with(4096, b"conectix", 4130)), Ok("vhd"));
        assert_eq!(named(&with(0, b"conectix", 100)), Ok("vhd"));
    }

    #[test]
    fn files_that_are_not_disks_are_reported_with_a_remedy() {
        for (magic, name) in
            [(&[0x1f, 0x8b, 8][..], "gzip"), (b"\xfd7zXZ\0", "xz"), (b"7z\xbc\xaf\x27\x1c\0", "7z")]
        {
            match named(&with(0, magic, 4096)) {
                Err(DetectError::NoDisk { name: found, at: 0, .. }) => assert_eq!(found, name),
                other => panic!("{name}: {other:?}"),
            }
        }
        match named(&with(32768, b"\x01CD001\x01", 40000)) {
            Err(DetectError::NoDisk { name: "iso9660", at: 32769, .. }) => {}
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn several_matches_are_rejected_and_listed() {
        let mut bytes = with(0, b"QFI\xfb\0\0\0\x03", 4096);
        bytes[4096 - 512..4096 - 504].copy_from_slice(b"conectix");
        match named(&bytes) {
            Err(DetectError::Ambiguous { matches }) => {
                assert!(matches.contains("qcow2") && matches.contains("vhd"), "{matches}");
            }
            other => panic!("{other:?}"),
        }
        let file = bytes;
        let found = detect(&file, Hints { format: by_name("raw"), name: None }).unwrap();
        assert_eq!(found.findings.len(), 2, "asked for raw, but two others match");
    }

    #[test]
    fn a_snapshot_of_a_format_without_snapshots_is_rejected() {
        let file = vec![0; 512];
        let detection = detect(&file, Hints::default()).unwrap();
        let options = ParseOptions { snapshot: Some("1".into()), ..ParseOptions::default() };
        let error = parse(&file, &detection, &options).err().unwrap();
        assert_eq!(error.detail(), Some(&DetectError::NoSnapshots { format: "raw" }));
    }
}
