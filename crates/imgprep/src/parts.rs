//! Files of a folder that are parts of a disk that another file there describes.
//!
//! A part is named by an image in its folder (an extent, a data file, a list of changed blocks) and is no image by its own
//! contents. A file that is an image is never a part: an untrusted descriptor must not hide it from a check.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use imgprep_catalog::{detect, parse};
use imgprep_io::SourceFile;
use imgprep_map::{FileRef, Image, ParseOptions, Parsed};
use imgprep_open::{OpenOptions, hints, part_of};

/// Formats whose images name further files of their own.
const WITH_PARTS: [&str; 2] = ["vmdk", "qcow2"];

/// Of `paths`, those that are parts of a disk, each with the image among `paths` that names it.
pub fn parts_among(paths: &[PathBuf], options: &OpenOptions) -> BTreeMap<PathBuf, PathBuf> {
    let own: BTreeMap<PathBuf, &PathBuf> =
        paths.iter().filter_map(|path| Some((path.canonicalize().ok()?, path))).collect();
    let mut parts = BTreeMap::new();
    for image in paths {
        let Some(named) = described(image, options).map(|described| named(&described)) else { continue };
        let mut found: BTreeSet<_> = named.iter().filter_map(|file| part_of(image, file)).collect();
        found.extend(tracking_beside(image).and_then(|path| path.canonicalize().ok()));
        for part in found.iter().filter_map(|found| own.get(found)) {
            if *part != image && is_part(part, options) {
                parts.entry((*part).clone()).or_insert_with(|| image.clone());
            }
        }
    }
    parts
}

/// The parsed header of an image, if images of its format name other files.
fn described(path: &Path, options: &OpenOptions) -> Option<Box<Image>> {
    let file = SourceFile::open(path, options.source).ok()?;
    let detection =
        detect(&file, hints(&file, None)).ok().filter(|found| WITH_PARTS.contains(&found.format.name))?;
    let limits = options.parse.limits;
    match parse(&file, &detection, &ParseOptions { limits, ..ParseOptions::default() }).ok()? {
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

/// Whether a file that is named as a part is no image by its own contents.
fn is_part(path: &Path, options: &OpenOptions) -> bool {
    let Ok(file) = SourceFile::open(path, options.source) else { return false };
    match detect(&file, hints(&file, None)) {
        Ok(found) if found.evidence.is_none() => true,
        Ok(found) if found.format.name == "vmdk" => {
            described(path, options).is_none_or(|image| !is_whole(&image))
        }
        Ok(_) => false,
        // Not a disk, or an unknown file.
        Err(error) => error.code() != imgprep_catalog::codes::DETECT_AMBIGUOUS,
    }
}

/// Whether a VMDK has a descriptor.
fn is_whole(image: &Image) -> bool {
    image.identity.is_some() || image.facts.details.iter().any(|(key, _)| *key == "create-type")
}
