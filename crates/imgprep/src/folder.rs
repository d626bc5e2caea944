//! Finds the images of a folder.

use std::path::{Path, PathBuf};

use imgprep_map::Error;
use imgprep_open::{FollowPolicy, OpenOptions};

use crate::RequestError;
use crate::parts::{Candidate, parts_of};

/// The images in a folder and in the folders below it, sorted by name: files with the extension of an image, and those
/// whose bytes match a format. Links to folders are not followed. A link that [`check_link`] rejects is recognised by its
/// extension only, and not opened. Parts of a disk that another file of the folder describes are omitted: they are checked
/// with it. Each entry that cannot be examined, and each folder that cannot be listed, is passed to `failed` with its error.
pub fn image_files(
    folder: &Path,
    options: &OpenOptions,
    failed: &mut dyn FnMut(&Path, Error),
) -> Vec<PathBuf> {
    files_below(folder, folder, options, failed)
}

fn files_below(
    top: &Path,
    folder: &Path,
    options: &OpenOptions,
    failed: &mut dyn FnMut(&Path, Error),
) -> Vec<PathBuf> {
    let (mut found, mut below) = (Vec::new(), Vec::new());
    for path in entries(folder, failed) {
        match std::fs::symlink_metadata(&path) {
            Err(error) => failed(&path, unreadable(&path, error)),
            Ok(kind) if kind.is_dir() => below.extend(files_below(top, &path, options, failed)),
            Ok(kind) if kind.is_symlink() && check_link(&path, top, options.follow).is_err() => {
                if has_image_extension(&path) && !path.is_dir() {
                    below.push(path);
                }
            }
            Ok(_) if path.is_file() => {
                let file = Candidate::examine(path, options);
                if file.is_image || has_image_extension(&file.path) {
                    found.push(file);
                }
            }
            Ok(_) => {}
        }
    }
    let parts = parts_of(&found);
    let whole = found.into_iter().map(|file| file.path).filter(|path| !parts.contains_key(path));
    let mut paths: Vec<_> = whole.chain(below).collect();
    paths.sort();
    paths
}

/// The entries of a folder by name, as far as it can be listed.
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

/// Rejects a dangling link in the searched `folder`, and unless the policy is `Any`, a link that leads out of the folder.
/// Other files are accepted.
pub fn check_link(path: &Path, folder: &Path, follow: FollowPolicy) -> Result<(), Error> {
    if !path.is_symlink() {
        return Ok(());
    }
    let target = || std::fs::read_link(path).map_or(String::new(), |target| target.display().to_string());
    let refused = |error: RequestError| Err(Error::new(error).in_path(path.display().to_string()));
    // A folder that cannot be resolved contains no file.
    let (real, folder) = (path.canonicalize(), folder.canonicalize());
    match (real, folder) {
        (Ok(real), Ok(folder)) if follow == FollowPolicy::Any || real.starts_with(&folder) => Ok(()),
        (Ok(_), _) => refused(RequestError::LinkOutside { target: target() }),
        (Err(_), _) => refused(RequestError::LinkDangling { target: target() }),
    }
}

fn has_image_extension(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    imgprep_catalog::image_extensions().any(|known| extension.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_in_their_folder_unless_any_file_is_followed() {
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
        let code = |link: &str, follow| {
            check_link(&folder.join(link), &folder, follow).err().map(|error| error.code().id)
        };
        for link in ["inside", "sub/up", "b.raw"] {
            assert_eq!(
                (code(link, FollowPolicy::None), code(link, FollowPolicy::Any)),
                (None, None),
                "{link}"
            );
        }
        for link in ["out.raw", "passwd"] {
            assert_eq!(
                (code(link, FollowPolicy::Beside), code(link, FollowPolicy::Any)),
                (Some("folder.link.outside"), None),
                "{link}"
            );
        }
        for link in ["gone.raw", "loop.raw"] {
            assert_eq!(code(link, FollowPolicy::Any), Some("folder.link.dangling"), "{link}");
        }
        let options = OpenOptions { follow: FollowPolicy::None, ..OpenOptions::default() };
        let found = image_files(&folder, &options, &mut |path, error| panic!("{}: {error}", path.display()));
        let names: Vec<_> =
            found.iter().map(|path| path.strip_prefix(&folder).unwrap().display().to_string()).collect();
        assert_eq!(names, ["b.raw", "gone.raw", "loop.raw", "out.raw", "sub/c.raw"]);
    }

    fn found(folder: &Path) -> (Vec<String>, Vec<(String, &'static str)>) {
        let mut failed = Vec::new();
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let files = image_files(folder, &OpenOptions::default(), &mut |path, error| {
            failed.push((name(path), error.code().id));
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

    /// Folders are created one by one, because the path of the last one exceeds the system's limit.
    #[test]
    fn a_folder_with_too_long_a_path_does_not_hide_the_others() {
        let temp = tempfile::tempdir().unwrap();
        let name = "d".repeat(200);
        let script = "for n in $(seq 25); do mkdir $0 && cd -P $0 || exit 1; done";
        let mut make = std::process::Command::new("bash");
        let made = make.args(["-c", script, &name]).current_dir(temp.path()).status().unwrap();
        assert!(made.success());
        for name in ["a.raw", "z.raw"] {
            std::fs::write(temp.path().join(name), "x").unwrap();
        }
        let (files, failed) = found(temp.path());
        assert_eq!((files, failed), (vec!["a.raw".into(), "z.raw".into()], vec![(name, "io.open.failed")]));
    }
}
