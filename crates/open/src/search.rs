//! Search for a parent by its id, if the child does not name it.
//!
//! The candidates are the files with the child's extension in its folder and, if the follow policy
//! allows all files, in the folder above, which contains the base of a disk whose
//! snapshots have a folder of their own. Exactly one must be the parent.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgprep_catalog::parse;
use imgprep_io::ImageFile;
use imgprep_map::{Error, Hint, ImageName, ParentRef, ParseOptions, Parsed};

use crate::options::OpenOptions;
use crate::read_image::{open_quietly, or_unread};
use crate::{ChainError, FollowPolicy, Namespace, ProbedFile};

/// Maximum number of candidates in one folder.
const CANDIDATES: usize = 1024;

/// The one file whose id is that of the parent of the image at `above`.
pub(crate) fn parent_of(
    above: &Path,
    parent: &ParentRef,
    options: &OpenOptions,
) -> Result<ProbedFile, ChainError> {
    let (at, identity) = (parent.at, parent.label());
    if options.follow == FollowPolicy::None {
        return Err(ChainError::Shut { at, name: identity });
    }
    let mut seen = Seen::default();
    let follow = if options.namespace.is_some() { FollowPolicy::Beside } else { options.follow };
    let folders = folders(above, follow);
    for folder in &folders {
        let found = match &options.namespace {
            Some(namespace) => siblings(above, &**namespace, parent)?,
            None => candidates(above, folder, parent, options.follow)?,
        };
        for path in found {
            seen.examine(&path, parent, options);
        }
        if !seen.matches.is_empty() {
            break;
        }
    }
    match seen.matches.len() {
        0 => Err(ChainError::NotFound {
            at,
            identity,
            folders: shown(&folders, " and "),
            // The image itself was among them, because it may be its own parent: a cycle.
            looked_at: (seen.files.len() + seen.unreadable).saturating_sub(1),
            unreadable: seen.unreadable,
            hint: match options.follow {
                FollowPolicy::Any => Hint::LocateParent,
                _ => Hint::LocateParentAbove,
            },
        }),
        1 => Ok(seen.matches.remove(0)),
        _ => Err(ChainError::Several {
            at,
            identity,
            names: seen.matches.iter().map(|file| &*file.name).collect::<Vec<_>>().join(", "),
        }),
    }
}

/// The image's own folder, and the one above.
fn folders(above: &Path, follow: FollowPolicy) -> Vec<PathBuf> {
    let own = above.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut folders = vec![own.to_path_buf()];
    if follow == FollowPolicy::Any {
        folders.extend(own.canonicalize().ok().and_then(|own| own.parent().map(Path::to_path_buf)));
    }
    folders
}

/// Files of a namespace in the folder of the image that have its extension.
fn siblings(above: &Path, namespace: &dyn Namespace, parent: &ParentRef) -> Result<Vec<PathBuf>, ChainError> {
    let extension = |path: &Path| path.extension().map(OsStr::to_ascii_lowercase);
    let mut found = namespace.siblings(above);
    found.retain(|path| extension(path) == extension(above));
    if found.len() > CANDIDATES {
        let (identity, folder) = (parent.label(), shown(&folders(above, FollowPolicy::Beside), ""));
        return Err(ChainError::TooManyCandidates { at: parent.at, identity, folder, limit: CANDIDATES });
    }
    found.sort();
    Ok(found)
}

/// Regular files in `folder` that have the extension of the image and that the follow policy allows.
fn candidates(
    above: &Path,
    folder: &Path,
    parent: &ParentRef,
    follow: FollowPolicy,
) -> Result<Vec<PathBuf>, ChainError> {
    let wanted = above.extension().map(OsStr::to_ascii_lowercase);
    // A folder that cannot be listed has none.
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.path()) {
        if path.extension().map(OsStr::to_ascii_lowercase) != wanted || !path.is_file() {
            continue;
        }
        let name = path.canonicalize().ok().and_then(|path| path.to_str().map(str::to_string));
        let resolved = name.and_then(|name| follow.resolve(above, &ImageName(name.into()), parent.at).ok());
        found.extend(resolved);
        if found.len() > CANDIDATES {
            let (identity, folder) = (parent.label(), folder.display().to_string());
            return Err(ChainError::TooManyCandidates { at: parent.at, identity, folder, limit: CANDIDATES });
        }
    }
    // The order of a directory depends on its file system.
    found.sort();
    Ok(found)
}

#[derive(Default)]
struct Seen {
    files: Vec<imgprep_io::FileIdentity>,
    unreadable: usize,
    matches: Vec<ProbedFile>,
}

impl Seen {
    /// Files with several names count once.
    fn examine(&mut self, path: &Path, parent: &ParentRef, options: &OpenOptions) {
        let Ok(file) = open_quietly(path, options) else {
            self.unreadable += 1;
            return;
        };
        if self.files.contains(&file.identity()) {
            return;
        }
        self.files.push(file.identity());
        match identified(path.display().to_string(), file, options) {
            Ok((file, found)) if found.iter().any(|found| parent.identities.contains(found)) => {
                self.matches.push(file);
            }
            Ok(_) => {}
            Err(_) => {
                self.files.pop();
                self.unreadable += 1;
            }
        }
    }
}

/// An image and its ids, without opening its associated files.
fn identified(
    name: String,
    file: Arc<dyn ImageFile>,
    options: &OpenOptions,
) -> Result<(ProbedFile, Vec<String>), Error> {
    let file = ProbedFile::probe(name, file)?;
    let parse_options = ParseOptions { limits: options.parse.limits, ..ParseOptions::default() };
    let parsed = parse(&*file.file, &file.detect(None)?.detection, &parse_options);
    let image = match or_unread(&*file.file, parsed)? {
        Parsed::Done(image) => image,
        Parsed::Needs(needs) => needs.described,
    };
    let found = image.identities().cloned().collect();
    Ok((file, found))
}

fn shown(paths: &[PathBuf], between: &str) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> ParentRef {
        ParentRef::unnamed("1-2".into(), 9)
    }

    fn names(paths: &[PathBuf]) -> Vec<&str> {
        paths.iter().filter_map(|path| path.file_name()?.to_str()).collect()
    }

    #[test]
    fn candidates_are_regular_files_with_the_same_extension() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().canonicalize().unwrap();
        let folder = root.join("images");
        std::fs::create_dir_all(folder.join("folder.vdi")).unwrap();
        for name in ["images/child.vdi", "images/a.VDI", "images/b.vhd", "images/c", "secret.vdi"] {
            std::fs::write(root.join(name), "").unwrap();
        }
        std::os::unix::fs::symlink(root.join("secret.vdi"), folder.join("outside.vdi")).unwrap();
        std::os::unix::fs::symlink("a.VDI", folder.join("inside.vdi")).unwrap();
        // Opening a pipe would wait for its writer.
        let made = std::process::Command::new("mkfifo").arg(folder.join("pipe.vdi")).status();
        assert!(made.unwrap().success());
        let child = folder.join("child.vdi");
        let found = candidates(&child, &folder, &wanted(), FollowPolicy::Beside).unwrap();
        assert_eq!(names(&found), ["a.VDI", "a.VDI", "child.vdi"]);
        let found = candidates(&child, &folder, &wanted(), FollowPolicy::Any).unwrap();
        assert_eq!(names(&found), ["a.VDI", "a.VDI", "child.vdi", "secret.vdi"]);
    }

    #[test]
    fn the_folder_above_is_searched_with_follow_any() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().canonicalize().unwrap();
        let own = root.join("Snapshots");
        std::fs::create_dir(&own).unwrap();
        assert_eq!(folders(&own.join("child.vdi"), FollowPolicy::Beside), std::slice::from_ref(&own));
        assert_eq!(folders(&own.join("child.vdi"), FollowPolicy::Any), [own, root]);
        assert_eq!(folders(Path::new("child.vdi"), FollowPolicy::Beside), [Path::new(".")]);
    }

    #[test]
    fn a_folder_with_too_many_candidates_is_rejected() {
        let temp = tempfile::tempdir().unwrap();
        for n in 0..=CANDIDATES {
            std::fs::write(temp.path().join(format!("{n}.vdi")), "").unwrap();
        }
        let child = temp.path().join("0.vdi");
        let error = candidates(&child, temp.path(), &wanted(), FollowPolicy::Beside).unwrap_err();
        let (identity, folder) = ("1-2".into(), temp.path().display().to_string());
        assert_eq!(error, ChainError::TooManyCandidates { at: 9, identity, folder, limit: CANDIDATES });
    }

    #[test]
    fn a_missing_parent_is_reported_with_its_id() {
        let temp = tempfile::tempdir().unwrap();
        let child = temp.path().join("child.raw");
        std::fs::write(&child, [1; 512]).unwrap();
        let shut = OpenOptions { follow: FollowPolicy::None, ..OpenOptions::default() };
        let error = parent_of(&child, &wanted(), &shut).unwrap_err();
        assert_eq!(error, ChainError::Shut { at: 9, name: "1-2".into() });
        match parent_of(&child, &wanted(), &OpenOptions::default()) {
            Err(ChainError::NotFound { at: 9, identity, looked_at: 0, unreadable: 0, .. }) => {
                assert_eq!(identity, "1-2");
            }
            other => panic!("{other:?}"),
        }
    }
}
