//! Which files of a folder are images.

use std::path::{Path, PathBuf};

use imgprep_catalog::{DetectError, detect};
use imgprep_io::SourceFile;
use imgprep_map::Error;
use imgprep_open::{Gate, OpenOptions, hints};
use imgprep_policy::Kind;

use crate::FaceError;
use crate::parts::parts_among;

/// The images in a folder and the folders in it, by name: files with an extension of an image, and
/// those whose bytes speak for a format. Links to folders are not followed. A link that [`check_link`] refuses is
/// judged by its extension alone and not opened. Parts of a disk that another file of the folder describes are left out: they
/// are judged with it.
pub fn image_files(folder: &Path, options: &OpenOptions) -> Result<Vec<PathBuf>, Error> {
    files_below(folder, folder, options)
}

fn files_below(top: &Path, folder: &Path, options: &OpenOptions) -> Result<Vec<PathBuf>, Error> {
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
            below.extend(files_below(top, &path, options)?);
        } else if kind.is_symlink() && check_link(&path, top, options.gate).is_err() {
            if has_image_extension(&path) && !path.is_dir() {
                below.push(path);
            }
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

/// Refuses a link found in the searched `folder` that leads nowhere, or out of the folder unless the gate is open. Whatever
/// is no link passes.
pub fn check_link(path: &Path, folder: &Path, gate: Gate) -> Result<(), Error> {
    if !path.is_symlink() {
        return Ok(());
    }
    let target = || std::fs::read_link(path).map_or(String::new(), |target| target.display().to_string());
    let refused = |error: FaceError| Err(Error::new(error).in_path(path.display().to_string()));
    // A folder that cannot be resolved holds nothing.
    let (real, folder) = (path.canonicalize(), folder.canonicalize());
    match (real, folder) {
        (Ok(real), Ok(folder)) if gate == Gate::Any || real.starts_with(&folder) => Ok(()),
        (Ok(_), _) => refused(FaceError::LinkOutside { target: target() }),
        (Err(_), _) => refused(FaceError::LinkDangling { target: target() }),
    }
}

const EXTENSIONS: [&str; 13] =
    ["img", "raw", "qcow2", "qcow", "qed", "vdi", "vhd", "vhdx", "vmdk", "zvhd", "zvhd2", "iso", "ova"];

fn has_image_extension(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

fn is_image(path: &Path, options: &OpenOptions) -> bool {
    if has_image_extension(path) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_in_their_folder_unless_the_gate_is_open() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("images");
        std::fs::create_dir_all(folder.join("sub")).unwrap();
        for file in ["a.raw", "images/b.raw", "images/sub/c.raw"] {
            std::fs::write(temp.path().join(file), "").unwrap();
        }
        for (target, link) in [
            ("b.raw", "inside"),
            ("../b.raw", "sub/up"),
            ("../a.raw", "out.raw"),
            ("/etc/passwd", "passwd"),
            ("gone", "gone.raw"),
            ("loop.raw", "loop.raw"),
        ] {
            std::os::unix::fs::symlink(target, folder.join(link)).unwrap();
        }
        let code =
            |link: &str, gate| check_link(&folder.join(link), &folder, gate).err().map(|error| error.code());
        for link in ["inside", "sub/up", "b.raw"] {
            assert_eq!((code(link, Gate::None), code(link, Gate::Any)), (None, None), "{link}");
        }
        for link in ["out.raw", "passwd"] {
            assert_eq!(
                (code(link, Gate::Beside), code(link, Gate::Any)),
                (Some("folder.link.outside"), None),
                "{link}"
            );
        }
        for link in ["gone.raw", "loop.raw"] {
            assert_eq!(code(link, Gate::Any), Some("folder.link.dangling"), "{link}");
        }
        let options = OpenOptions { gate: Gate::None, ..OpenOptions::default() };
        let found = image_files(&folder, &options).unwrap();
        let names: Vec<_> =
            found.iter().map(|path| path.strip_prefix(&folder).unwrap().display().to_string()).collect();
        assert_eq!(names, ["b.raw", "gone.raw", "loop.raw", "out.raw", "sub/c.raw"]);
    }
}
