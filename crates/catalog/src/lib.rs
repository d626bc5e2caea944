//! The list of formats: one line each, and everything else works on it at once.
//!
//! Detection goes by evidence: every format is shown the head and the tail of a file,
//! and every match is told. One match decides. None means RAW, unless the bytes are
//! those of something that is known not to be a disk or not to be readable yet.
//! Several are refused: only the user can say.

mod error;
mod foreign;

use imgprep_map::{Error, Evidence, Finding, ParseOptions, Parsed, Probe, ReadAt, Severity};

pub use error::DetectError;

type ProbeFn = fn(&Probe<'_>) -> Option<Evidence>;
type ParseFn = fn(&dyn ReadAt, &ParseOptions) -> Result<Parsed, Error>;

/// One readable format.
pub struct Format {
    /// Its name, as in `--from`.
    pub name: &'static str,
    /// Other names that images and people use for it.
    pub aliases: &'static [&'static str],
    has_snapshots: bool,
    probe: ProbeFn,
    parse: ParseFn,
}

impl std::fmt::Debug for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// All readable formats. RAW is what nothing else is.
#[rustfmt::skip]
pub const FORMATS: &[Format] = &[
    Format { name: imgprep_raw::NAME, aliases: &["img", "file"], has_snapshots: false, probe: |_| None, parse: imgprep_raw::parse },
    Format { name: imgprep_qcow2::NAME, aliases: &["qcow3"], has_snapshots: true, probe: imgprep_qcow2::probe, parse: imgprep_qcow2::parse },
    Format { name: imgprep_vhdx::NAME, aliases: &[], has_snapshots: false, probe: imgprep_vhdx::probe, parse: imgprep_vhdx::parse },
    Format { name: imgprep_zvhd::ZVHD, aliases: &[], has_snapshots: false, probe: |probe| zvhd(probe, imgprep_zvhd::ZVHD), parse: imgprep_zvhd::parse },
    Format { name: imgprep_zvhd::ZVHD2, aliases: &[], has_snapshots: false, probe: |probe| zvhd(probe, imgprep_zvhd::ZVHD2), parse: imgprep_zvhd::parse },
];

fn zvhd(probe: &Probe<'_>, wanted: &str) -> Option<Evidence> {
    imgprep_zvhd::probe(probe).filter(|(name, _)| *name == wanted).map(|(_, evidence)| evidence)
}

/// The format of this name or alias.
pub fn by_name(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name || format.aliases.contains(&name))
}

/// What a file was taken for, and why.
#[derive(Debug)]
pub struct Detection {
    /// The format.
    pub format: &'static Format,
    /// What speaks for it; nothing for RAW, which is what nothing else is.
    pub evidence: Option<Evidence>,
    /// Oddities that the choice has.
    pub findings: Vec<Finding>,
}

/// Finds out what a file is; with `choice` only whether something speaks against it.
pub fn detect(file: &dyn ReadAt, choice: Option<&'static Format>) -> Result<Detection, Error> {
    // OK: both lengths are clipped to constants of a few pages.
    let head = file.slice(0, file.len().min(Probe::HEAD) as usize)?;
    let tail_len = file.len().min(Probe::TAIL);
    let tail = file.slice(file.len() - tail_len, tail_len as usize)?;
    let probe = Probe { head: &head, tail: &tail, file_len: file.len() };
    let matches = matches(&probe);
    match choice {
        Some(format) => Ok(chosen(format, matches)),
        None => decide(&probe, matches),
    }
}

/// Understands a file as what it was detected to be.
pub fn parse(file: &dyn ReadAt, detection: &Detection, options: &ParseOptions) -> Result<Parsed, Error> {
    if options.snapshot.is_some() && !detection.format.has_snapshots {
        return Err(DetectError::NoSnapshots { format: detection.format.name }.into());
    }
    (detection.format.parse)(file, options)
}

struct Match {
    name: &'static str,
    evidence: Evidence,
    kind: Kind,
}

enum Kind {
    Readable(&'static Format),
    Foreign(foreign::Remedy),
}

fn matches(probe: &Probe<'_>) -> Vec<Match> {
    let ours = FORMATS.iter().filter_map(|format| {
        let evidence = (format.probe)(probe)?;
        Some(Match { name: format.name, evidence, kind: Kind::Readable(format) })
    });
    let foreign = foreign::recognise(probe).into_iter().map(|found| Match {
        name: found.name,
        evidence: found.evidence,
        kind: Kind::Foreign(found.remedy),
    });
    ours.chain(foreign).collect()
}

fn decide(probe: &Probe<'_>, mut matches: Vec<Match>) -> Result<Detection, Error> {
    if matches.len() > 1 {
        let said = matches
            .iter()
            .map(|found| format!("{} ({} at {})", found.name, found.evidence.says, found.evidence.at));
        return Err(DetectError::Ambiguous { matches: said.collect::<Vec<_>>().join(", ") }.into());
    }
    match matches.pop() {
        Some(Match { evidence, kind: Kind::Readable(format), .. }) => {
            Ok(Detection { format, evidence: Some(evidence), findings: Vec::new() })
        }
        Some(Match { name, evidence, kind: Kind::Foreign(remedy) }) => Err(match remedy {
            foreign::Remedy::NotYet => DetectError::NotYet { name, at: evidence.at, says: evidence.says },
            foreign::Remedy::NoDisk(remedy) => {
                DetectError::NoDisk { name, at: evidence.at, says: evidence.says, remedy }
            }
        }
        .into()),
        None => Ok(Detection { format: &FORMATS[0], evidence: None, findings: empty_finding(probe) }),
    }
}

fn empty_finding(probe: &Probe<'_>) -> Vec<Finding> {
    let finding = Finding {
        code: "raw.empty",
        severity: Severity::Warning,
        at: None,
        message: "the file is empty: a disk of 0 bytes".into(),
    };
    if probe.file_len == 0 { vec![finding] } else { Vec::new() }
}

fn chosen(format: &'static Format, matches: Vec<Match>) -> Detection {
    let mut detection = Detection { format, evidence: None, findings: Vec::new() };
    for found in matches {
        if found.name == format.name {
            detection.evidence = Some(found.evidence);
        } else {
            detection.findings.push(Finding {
                code: "detect.looks-like",
                severity: Severity::Warning,
                at: Some(found.evidence.at),
                message: format!(
                    "read as {} as asked, but {}: that is {}",
                    format.name, found.evidence.says, found.name
                ),
            });
        }
    }
    detection
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(bytes: &[u8]) -> Result<&'static str, DetectError> {
        let file = bytes.to_vec();
        let found = detect(&file, None);
        found.map(|found| found.format.name).map_err(|error| error.detail::<DetectError>().unwrap().clone())
    }

    fn with(at: usize, magic: &[u8], len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        bytes[at..at + magic.len()].copy_from_slice(magic);
        bytes
    }

    #[test]
    fn readable_formats_are_known_by_their_magic() {
        assert_eq!(named(&with(0, b"QFI\xfb\0\0\0\x03", 4096)), Ok("qcow2"));
        assert_eq!(named(&with(0, b"vhdxfile", 4096)), Ok("vhdx"));
        assert_eq!(named(&with(0, b"stream\0\0", 8192)), Ok("zvhd"));
        assert_eq!(named(&with(0, b"z2strm\0\0", 8192)), Ok("zvhd2"));
        assert_eq!(named(&[0; 4096]), Ok("raw"));
        assert_eq!(named(&[]), Ok("raw"));
    }

    #[test]
    fn a_fixed_vhd_is_never_raw() {
        for at in [4096 - 512, 4096 - 511] {
            let want = DetectError::NotYet { name: "vhd", at: at as u64, says: "cookie \"conectix\"".into() };
            assert_eq!(named(&with(at, b"conectix", 4096)), Err(want));
        }
    }

    #[test]
    fn what_is_no_disk_is_named_with_what_to_do() {
        for (magic, name) in [(&[0x1f, 0x8b, 8][..], "gzip"), (b"\xfd7zXZ\0", "xz"), (b"PK\x03\x04", "zip")] {
            match named(&with(0, magic, 4096)) {
                Err(DetectError::NoDisk { name: found, at: 0, .. }) => assert_eq!(found, name),
                other => panic!("{name}: {other:?}"),
            }
        }
        match named(&with(32769, b"CD001", 40000)) {
            Err(DetectError::NoDisk { name: "iso9660", at: 32769, .. }) => {}
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn several_matches_are_refused_with_all_of_them() {
        let mut bytes = with(0, b"QFI\xfb\0\0\0\x03", 4096);
        bytes[4096 - 512..4096 - 504].copy_from_slice(b"conectix");
        match named(&bytes) {
            Err(DetectError::Ambiguous { matches }) => {
                assert!(matches.contains("qcow2") && matches.contains("vhd"), "{matches}");
            }
            other => panic!("{other:?}"),
        }
        let file = bytes;
        let found = detect(&file, by_name("raw")).unwrap();
        assert_eq!(found.findings.len(), 2, "asked for raw, but two others match");
    }

    #[test]
    fn a_snapshot_of_a_format_that_has_none_is_refused() {
        let file = vec![0; 512];
        let detection = detect(&file, None).unwrap();
        let options = ParseOptions { snapshot: Some("1".into()), ..ParseOptions::default() };
        let error = parse(&file, &detection, &options).err().unwrap();
        assert_eq!(error.detail(), Some(&DetectError::NoSnapshots { format: "raw" }));
    }
}
