//! The gate: which names found inside an image may be opened.

use std::path::{Path, PathBuf};

use imgprep_io::path_from_bytes;
use imgprep_map::ImageName;

use crate::ChainError;

/// How far names found inside images are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gate {
    /// Not at all: they are reported.
    None,
    /// To files in the image's own folder, links resolved.
    #[default]
    Beside,
    /// Anywhere.
    Any,
}

impl Gate {
    /// The path behind a name that the image at `image` gives at file offset `at`.
    pub(crate) fn resolve(self, image: &Path, name: &ImageName, at: u64) -> Result<PathBuf, ChainError> {
        let shown = || name.to_string();
        if let Some(scheme) = scheme_of(&name.0) {
            return Err(ChainError::Protocol { at, name: shown(), scheme: scheme.into() });
        }
        // Any bytes but NUL may be a name: an image may use an encoding of its own.
        if name.0.is_empty() || name.0.contains(&0) {
            return Err(ChainError::BadName { at, name: shown() });
        }
        if self == Self::None {
            return Err(ChainError::Shut { at, name: shown() });
        }
        let missing = |_| ChainError::Missing { at, name: shown() };
        let folder = image.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = folder.canonicalize().map_err(missing)?;
        let resolved = exists(&folder, &name.0).map_err(missing)?;
        if self == Self::Beside && resolved.parent() != Some(&folder) {
            return Err(ChainError::Outside { at, name: shown() });
        }
        Ok(resolved)
    }
}

/// The file of that name, with links resolved. Windows writes names with backslashes.
fn exists(folder: &Path, name: &[u8]) -> std::io::Result<PathBuf> {
    let find = |name: Vec<u8>| folder.join(path_from_bytes(name)).canonicalize();
    find(name.to_vec()).or_else(|error| {
        let with_slashes = || name.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte });
        if name.contains(&b'\\') { find(with_slashes().collect()) } else { Err(error) }
    })
}

/// The last part of a name that was written on another machine (`C:\\images\\base.vhd`,
/// `/vmfs/volumes/a/base.vmdk`), if it has more than one.
pub(crate) fn last_part(name: &ImageName) -> Option<ImageName> {
    let cut = name.0.iter().rposition(|byte| matches!(byte, b'/' | b'\\' | b':'))?;
    let last = name.0.get(cut + 1..).filter(|last| !last.is_empty())?;
    Some(ImageName(last.to_vec()))
}

/// Whether a name begins at a root, of this system or another: `/a`, `C:\\a`, `\\\\host\\share\\a`.
pub(crate) fn is_absolute(name: &ImageName) -> bool {
    match name.0.as_slice() {
        [b'/' | b'\\', ..] => true,
        [drive, b':', b'/' | b'\\', ..] => drive.is_ascii_alphabetic(),
        _ => false,
    }
}

/// What stands before a colon, if the name is an address and not a path: QEMU takes
/// `nbd://`, `json:{}`, `fat:` and more as names of backing files.
fn scheme_of(name: &[u8]) -> Option<&str> {
    let colon = name.iter().position(|byte| *byte == b':')?;
    let scheme = &name[..colon];
    let is_scheme = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    // One letter is a drive, which no file beside the image begins with.
    (is_scheme && scheme.len() > 1).then(|| std::str::from_utf8(scheme).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(gate: Gate, image: &Path, name: &str) -> Result<PathBuf, ChainError> {
        gate.resolve(image, &ImageName(name.as_bytes().to_vec()), 7)
    }

    #[test]
    fn addresses_are_no_names() {
        for name in ["json:{}", "nbd://host/disk", "nbd:host:1", "file:a.raw", "http://a/b", "fat:rw:dir"] {
            let error = resolve(Gate::Any, Path::new("a"), name).unwrap_err();
            assert!(matches!(error, ChainError::Protocol { at: 7, .. }), "{name}: {error:?}");
        }
        assert_eq!(scheme_of(b"dir/a:b"), None);
        assert_eq!(scheme_of(b"a b:c"), None);
    }

    #[test]
    fn beside_means_the_same_folder_after_links() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("images")).unwrap();
        std::fs::create_dir(root.join("images/sub")).unwrap();
        for file in ["images/base", "images/sub/base", "secret"] {
            std::fs::write(root.join(file), "").unwrap();
        }
        std::os::unix::fs::symlink(root.join("secret"), root.join("images/link")).unwrap();
        let image = root.join("images/top");
        assert_eq!(resolve(Gate::Beside, &image, "base"), Ok(root.join("images/base")));
        assert_eq!(resolve(Gate::Beside, &image, "../images/base"), Ok(root.join("images/base")));
        let absolute = root.join("secret").display().to_string();
        for name in ["link", "../secret", "sub/base", &absolute] {
            let error = resolve(Gate::Beside, &image, name).unwrap_err();
            assert_eq!(error, ChainError::Outside { at: 7, name: name.to_string() });
            assert!(resolve(Gate::Any, &image, name).is_ok());
        }
        let missing = resolve(Gate::Any, &image, "gone").unwrap_err();
        assert_eq!(missing, ChainError::Missing { at: 7, name: "gone".into() });
        assert_eq!(resolve(Gate::None, &image, "base"), Err(ChainError::Shut { at: 7, name: "base".into() }));
        assert!(matches!(resolve(Gate::Any, &image, "a\0b"), Err(ChainError::BadName { .. })));
        assert_eq!(resolve(Gate::Beside, &image, ".\\base"), Ok(root.join("images/base")));
        // Bytes that are not UTF-8 are a name like any other.
        let bytes = ImageName(b"b\xfc".to_vec());
        let missing = ChainError::Missing { at: 7, name: "b\u{fffd}".into() };
        assert_eq!(Gate::Beside.resolve(&image, &bytes, 7), Err(missing));
        let path = root.join("images").join(path_from_bytes(bytes.0.clone()));
        std::fs::write(&path, "").unwrap();
        assert_eq!(Gate::Beside.resolve(&image, &bytes, 7), Ok(path));
    }

    #[test]
    fn the_last_part_of_a_foreign_name() {
        let last = |name: &str| last_part(&ImageName(name.into())).map(|name| name.to_string());
        assert_eq!(last("C:\\vm\\base.vhd").as_deref(), Some("base.vhd"));
        assert_eq!(last("/vmfs/volumes/a/base.vmdk").as_deref(), Some("base.vmdk"));
        assert_eq!(last("C:base.vhd").as_deref(), Some("base.vhd"));
        assert_eq!(last("base.vhd"), None);
        assert_eq!(last("folder/"), None);
    }
}
