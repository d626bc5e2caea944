//! Which names found inside an image may be opened.

use std::path::{Component, Path, PathBuf};

use imgprep_io::path_from_bytes;
use imgprep_map::ImageName;
use serde::{Deserialize, Serialize};

use crate::ChainError;

/// How far names found inside images are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FollowPolicy {
    /// Not at all: names are only reported.
    None,
    /// To files in the image's own folder, links resolved.
    #[default]
    Beside,
    /// Anywhere.
    Any,
}

impl FollowPolicy {
    /// All policies, in the order of the help.
    pub const ALL: [Self; 3] = [Self::None, Self::Beside, Self::Any];

    /// Its name, as in `--follow`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Beside => "beside",
            Self::Any => "any",
        }
    }

    /// Rejects a name that leads to no file in any namespace: a protocol, an invalid name, or any name if the policy is `None`.
    pub fn check_name(self, name: &ImageName, at: u64) -> Result<(), ChainError> {
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
        Ok(())
    }

    /// The path of a name that the image at `image` contains at file offset `at`.
    pub(crate) fn resolve(self, image: &Path, name: &ImageName, at: u64) -> Result<PathBuf, ChainError> {
        self.check_name(name, at)?;
        let shown = || name.to_string();
        let missing = || ChainError::Missing { at, name: shown() };
        let folder = image.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = folder.canonicalize().map_err(|_| missing())?;
        let found = match self {
            Self::Any => {
                either_slash(&name.0, |name| folder.join(name).canonicalize().map_err(|_| Nowhere::Missing))
            }
            _ => either_slash(&name.0, |name| beside(&folder, name)),
        };
        found.map_err(|nowhere| match nowhere {
            Nowhere::Missing => missing(),
            Nowhere::Outside => ChainError::Outside { at, name: shown() },
        })
    }
}

/// Why a name cannot be resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nowhere {
    /// There is no such file.
    Missing,
    /// It leads out of the folder; whether the file exists is not checked.
    Outside,
}

/// The file of a name as it is written, else with the backslashes of Windows as separators.
fn either_slash<T>(name: &[u8], find: impl Fn(&Path) -> Result<T, Nowhere>) -> Result<T, Nowhere> {
    let find = |name: Vec<u8>| find(&path_from_bytes(name));
    find(name.to_vec()).or_else(|nowhere| {
        if !name.contains(&b'\\') {
            return Err(nowhere);
        }
        find(name.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect())
    })
}

/// Maximum number of links, as in the kernel.
const LINKS: usize = 40;

/// The file of that name in `folder`, which is a path without links. A link is followed by hand, as long as it stays
/// within the folder: of what lies outside nothing is asked, so that no answer depends on it.
fn beside(folder: &Path, name: &Path) -> Result<PathBuf, Nowhere> {
    let mut name = name.to_path_buf();
    for _ in 0..LINKS {
        let path = folder.join(&name);
        let own = path.parent().zip(path.file_name());
        let own = own.filter(|(parent, _)| !turns_back_outside(&name) && is_folder(folder, parent));
        let path = folder.join(own.ok_or(Nowhere::Outside)?.1);
        let found = path.symlink_metadata().map_err(|_| Nowhere::Missing)?;
        if !found.is_symlink() {
            return Ok(path);
        }
        // No longer a link: resolve the name again.
        name = path.read_link().unwrap_or(name);
    }
    Err(Nowhere::Missing)
}

/// Whether a name enters a folder outside and leaves it again (`../a/../b`): it works only where that folder is there.
fn turns_back_outside(name: &Path) -> bool {
    // Folders entered below the own one; none where it was left.
    let mut depth = if name.is_absolute() { None } else { Some(0usize) };
    let mut has_entered = false;
    for component in name.components() {
        match (component, depth) {
            (Component::Normal(_), _) => {
                depth = depth.map(|depth| depth + 1);
                has_entered = true;
            }
            (Component::ParentDir, None) if has_entered => return true,
            (Component::ParentDir, _) => {
                depth = depth.and_then(|depth| depth.checked_sub(1));
                has_entered &= depth.is_some();
            }
            _ => {}
        }
    }
    false
}

/// Whether `path` is another name of `folder`: people reach their folders over links.
fn is_folder(folder: &Path, path: &Path) -> bool {
    path == folder || path.canonicalize().is_ok_and(|path| path == folder)
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

/// The part before a colon, if the name is an address and not a path: QEMU accepts
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

    fn resolve(follow: FollowPolicy, image: &Path, name: &str) -> Result<PathBuf, ChainError> {
        follow.resolve(image, &ImageName(name.as_bytes().to_vec()), 7)
    }

    #[test]
    fn protocol_addresses_are_rejected() {
        for name in ["json:{}", "nbd://host/disk", "nbd:host:1", "file:a.raw", "http://a/b", "fat:rw:dir"] {
            let error = resolve(FollowPolicy::Any, Path::new("a"), name).unwrap_err();
            assert!(matches!(error, ChainError::Protocol { at: 7, .. }), "{name}: {error:?}");
        }
        assert_eq!(scheme_of(b"dir/a:b"), None);
        assert_eq!(scheme_of(b"a b:c"), None);
    }

    #[test]
    fn beside_applies_to_the_folder_after_resolving_links() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("images")).unwrap();
        std::fs::create_dir(root.join("images/sub")).unwrap();
        for file in ["images/base", "images/sub/base", "secret"] {
            std::fs::write(root.join(file), "").unwrap();
        }
        std::os::unix::fs::symlink(root.join("secret"), root.join("images/link")).unwrap();
        let image = root.join("images/top");
        assert_eq!(resolve(FollowPolicy::Beside, &image, "base"), Ok(root.join("images/base")));
        assert_eq!(resolve(FollowPolicy::Beside, &image, "../images/base"), Ok(root.join("images/base")));
        assert_eq!(resolve(FollowPolicy::Beside, &image, "sub/../base"), Ok(root.join("images/base")));
        let through_outside = root.join("images/../images/base").display().to_string();
        let error = resolve(FollowPolicy::Beside, &image, &through_outside).unwrap_err();
        assert_eq!(error, ChainError::Outside { at: 7, name: through_outside });
        let absolute = root.join("secret").display().to_string();
        for name in ["link", "../secret", "sub/base", &absolute] {
            let error = resolve(FollowPolicy::Beside, &image, name).unwrap_err();
            assert_eq!(error, ChainError::Outside { at: 7, name: name.to_string() });
            assert!(resolve(FollowPolicy::Any, &image, name).is_ok());
        }
        // The same whether something is there or not.
        std::os::unix::fs::symlink(root.join("nothing"), root.join("images/dangling")).unwrap();
        for name in [
            "dangling",
            "../nothing",
            "sub/nothing",
            "nowhere/base",
            "../images/../images/base",
            "nowhere/../base",
            "/nothing/at/all",
            "..",
            "/",
            "",
        ] {
            let error = resolve(FollowPolicy::Beside, &image, name).unwrap_err();
            match name {
                "" => assert!(matches!(error, ChainError::BadName { .. })),
                _ => assert_eq!(error, ChainError::Outside { at: 7, name: name.to_string() }),
            }
        }
        let missing = resolve(FollowPolicy::Any, &image, "gone").unwrap_err();
        assert_eq!(missing, ChainError::Missing { at: 7, name: "gone".into() });
        assert_eq!(
            resolve(FollowPolicy::None, &image, "base"),
            Err(ChainError::Shut { at: 7, name: "base".into() })
        );
        assert!(matches!(resolve(FollowPolicy::Any, &image, "a\0b"), Err(ChainError::BadName { .. })));
        assert_eq!(resolve(FollowPolicy::Beside, &image, ".\\base"), Ok(root.join("images/base")));
        // Bytes that are not UTF-8 are a name like any other.
        let bytes = ImageName(b"b\xfc".to_vec());
        let missing = ChainError::Missing { at: 7, name: "b\u{fffd}".into() };
        assert_eq!(FollowPolicy::Beside.resolve(&image, &bytes, 7), Err(missing));
        let path = root.join("images").join(path_from_bytes(bytes.0.clone()));
        std::fs::write(&path, "").unwrap();
        assert_eq!(FollowPolicy::Beside.resolve(&image, &bytes, 7), Ok(path));
        assert_eq!(
            resolve(FollowPolicy::Beside, &image, ".\\gone"),
            Err(ChainError::Missing { at: 7, name: ".\\gone".into() })
        );
    }

    #[test]
    fn links_within_the_folder_are_followed_and_loops_are_rejected() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().canonicalize().unwrap();
        let images = root.join("images");
        std::fs::create_dir(&images).unwrap();
        std::fs::write(images.join("base"), "").unwrap();
        std::os::unix::fs::symlink(&images, root.join("also")).unwrap();
        let links = [
            ("one", PathBuf::from("base")),
            ("two", "one".into()),
            ("absolute", images.join("two")),
            ("over-a-link", root.join("also/base")),
            ("around", "../images/base".into()),
            ("loop", "loop".into()),
        ];
        for (name, target) in &links {
            std::os::unix::fs::symlink(target, images.join(name)).unwrap();
        }
        let image = images.join("top");
        for (name, _) in &links[..5] {
            assert_eq!(resolve(FollowPolicy::Beside, &image, name), Ok(images.join("base")), "{name}");
        }
        // The image itself reached over a link.
        assert_eq!(resolve(FollowPolicy::Beside, &root.join("also/top"), "one"), Ok(images.join("base")));
        let absolute = root.join("also/base").display().to_string();
        assert_eq!(resolve(FollowPolicy::Beside, &image, &absolute), Ok(images.join("base")));
        let looped = resolve(FollowPolicy::Beside, &image, "loop");
        assert_eq!(looped, Err(ChainError::Missing { at: 7, name: "loop".into() }));
    }

    #[test]
    fn the_last_component_of_a_foreign_path_is_found() {
        let last = |name: &str| last_part(&ImageName(name.into())).map(|name| name.to_string());
        assert_eq!(last("C:\\vm\\base.vhd").as_deref(), Some("base.vhd"));
        assert_eq!(last("/vmfs/volumes/a/base.vmdk").as_deref(), Some("base.vmdk"));
        assert_eq!(last("C:base.vhd").as_deref(), Some("base.vhd"));
        assert_eq!(last("base.vhd"), None);
        assert_eq!(last("folder/"), None);
    }
}
