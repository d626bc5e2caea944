//! Names in images, and the reference to a parent.

use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

/// A file name as stored in an image: untrusted bytes, not yet a path.
#[derive(Clone, PartialEq, Eq)]
pub struct ImageName(pub Vec<u8>);

impl fmt::Display for ImageName {
    /// Control characters are escaped, because names are printed on terminals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.0.utf8_chunks() {
            for c in part.valid().chars() {
                if c.is_control() { write!(f, "{}", c.escape_default())? } else { write!(f, "{c}")? }
            }
            if !part.invalid().is_empty() {
                write!(f, "{}", char::REPLACEMENT_CHARACTER)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// The reference to the layer below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentRef {
    /// Its name, relative to the image's folder unless absolute. Empty: the image
    /// identifies its parent by id only.
    pub name: ImageName,
    /// File offset of the name.
    pub at: u64,
    /// The declared format of the parent, as stored in the image (`raw`, `qcow2`).
    pub format: Option<String>,
    /// Other names for the same file, to be tried in this order.
    pub others: Vec<ImageName>,
    /// The accepted ids of the parent ([`Image::identity`](crate::Image::identity)). Empty if
    /// the format stores no id.
    pub identities: Vec<String>,
    /// The encoding that the image declares for the names, where their bytes are not UTF-8.
    pub encoding: Option<String>,
    /// The parent's [`Image::revision`](crate::Image::revision) when the child was created, if the child records it.
    pub revision: Option<String>,
}

impl ParentRef {
    /// A parent that is identified by its name only.
    pub fn named(name: ImageName, at: u64) -> Self {
        let (others, identities) = (Vec::new(), Vec::new());
        Self { name, at, format: None, others, identities, encoding: None, revision: None }
    }

    /// A parent that is identified by its id only; `at` is the file offset of the id.
    pub fn unnamed(identity: String, at: u64) -> Self {
        Self { identities: vec![identity], ..Self::named(ImageName(Vec::new()), at) }
    }

    /// Whether the image contains a name.
    pub fn is_named(&self) -> bool {
        !self.name.0.is_empty() || !self.others.is_empty()
    }

    /// The parent in messages: its name, or its id.
    pub fn label(&self) -> String {
        if self.is_named() { self.name.to_string() } else { self.identities.join(" or ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_reaches_the_terminal_unescaped() {
        let name = ImageName(b"a\x1b[2J\nb\xff\xc3\xa9".to_vec());
        assert_eq!(name.to_string(), "a\\u{1b}[2J\\nb\u{fffd}\u{e9}");
    }

    #[test]
    fn a_parent_without_a_name_gets_its_own_id() {
        let parent = ParentRef::unnamed("1-2".into(), 7);
        assert_eq!((parent.is_named(), parent.label()), (false, "1-2".into()));
        let parent = ParentRef::named(ImageName(b"base".to_vec()), 7);
        assert_eq!((parent.is_named(), parent.label()), (true, "base".into()));
    }
}
