//! The list of formats, one row each.

use imgprep_map::{Code, Error, Evidence, ParseOptions, Parsed, Probe, ReadAt};

/// One readable format.
pub struct Format {
    /// Its name, as in `--from`.
    pub name: &'static str,
    /// Other names that images and people use for it.
    pub aliases: &'static [&'static str],
    /// Extensions of its files, the usual one first: the search of a folder takes that one. A file with any of them is
    /// not read as RAW.
    pub extensions: &'static [&'static str],
    /// Where its signature is, for the message about a file that has the extension and not the signature. Empty for
    /// RAW, which has none.
    pub(crate) signature: &'static str,
    pub(crate) has_snapshots: bool,
    /// The codes of its crate; they are listed once where a crate has two rows.
    pub(crate) codes: &'static [&'static Code],
    pub(crate) probe: fn(&Probe<'_>) -> Option<Evidence>,
    pub(crate) parse: fn(&dyn ReadAt, &ParseOptions) -> Result<Parsed, Error>,
}

impl std::fmt::Debug for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// All readable formats. RAW is the fallback.
pub const FORMATS: &[Format] = &[
    Format {
        name: imgprep_raw::NAME,
        aliases: &["img", "file"],
        extensions: &["raw", "img", "image", "dd", "dsk", "disk", "bin", "ima", "flp", "vfd"],
        signature: "",
        has_snapshots: false,
        codes: &[],
        probe: |_| None,
        parse: imgprep_raw::parse,
    },
    Format {
        name: imgprep_qcow::NAME,
        aliases: &["qcow1"],
        extensions: &["qcow", "qcow1"],
        signature: "\"QFI\\xfb\" at byte 0",
        has_snapshots: false,
        codes: imgprep_qcow::CODES,
        probe: imgprep_qcow::probe,
        parse: imgprep_qcow::parse,
    },
    Format {
        name: imgprep_qcow2::NAME,
        aliases: &["qcow3"],
        extensions: &["qcow2", "qcow3"],
        signature: "\"QFI\\xfb\" at byte 0",
        has_snapshots: true,
        codes: imgprep_qcow2::CODES,
        probe: imgprep_qcow2::probe,
        parse: imgprep_qcow2::parse,
    },
    Format {
        name: imgprep_qed::NAME,
        aliases: &[],
        extensions: &["qed"],
        signature: "\"QED\\0\" at byte 0",
        has_snapshots: false,
        codes: imgprep_qed::CODES,
        probe: imgprep_qed::probe,
        parse: imgprep_qed::parse,
    },
    Format {
        name: imgprep_vdi::NAME,
        aliases: &[],
        extensions: &["vdi"],
        signature: "7f 10 da be at byte 64",
        has_snapshots: false,
        codes: imgprep_vdi::CODES,
        probe: imgprep_vdi::probe,
        parse: imgprep_vdi::parse,
    },
    Format {
        name: imgprep_vhd::NAME,
        aliases: &["vpc"],
        extensions: &["vhd", "vpc", "avhd", "vud"],
        signature: "\"conectix\" in its last 512 bytes",
        has_snapshots: false,
        codes: imgprep_vhd::CODES,
        probe: imgprep_vhd::probe,
        parse: imgprep_vhd::parse,
    },
    Format {
        name: imgprep_vmdk::NAME,
        aliases: &[],
        extensions: &["vmdk"],
        signature: "\"KDMV\", \"COWD\" or a text descriptor at byte 0",
        has_snapshots: false,
        codes: imgprep_vmdk::CODES,
        probe: imgprep_vmdk::probe,
        parse: imgprep_vmdk::parse,
    },
    Format {
        name: imgprep_vhdx::NAME,
        aliases: &[],
        extensions: &["vhdx", "avhdx"],
        signature: "\"vhdxfile\" at byte 0",
        has_snapshots: false,
        codes: imgprep_vhdx::CODES,
        probe: imgprep_vhdx::probe,
        parse: imgprep_vhdx::parse,
    },
    Format {
        name: imgprep_zvhd::ZVHD,
        aliases: &[],
        extensions: &["zvhd"],
        signature: "\"stream\" at byte 0",
        has_snapshots: false,
        codes: imgprep_zvhd::CODES,
        probe: |probe| zvhd(probe, imgprep_zvhd::ZVHD),
        parse: imgprep_zvhd::parse,
    },
    Format {
        name: imgprep_zvhd::ZVHD2,
        aliases: &[],
        extensions: &["zvhd2"],
        signature: "\"z2strm\" at byte 0",
        has_snapshots: false,
        codes: &[],
        probe: |probe| zvhd(probe, imgprep_zvhd::ZVHD2),
        parse: imgprep_zvhd::parse,
    },
];

fn zvhd(probe: &Probe<'_>, name: &str) -> Option<Evidence> {
    imgprep_zvhd::probe(probe).filter(|(found, _)| *found == name).map(|(_, evidence)| evidence)
}

/// Whether this is an extension of RAW disks.
pub(crate) fn is_raw_extension(extension: &str) -> bool {
    FORMATS.iter().any(|format| format.signature.is_empty() && format.extensions.contains(&extension))
}

/// The format with a signature whose files have this extension.
pub(crate) fn by_extension(extension: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| !format.signature.is_empty() && format.extensions.contains(&extension))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_extensions_belong_to_one_format() {
        let (mut names, mut extensions) = (BTreeSet::new(), BTreeSet::new());
        for format in FORMATS {
            assert!(names.insert(format.name) && format.aliases.iter().all(|alias| names.insert(alias)));
            assert!(
                !format.extensions.is_empty() && format.extensions.iter().all(|name| extensions.insert(name))
            );
        }
        assert_eq!(FORMATS.iter().filter(|format| format.signature.is_empty()).count(), 1);
    }
}
