//! Which files of a folder are images.

use std::path::{Path, PathBuf};

use imgprep_catalog::{DetectError, detect};
use imgprep_io::SourceFile;
use imgprep_map::Error;
use imgprep_open::OpenOptions;
use imgprep_policy::Kind;

/// The images in a folder and the folders in it, by name: files with an extension of an image, and
/// those whose bytes speak for a format. Links to folders are not followed. Each entry that cannot be examined and each
/// folder that cannot be listed is given to `failed` with the reason; the others are still found.
pub fn image_files(
    folder: &Path,
    options: &OpenOptions,
    failed: &mut dyn FnMut(&Path, Error),
) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in entries(folder, failed) {
        match std::fs::symlink_metadata(&path) {
            Err(error) => failed(&path, unreadable(&path, error)),
            Ok(kind) if kind.is_dir() => found.extend(image_files(&path, options, failed)),
            Ok(_) if path.is_file() && is_image(&path, options) => found.push(path),
            Ok(_) => {}
        }
    }
    found
}

/// What a folder lists, by name, as far as it can be listed.
fn entries(folder: &Path, failed: &mut dyn FnMut(&Path, Error)) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    match std::fs::read_dir(folder) {
        Err(error) => failed(folder, unreadable(folder, error)),
        Ok(entries) => entries.for_each(|entry| match entry {
            Ok(entry) => paths.push(entry.path()),
            Err(error) => failed(folder, unreadable(folder, error)),
        }),
    }
    paths.sort();
    paths
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::new(imgprep_io::OpenError::from(error)).in_path(path.display().to_string())
}

const EXTENSIONS: [&str; 13] =
    ["img", "raw", "qcow2", "qcow", "qed", "vdi", "vhd", "vhdx", "vmdk", "zvhd", "zvhd2", "iso", "ova"];

fn is_image(path: &Path, options: &OpenOptions) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)) {
        return true;
    }
    let Ok(file) = SourceFile::open(path, options.source) else { return false };
    match detect(&file, None) {
        Ok(detection) => detection.evidence.is_some(),
        Err(error) => !matches!(kind_of(&error), Kind::Other(_)) || error.code() == "detect.ambiguous",
    }
}

/// What a file is that was not taken for a readable disk.
pub(crate) fn kind_of(error: &Error) -> Kind {
    match error.detail::<DetectError>() {
        Some(DetectError::NotYet { name, .. }) => Kind::Unread((*name).into()),
        Some(DetectError::NoDisk { name: "iso9660", .. }) => Kind::Iso,
        Some(DetectError::NoDisk { name, .. }) => Kind::Other((*name).into()),
        _ => Kind::Other("unknown".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(folder: &Path) -> (Vec<String>, Vec<(String, &'static str)>) {
        let mut failed = Vec::new();
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let files = image_files(folder, &OpenOptions::default(), &mut |path, error| {
            failed.push((name(path), error.code()));
        });
        (files.iter().map(|path| name(path)).collect(), failed)
    }

    #[test]
    fn a_folder_that_cannot_be_listed_is_reported() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let (files, failed) = found(&file);
        assert_eq!((files.len(), failed), (0, vec![("file".into(), "io.open.failed")]), "ENOTDIR");
        let (files, failed) = found(&temp.path().join("gone"));
        assert_eq!((files.len(), failed), (0, vec![("gone".into(), "io.open.not-found")]), "ENOENT");
    }

    /// Folders are made one by one, since the path of the last one is longer than the system takes.
    #[test]
    fn a_folder_with_too_long_a_path_does_not_hide_the_others() {
        let temp = tempfile::tempdir().unwrap();
        let name = "d".repeat(200);
        let script = "for n in $(seq 25); do mkdir $0 && cd -P $0 || exit 1; done";
        let mut made = std::process::Command::new("bash");
        let made = made.args(["-c", script, &name]).current_dir(temp.path()).status();
        assert!(made.unwrap().success());
        for name in ["a.raw", "z.raw"] {
            std::fs::write(temp.path().join(name), "x").unwrap();
        }
        let (files, failed) = found(temp.path());
        assert_eq!((files, failed), (vec!["a.raw".into(), "z.raw".into()], vec![(name, "io.open.failed")]));
    }
}
