//! Which files of a folder are images.

use std::path::{Path, PathBuf};

use imgprep_catalog::{DetectError, detect};
use imgprep_io::SourceFile;
use imgprep_map::Error;
use imgprep_open::{OpenOptions, hints};
use imgprep_policy::Kind;

use crate::parts::parts_among;

/// The images in a folder and the folders in it, by name: files with an extension of an image, and
/// those whose bytes speak for a format. Links to folders are not followed. Parts of a disk that another file of the
/// folder describes are left out: they are judged with it.
pub fn image_files(folder: &Path, options: &OpenOptions) -> Result<Vec<PathBuf>, Error> {
    let failed = |error: std::io::Error| {
        Error::new(imgprep_io::OpenError::from(error)).in_path(folder.display().to_string())
    };
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    paths.sort();
    let (mut found, mut below) = (Vec::new(), Vec::new());
    for path in paths {
        let Ok(kind) = std::fs::symlink_metadata(&path) else { continue };
        if kind.is_dir() {
            below.extend(image_files(&path, options)?);
        } else if path.is_file() && is_image(&path, options) {
            found.push(path);
        }
    }
    let parts = parts_among(&found, options);
    found.retain(|path| !parts.contains_key(path));
    found.extend(below);
    found.sort();
    Ok(found)
}

const EXTENSIONS: [&str; 13] =
    ["img", "raw", "qcow2", "qcow", "qed", "vdi", "vhd", "vhdx", "vmdk", "zvhd", "zvhd2", "iso", "ova"];

fn is_image(path: &Path, options: &OpenOptions) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)) {
        return true;
    }
    let Ok(file) = SourceFile::open(path, options.source) else { return false };
    match detect(&file, hints(&file, None)) {
        Ok(detection) => detection.evidence.is_some(),
        Err(error) => !matches!(kind_of(&error), Kind::Other(_)) || error.code() == "detect.ambiguous",
    }
}

/// What a file is that was not taken for a readable disk.
pub(crate) fn kind_of(error: &Error) -> Kind {
    match error.detail::<DetectError>() {
        Some(DetectError::NotYet { name, .. } | DetectError::Padded { name, .. }) => {
            Kind::Unread((*name).into())
        }
        Some(DetectError::NoDisk { name: "iso9660", .. }) => Kind::Iso,
        Some(DetectError::NoDisk { name, .. }) => Kind::Other((*name).into()),
        Some(DetectError::Empty) => Kind::Other("empty".into()),
        _ => Kind::Other("unknown".into()),
    }
}
