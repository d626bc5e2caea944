//! Files that an image names as parts of itself: data files and extents.
//!
//! An extent that is named by an absolute path of another machine is looked for beside the image, by the last part of
//! its name. Nothing tells such a file from a namesake, so that is a finding, and one file is never taken for two.

use std::path::Path;
use std::sync::Arc;

use imgprep_io::{FileIdentity, SourceFile, is_same_file};
use imgprep_map::{Error, FileRef, FileRole, Finding, ImageName, Severity};

use crate::ChainError;
use crate::chain::{OpenOptions, open_file};
use crate::gate::{is_absolute, last_part};

/// Companions in the order in which they are wanted.
#[derive(Debug, Default)]
pub(crate) struct Companions {
    pub(crate) files: Vec<Arc<SourceFile>>,
    pub(crate) findings: Vec<Finding>,
    /// Names of the files, and whether each lies where it is named.
    names: Vec<(FileIdentity, String, bool)>,
}

/// Opens all of `wanted`; or the name of the first one that can't be had, and why.
pub(crate) fn companions(
    image: &Path,
    wanted: &[FileRef],
    options: &OpenOptions,
) -> Result<Companions, (String, Error)> {
    let in_image = |error: ChainError| Error::new(error).in_path(image.display().to_string());
    let limit = options.parse.limits.files;
    if wanted.len() as u64 > u64::from(limit) {
        let error = ChainError::TooManyFiles { found: wanted.len() as u64, limit };
        return Err((String::new(), in_image(error)));
    }
    let mut opened = Companions::default();
    for wanted in wanted {
        let name = || wanted.name.as_ref().map(ToString::to_string).unwrap_or_default();
        let added = companion(image, wanted, options, &mut opened);
        added.map_err(|reason| (name(), reason.in_path(image.display().to_string())))?;
    }
    Ok(opened)
}

fn companion(
    image: &Path,
    wanted: &FileRef,
    options: &OpenOptions,
    opened: &mut Companions,
) -> Result<(), Error> {
    let name = wanted.name.as_ref().ok_or(ChainError::Unnamed { at: wanted.at })?;
    let (path, is_there) = match options.gate.resolve(image, name, wanted.at) {
        Ok(path) => (path, true),
        Err(missing @ ChainError::Missing { .. }) => {
            let last = last_part(name).filter(|_| wanted.role == FileRole::Extent && is_absolute(name));
            let last = last.ok_or_else(|| missing.clone())?;
            (options.gate.resolve(image, &last, wanted.at).map_err(|_| missing)?, false)
        }
        Err(error) => return Err(error.into()),
    };
    let file = open_file(&path, options)?;
    opened.take(image, name, wanted.at, file, is_there)
}

impl Companions {
    fn take(
        &mut self,
        image: &Path,
        name: &ImageName,
        at: u64,
        file: SourceFile,
        is_there: bool,
    ) -> Result<(), Error> {
        let (identity, name) = (file.identity(), name.to_string());
        if is_there && is_same_file(image, identity) {
            return Err(ChainError::OwnPart { at, name }.into());
        }
        let is_other = |(other, _, is_other_there): &&(FileIdentity, String, bool)| {
            *other == identity && !(is_there && *is_other_there)
        };
        let itself = || (!is_there && is_same_file(image, identity)).then(|| image.display().to_string());
        let other = self.names.iter().find(is_other).map(|(_, name, _)| name.clone()).or_else(itself);
        if let Some(other) = other {
            return Err(ChainError::Namesakes { at, name, other }.into());
        }
        if !is_there {
            self.findings.push(Finding {
                code: "open.extent.beside",
                severity: Severity::Warning,
                at: Some(at),
                message: format!(
                    "the image names {name:?}, which is not there: {} beside it was taken",
                    file.path().display()
                ),
            });
        }
        self.names.push((identity, name, is_there));
        self.files.push(Arc::new(file));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(name: &str) -> FileRef {
        FileRef { name: Some(ImageName(name.into())), at: 7, role: FileRole::Extent }
    }

    #[test]
    fn too_many_companions_are_not_opened() {
        let temp = tempfile::tempdir().unwrap();
        let child = temp.path().join("child.raw");
        let wanted = FileRef { name: None, at: 7, role: FileRole::Extent };
        let mut options = OpenOptions::default();
        let refused =
            |count: usize| companions(&child, &vec![wanted.clone(); count], &options).unwrap_err().1.code();
        assert_eq!(refused(4097), "open.files.limit");
        assert_eq!(refused(4096), "open.name.unnamed");
        options.parse.limits.files = 0;
        assert!(companions(&child, &[], &options).unwrap().files.is_empty());
    }

    #[test]
    fn an_image_is_no_part_of_itself() {
        let temp = tempfile::tempdir().unwrap();
        let image = temp.path().join("disk.vmdk");
        std::fs::write(&image, "image").unwrap();
        std::fs::hard_link(&image, temp.path().join("hard")).unwrap();
        std::os::unix::fs::symlink("disk.vmdk", temp.path().join("soft")).unwrap();
        for role in [FileRole::Extent, FileRole::DataFile] {
            for name in ["disk.vmdk", "./disk.vmdk", "hard", "soft"] {
                let wanted = FileRef { role, ..extent(name) };
                let (_, error) = companions(&image, &[wanted], &OpenOptions::default()).unwrap_err();
                assert_eq!(error.detail(), Some(&ChainError::OwnPart { at: 7, name: name.into() }));
            }
        }
    }

    #[test]
    fn an_extent_with_a_foreign_absolute_name_is_taken_from_beside_and_told() {
        let temp = tempfile::tempdir().unwrap();
        let image = temp.path().join("disk.vmdk");
        for name in ["disk.vmdk", "a.vmdk", "b.vmdk"] {
            std::fs::write(temp.path().join(name), name).unwrap();
        }
        let code = |wanted: &[FileRef]| match companions(&image, wanted, &OpenOptions::default()) {
            Ok(opened) => opened.findings.iter().map(|finding| finding.code).collect::<Vec<_>>().join(" "),
            Err((_, error)) => error.code().into(),
        };
        for name in ["C:\\VMs\\a.vmdk", "/vmfs/volumes/x/a.vmdk", "\\\\host\\share\\a.vmdk", "d:/a.vmdk"] {
            assert_eq!(code(&[extent(name)]), "open.extent.beside", "{name}");
            assert_eq!(code(&[extent(name), extent("b.vmdk")]), "open.extent.beside", "{name}");
            // The same file for two names.
            assert_eq!(code(&[extent(name), extent("a.vmdk")]), "open.extent.namesakes", "{name}");
            assert_eq!(code(&[extent("a.vmdk"), extent(name)]), "open.extent.namesakes", "{name}");
            let data = FileRef { role: FileRole::DataFile, ..extent(name) };
            assert_eq!(code(&[data]), "open.name.missing", "{name}");
        }
        assert_eq!(code(&[extent("/x/a.vmdk"), extent("/y/a.vmdk")]), "open.extent.namesakes");
        assert_eq!(code(&[extent("/x/disk.vmdk")]), "open.extent.namesakes");
        assert_eq!(code(&[extent("sub\\a.vmdk")]), "open.name.missing");
        assert_eq!(code(&[extent("/x/gone.vmdk")]), "open.name.missing");
        // One that is there and must not be opened has no stand-in.
        let outside = tempfile::NamedTempFile::with_suffix("a.vmdk").unwrap();
        assert_eq!(code(&[extent(&outside.path().display().to_string())]), "open.gate.outside");
    }
}
