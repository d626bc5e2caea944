//! Files that an image names as parts of itself: data files and extents.
//!
//! An extent with an absolute path, of another machine or outside the folder, is searched next to the image
//! by the last component of its name. Whether the path exists makes no difference if it must not be opened. Such a
//! file cannot be distinguished from a namesake, so that is a finding, and one file is never used for two names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgprep_io::{FileIdentity, ImageFile};
use imgprep_map::{Error, FileRef, FileRole, Finding, ImageName, Severity};

use crate::codes;
use crate::follow_policy::{is_absolute, last_part};
use crate::options::OpenOptions;
use crate::read_image::open_file;
use crate::{ChainError, FollowPolicy, near};

/// Associated files in the order of the request.
#[derive(Debug, Default)]
pub(crate) struct AssociatedFiles {
    pub(crate) files: Vec<Arc<dyn ImageFile>>,
    pub(crate) findings: Vec<Finding>,
    /// Paths of the files, and whether each was found under its own name.
    names: Vec<(FileIdentity, String, bool)>,
}

/// Opens all of `wanted`, or returns the name of the first file that cannot be opened, and the reason.
pub(crate) fn associated_files(
    image: &Path,
    wanted: &[FileRef],
    options: &OpenOptions,
) -> Result<AssociatedFiles, (String, Error)> {
    let in_image = |error: ChainError| Error::new(error).in_path(image.display().to_string());
    let limit = options.parse.limits.files;
    if wanted.len() as u64 > u64::from(limit) {
        let error = ChainError::TooManyFiles { found: wanted.len() as u64, limit };
        return Err((String::new(), in_image(error)));
    }
    let mut opened = AssociatedFiles::default();
    for part in wanted {
        let name = || part.name.as_ref().map(ToString::to_string).unwrap_or_default();
        let added = associated_file(image, part, wanted, options, &mut opened);
        added.map_err(|reason| (name(), reason.in_path(image.display().to_string())))?;
    }
    Ok(opened)
}

fn associated_file(
    image: &Path,
    wanted: &FileRef,
    named: &[FileRef],
    options: &OpenOptions,
    opened: &mut AssociatedFiles,
) -> Result<(), Error> {
    let name = wanted.name.as_ref().ok_or(ChainError::Unnamed { at: wanted.at })?;
    let follow = options.associated_follow.unwrap_or(options.follow);
    let (path, is_there) = locate(image, name, wanted, follow, options)
        .map_err(|error| near::explain(error, image, wanted.encoding.as_deref(), named, options))?;
    let file = open_file(&path, options)?;
    let is_own = options.is_same_file(image, file.identity());
    opened.take(image, name, wanted.at, file, is_there, is_own)
}

/// The path of an associated file, and whether it was found under its own name: each spelling of the name is tried,
/// then the last component of an absolute one next to the image.
fn locate(
    image: &Path,
    name: &ImageName,
    wanted: &FileRef,
    follow: FollowPolicy,
    options: &OpenOptions,
) -> Result<(PathBuf, bool), ChainError> {
    let mut missing = None;
    let spellings = || std::iter::once(name).chain(&wanted.others);
    for spelling in spellings() {
        match options.resolve(image, spelling, wanted.at, follow) {
            Ok(path) => return Ok((path, true)),
            Err(error @ (ChainError::Missing { .. } | ChainError::Outside { .. })) => {
                missing.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    let is_extent = wanted.role != FileRole::DataFile;
    let last = |name: &ImageName| last_part(name).filter(|_| is_extent && is_absolute(name));
    for last in spellings().filter_map(last) {
        if let Ok(path) = options.resolve(image, &last, wanted.at, follow) {
            return Ok((path, false));
        }
    }
    match missing.unwrap_or(ChainError::Unnamed { at: wanted.at }) {
        // A path of another operating system does not exist here.
        ChainError::Outside { at, name: outside } if !name.0.starts_with(b"/") && is_absolute(name) => {
            Err(ChainError::Missing { at, name: outside })
        }
        error => Err(error),
    }
}

/// The file in the folder of the image at `image` that it names as its own, if it exists.
pub fn part_of(image: &Path, wanted: &FileRef) -> Option<PathBuf> {
    let (path, _) =
        locate(image, wanted.name.as_ref()?, wanted, FollowPolicy::Beside, &OpenOptions::default()).ok()?;
    Some(path)
}

impl AssociatedFiles {
    fn take(
        &mut self,
        image: &Path,
        name: &ImageName,
        at: u64,
        file: Arc<dyn ImageFile>,
        is_there: bool,
        is_own: bool,
    ) -> Result<(), Error> {
        let (identity, name) = (file.identity(), name.to_string());
        if is_there && is_own {
            return Err(ChainError::OwnPart { at, name }.into());
        }
        let is_other = |(other, _, is_other_there): &&(FileIdentity, String, bool)| {
            *other == identity && !(is_there && *is_other_there)
        };
        let itself = || (!is_there && is_own).then(|| image.display().to_string());
        let other = self.names.iter().find(is_other).map(|(_, name, _)| name.clone()).or_else(itself);
        if let Some(other) = other {
            return Err(ChainError::Namesakes { at, name, other }.into());
        }
        if !is_there {
            self.findings.push(Finding {
                code: codes::OPEN_EXTENT_BESIDE,
                severity: Severity::Warning,
                at: Some(at),
                message: format!(
                    "the image names {name:?}, which is not in its folder: {} next to it is read instead",
                    file.path().display()
                ),
            });
        }
        self.names.push((identity, name, is_there));
        self.files.push(file);
        Ok(())
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    fn extent(name: &str) -> FileRef {
        FileRef::new(Some(ImageName(name.into())), 7, FileRole::ExtentFile)
    }

    #[test]
    fn too_many_associated_files_are_rejected() {
        let temp = tempfile::tempdir().unwrap();
        let child = temp.path().join("child.raw");
        let wanted = FileRef::new(None, 7, FileRole::ExtentFile);
        let mut options = OpenOptions::default();
        let refused = |count: usize| {
            associated_files(&child, &vec![wanted.clone(); count], &options).unwrap_err().1.code().id
        };
        assert_eq!(refused(4097), "open.files.limit");
        assert_eq!(refused(4096), "open.name.unnamed");
        options.parse.limits.files = 0;
        assert!(associated_files(&child, &[], &options).unwrap().files.is_empty());
    }

    #[test]
    fn the_decoded_name_is_tried_before_the_raw_bytes() {
        let temp = tempfile::tempdir().unwrap();
        let image = temp.path().join("disk.vmdk");
        let raw = b"\xb7\xfe-flat.vmdk".to_vec();
        let wanted = FileRef {
            others: vec![ImageName(raw.clone())],
            encoding: Some("GBK".into()),
            ..extent("\u{670d}-flat.vmdk")
        };
        let opened = |folder: &Path| {
            let options = OpenOptions::default();
            associated_files(&folder.join("disk.vmdk"), std::slice::from_ref(&wanted), &options)
                .map(|opened| opened.files[0].len())
                .map_err(|(_, error)| error.detail::<ChainError>().unwrap().clone())
        };
        std::fs::write(temp.path().join("other-flat.vmdk"), "other").unwrap();
        match opened(temp.path()) {
            Err(ChainError::NotThere { at: 7, hint, .. }) => assert_eq!(hint, "; its name is in GBK"),
            other => panic!("{other:?}"),
        }
        assert_eq!(part_of(&image, &wanted), None);
        std::fs::write(temp.path().join(imgprep_io::path_from_bytes(raw)), "12").unwrap();
        assert_eq!(opened(temp.path()), Ok(2));
        std::fs::write(temp.path().join("\u{670d}-flat.vmdk"), "1").unwrap();
        assert_eq!(opened(temp.path()), Ok(1));
        let folder = temp.path().canonicalize().unwrap();
        assert_eq!(part_of(&image, &wanted), Some(folder.join("\u{670d}-flat.vmdk")));
    }

    #[test]
    fn an_image_that_names_itself_as_its_part_is_rejected() {
        let temp = tempfile::tempdir().unwrap();
        let image = temp.path().join("disk.vmdk");
        std::fs::write(&image, "image").unwrap();
        std::fs::hard_link(&image, temp.path().join("hard")).unwrap();
        std::os::unix::fs::symlink("disk.vmdk", temp.path().join("soft")).unwrap();
        for role in [FileRole::ExtentFile, FileRole::DataFile] {
            for name in ["disk.vmdk", "./disk.vmdk", "hard", "soft"] {
                let wanted = FileRef { role, ..extent(name) };
                let (_, error) = associated_files(&image, &[wanted], &OpenOptions::default()).unwrap_err();
                assert_eq!(error.detail(), Some(&ChainError::OwnPart { at: 7, name: name.into() }));
            }
        }
    }

    #[test]
    fn an_extent_with_a_foreign_absolute_path_is_opened_next_to_the_image_and_reported() {
        let temp = tempfile::tempdir().unwrap();
        let image = temp.path().join("disk.vmdk");
        for name in ["disk.vmdk", "a.vmdk", "b.vmdk"] {
            std::fs::write(temp.path().join(name), name).unwrap();
        }
        let code = |wanted: &[FileRef]| match associated_files(&image, wanted, &OpenOptions::default()) {
            Ok(opened) => opened.findings.iter().map(|finding| finding.code.id).collect::<Vec<_>>().join(" "),
            Err((_, error)) => error.code().id.into(),
        };
        for name in ["C:\\VMs\\a.vmdk", "/vmfs/volumes/x/a.vmdk", "\\\\host\\share\\a.vmdk", "d:/a.vmdk"] {
            assert_eq!(code(&[extent(name)]), "open.extent.beside", "{name}");
            assert_eq!(code(&[extent(name), extent("b.vmdk")]), "open.extent.beside", "{name}");
            // The same file for two names.
            assert_eq!(code(&[extent(name), extent("a.vmdk")]), "open.extent.same-name", "{name}");
            assert_eq!(code(&[extent("a.vmdk"), extent(name)]), "open.extent.same-name", "{name}");
            let data = FileRef { role: FileRole::DataFile, ..extent(name) };
            // A path of another system is nowhere on this one; where one of this system leads is not asked.
            let want = if name.starts_with('/') { "open.follow.outside" } else { "open.name.missing" };
            assert_eq!(code(&[data]), want, "{name}");
        }
        assert_eq!(code(&[extent("/x/a.vmdk"), extent("/y/a.vmdk")]), "open.extent.same-name");
        assert_eq!(code(&[extent("/x/disk.vmdk")]), "open.extent.same-name");
        assert_eq!(code(&[extent("sub\\a.vmdk")]), "open.follow.outside");
        // Whether the file outside is there makes no difference: not for a stand-in either.
        let outside = tempfile::tempdir().unwrap();
        for name in ["a.vmdk", "c.vmdk"] {
            std::fs::write(outside.path().join(name), name).unwrap();
        }
        let at = |name: &str| extent(&outside.path().join(name).display().to_string());
        assert_eq!(code(&[extent("/x/gone.vmdk")]), "open.follow.outside");
        assert_eq!(code(&[at("gone.vmdk")]), "open.follow.outside");
        assert_eq!(code(&[at("c.vmdk")]), "open.follow.outside");
        assert_eq!(code(&[at("a.vmdk")]), "open.extent.beside");
    }
}
