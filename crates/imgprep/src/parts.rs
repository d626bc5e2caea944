//! Files of a folder that are parts of a disk that another file there describes.
//!
//! A part is named by an image in its folder (an extent, a data file, a list of changed blocks) and is no image by its own
//! contents. A file that is an image is never a part: an untrusted descriptor must not hide it from a check.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use imgprep_catalog::{DetectError, Detection, detect, parse};
use imgprep_io::SourceFile;
use imgprep_map::{FileRef, Image, ParseOptions, Parsed};
use imgprep_open::{OpenOptions, hints, part_of};
use imgprep_policy::Kind;

use crate::file_kind::kind_of;

/// Formats whose images name further files of their own.
const WITH_PARTS: [&str; 2] = ["vmdk", "qcow2"];

/// What the search of a folder needs to know about a file. The file is opened once and closed again: a folder may contain
/// more files than may be open.
pub(crate) struct Candidate {
    pub(crate) path: PathBuf,
    /// Whether its bytes match a format, or a kind of file that a check reports.
    pub(crate) is_image: bool,
    /// Whether it is no image by its own contents, so that another image may name it as a part.
    may_be_part: bool,
    /// The files that it names, if images of its format name other files.
    named: Option<Vec<FileRef>>,
}

impl Candidate {
    pub(crate) fn examine(path: PathBuf, options: &OpenOptions) -> Self {
        let nothing = Self { path, is_image: false, may_be_part: false, named: None };
        let Ok(file) = SourceFile::open(&nothing.path, options.source) else { return nothing };
        match detect(&file, hints(&file, None)) {
            Ok(found) => {
                let image = described(&file, &found, options);
                let may_be_part = match found.evidence {
                    None => true,
                    Some(_) if found.format.name == "vmdk" => image.as_ref().is_none_or(|it| !is_whole(it)),
                    Some(_) => false,
                };
                let named = image.map(|image| named(&image));
                Self { is_image: found.evidence.is_some(), may_be_part, named, ..nothing }
            }
            Err(error) => {
                let is_ambiguous = matches!(error.detail(), Some(DetectError::Ambiguous { .. }));
                let is_image = is_ambiguous || !matches!(kind_of(&error), Kind::Other(_));
                Self { is_image, may_be_part: !is_ambiguous, ..nothing }
            }
        }
    }
}

/// Of `paths`, those that are parts of a disk, each with the image among `paths` that names it.
pub fn parts_among(paths: &[PathBuf], options: &OpenOptions) -> BTreeMap<PathBuf, PathBuf> {
    let candidates: Vec<_> = paths.iter().map(|path| Candidate::examine(path.clone(), options)).collect();
    parts_of(&candidates)
}

/// The same among files that were examined.
pub(crate) fn parts_of(candidates: &[Candidate]) -> BTreeMap<PathBuf, PathBuf> {
    let own: BTreeMap<PathBuf, &Candidate> =
        candidates.iter().filter_map(|it| Some((it.path.canonicalize().ok()?, it))).collect();
    let mut parts = BTreeMap::new();
    for image in candidates {
        let Some(named) = &image.named else { continue };
        let mut found: BTreeSet<_> = named.iter().filter_map(|file| part_of(&image.path, file)).collect();
        found.extend(tracking_beside(&image.path).and_then(|path| path.canonicalize().ok()));
        for part in found.iter().filter_map(|found| own.get(found)) {
            if part.path != image.path && part.may_be_part {
                parts.entry(part.path.clone()).or_insert_with(|| image.path.clone());
            }
        }
    }
    parts
}

/// The parsed header of an image, if images of its format name other files.
fn described(file: &SourceFile, found: &Detection, options: &OpenOptions) -> Option<Box<Image>> {
    if !WITH_PARTS.contains(&found.format.name) {
        return None;
    }
    let limits = options.parse.limits;
    match parse(file, found, &ParseOptions { limits, ..ParseOptions::default() }).ok()? {
        Parsed::Done(image) => Some(image),
        Parsed::Needs(needs) => Some(needs.described),
    }
}

fn named(image: &Image) -> Vec<FileRef> {
    image.files.iter().chain(&image.attachments).cloned().collect()
}

/// The list of changed blocks of a VMDK has this name, even if the descriptor no longer contains it: ESX leaves the file
/// in place when change tracking is switched off.
fn tracking_beside(image: &Path) -> Option<PathBuf> {
    let name = image.file_name()?.to_str()?;
    Some(image.with_file_name(format!("{}-ctk.vmdk", name.strip_suffix(".vmdk")?)))
}

/// Whether a VMDK has a descriptor.
fn is_whole(image: &Image) -> bool {
    image.identity.is_some() || image.facts.details.iter().any(|(key, _)| *key == "create-type")
}
