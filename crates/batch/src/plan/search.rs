//! The images of a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use globset::{Glob, GlobSet, GlobSetBuilder};
use imgprep::{Error, FollowPolicy, OpenOptions, check_link, parts_among, reason};
use walkdir::WalkDir;

use crate::journal::record::path_text;
use crate::{BatchError, JOURNAL_NAME};

/// How a folder is searched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// Whether folders in it are searched, too.
    pub recursive: bool,
    /// Patterns of included names; by default the known extensions of images.
    pub include: Vec<String>,
    /// Patterns of excluded names.
    pub exclude: Vec<String>,
}

/// Images with their folders below the searched one, and other files.
pub type Searched = (Vec<(PathBuf, PathBuf)>, Vec<PathBuf>);

/// Finds the images below `folder` with their folders, and other files. Hidden files are ignored.
pub fn search(folder: &Path, search: &Search, out: &Path) -> Result<Searched, Error> {
    let default: Vec<_> = known_extensions().map(|extension| format!("*.{extension}")).collect();
    let include = globs(if search.include.is_empty() { &default } else { &search.include })?;
    let exclude = globs(&search.exclude)?;
    let out = out.canonicalize().ok();
    let depth = if search.recursive { usize::MAX } else { 1 };
    let walk = WalkDir::new(folder).min_depth(1).max_depth(depth).sort_by_file_name().into_iter();
    let is_hidden = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b".");
    let is_out = |path: &Path| out.is_some() && path.canonicalize().ok() == out && path != folder;
    let (mut found, mut left_out) = (Vec::new(), Vec::new());
    let kept = walk.filter_entry(|entry| {
        !(is_hidden(entry.file_name()) || entry.file_type().is_dir() && is_out(entry.path()))
    });
    for entry in kept {
        let entry = entry.map_err(|error| unlisted(&error))?;
        let is_link = entry.path_is_symlink();
        // A link to a folder is not followed. A dangling link is included, and fails when it is opened.
        if is_link && entry.path().is_dir() {
            left_out.push(entry.into_path());
            continue;
        }
        let is_file = entry.path().is_file() || is_link && !entry.path().exists();
        if entry.file_type().is_dir() || !is_file || entry.file_name() == JOURNAL_NAME {
            continue;
        }
        let below = entry.path().strip_prefix(folder).unwrap_or(entry.path());
        let is_in = |globs: &GlobSet| globs.is_match(below) || globs.is_match(entry.file_name());
        let dir = below.parent().unwrap_or(Path::new("")).to_path_buf();
        if is_in(&include) && !is_in(&exclude) {
            found.push((entry.into_path(), dir));
        } else {
            left_out.push(entry.into_path());
        }
    }
    leave_out_parts(&mut found, &mut left_out);
    Ok((found, left_out))
}

/// Extensions of the files that a search includes by default.
fn known_extensions() -> impl Iterator<Item = &'static str> {
    imgprep::image_extensions().chain(imgprep::LIKELY_EXTENSIONS.iter().copied())
}

/// Removes files that another image of their folder names as its parts. Parts that no image names stay: they fail, and
/// that is reported.
fn leave_out_parts(found: &mut Vec<(PathBuf, PathBuf)>, left_out: &mut Vec<PathBuf>) {
    let mut folders: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    // A link that leads out of its folder is not opened to find the names of its parts.
    let is_own =
        |path: &Path| check_link(path, path.parent().unwrap_or(Path::new("")), FollowPolicy::Beside).is_ok();
    for (path, _) in found.iter().filter(|(path, _)| is_own(path)) {
        folders.entry(path.parent().unwrap_or(Path::new("")).to_path_buf()).or_default().push(path.clone());
    }
    let parts: BTreeSet<PathBuf> =
        folders.values().flat_map(|paths| parts_among(paths, &OpenOptions::default()).into_keys()).collect();
    found.retain(|(path, _)| !parts.contains(path));
    left_out.extend(parts);
}

/// The error of a folder that could not be listed.
fn unlisted(error: &walkdir::Error) -> Error {
    let what = match error.io_error() {
        Some(error) => format!("cannot list the folder: {}", reason(error)),
        None => error.to_string(),
    };
    let listed = Error::new(BatchError::Listing { what });
    match error.path() {
        Some(path) => listed.in_path(path_text(path)),
        None => listed,
    }
}

fn globs(patterns: &[String]) -> Result<GlobSet, Error> {
    let wrong = |error: globset::Error| BatchError::Setting { what: error.to_string() };
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let glob = globset::GlobBuilder::new(pattern).case_insensitive(true).literal_separator(false).build();
        set.add(Glob::clone(&glob.map_err(wrong)?));
    }
    Ok(set.build().map_err(wrong)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(paths: &[(PathBuf, PathBuf)]) -> Vec<String> {
        paths
            .iter()
            .map(|(path, dir)| format!("{}:{}", dir.display(), path.file_name().unwrap().display()))
            .collect()
    }

    #[test]
    fn a_folder_gives_its_images_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for dir in ["sub", "out", ".hidden"] {
            std::fs::create_dir(root.join(dir)).unwrap();
        }
        for file in [
            "b.qcow2",
            "a.RAW",
            "notes.txt",
            ".a.raw",
            "sub/c.vmdk",
            "sub/c-flat.vmdk",
            "out/x.raw",
            ".hidden/y.raw",
        ] {
            std::fs::write(root.join(file), "").unwrap();
        }
        std::os::unix::fs::symlink(root, root.join("sub/loop")).unwrap();
        let all = |recursive, include: &[&str], exclude: &[&str]| {
            let texts = |list: &[&str]| list.iter().map(|text| (*text).to_string()).collect();
            let how = Search { recursive, include: texts(include), exclude: texts(exclude) };
            search(root, &how, &root.join("out")).unwrap()
        };
        let (found, left_out) = all(false, &[], &[]);
        assert_eq!(
            (names(&found), left_out),
            (vec![":a.RAW".into(), ":b.qcow2".into()], vec![root.join("notes.txt")])
        );
        // No descriptor names the flat file: it stays, to fail.
        let found = names(&all(true, &[], &["*.qcow2"]).0);
        assert_eq!(found, [":a.RAW", "sub:c-flat.vmdk", "sub:c.vmdk"]);
        let text = "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType=\"vmfs\"\n\
                    RW 0 VMFS \"c-flat.vmdk\"\n";
        std::fs::write(root.join("sub/c.vmdk"), text).unwrap();
        let (found, left_out) = all(true, &[], &["*.qcow2"]);
        assert_eq!(names(&found), [":a.RAW", "sub:c.vmdk"]);
        assert_eq!(left_out.last(), Some(&root.join("sub/c-flat.vmdk")));
        assert_eq!(names(&all(true, &["sub/*"], &[]).0), ["sub:c.vmdk"]);
        // Asked for without its descriptor.
        assert_eq!(names(&all(true, &["*-flat.vmdk"], &[]).0), ["sub:c-flat.vmdk"]);
        let how = Search { include: vec!["{a".into()], ..Search::default() };
        assert_eq!(search(root, &how, root).unwrap_err().code().id, "batch.setting");
    }
}
