//! What parsing an image yields.

use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use crate::{DiskMap, Error, Facts, Files, Finding, Limits, Overlay};

/// What the caller wants of an image, beyond its bytes.
#[derive(Clone, Debug, Default)]
pub struct ParseOptions {
    /// What the image may make us do.
    pub limits: Limits,
    /// An internal snapshot, by id or else by name, instead of the current disk.
    pub snapshot: Option<String>,
    /// Which of two sizes counts, in formats that have two.
    pub size: SizeChoice,
    /// Whether an image that lost a table may be read by what its data says of itself.
    pub salvage: bool,
}

/// Which of an image's two sizes is the disk's (ZVHD, ZVHD2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SizeChoice {
    /// The size that the cloud's disk will have: a whole number of GiB.
    #[default]
    Current,
    /// The size of the disk that the image was made from.
    Original,
}

/// A parser's answer.
pub enum Parsed {
    /// All was in the one file.
    Done(Box<Image>),
    /// The tables are in other files: open these and go on.
    Needs(Needs),
}

/// The rest of a parse that waits for more files.
pub struct Needs {
    /// What to open, in the order in which [`resume`](Self::resume) wants it.
    pub files: Vec<FileRef>,
    /// What is known without them, for a caller that opens no other file: it can be
    /// described, not read.
    pub described: Box<Image>,
    /// Goes on. Gets all files of the image: the first one as
    /// [`FileId::SELF`](crate::FileId::SELF), then those asked for.
    pub resume: Resume,
}

/// See [`Needs::resume`].
pub type Resume = Box<dyn FnOnce(&dyn Files) -> Result<Parsed, Error> + Send>;

/// One image, understood.
pub struct Image {
    /// Length of the disk, in bytes. Need not be a multiple of anything.
    pub size: u64,
    /// Bytes of a logical sector that the image declares, or 512.
    pub sector: u32,
    /// The layer below, if the image has one.
    pub parent: Option<ParentRef>,
    /// Other files that hold this layer's data, after the one that was opened.
    pub files: Vec<FileRef>,
    /// What an inspector tells.
    pub facts: Facts,
    /// Oddities that were survived.
    pub findings: Vec<Finding>,
    /// What a child of this image calls its parent: a uuid or a content id in
    /// hexadecimal, lower case.
    pub identity: Option<String>,
    /// Further names of that kind: a VMDK of `VirtualBox` has a uuid beside its content id.
    pub other_identities: Vec<String>,
    /// What a child notes of the state that this image was in when the child was made
    /// over it: something that changes whenever the disk does.
    pub revision: Option<String>,
    /// What a log changes in the file: all reads of [`FileId::SELF`](crate::FileId::SELF)
    /// go through it.
    pub overlay: Option<Arc<Overlay>>,
    /// Files that belong to this image and hold nothing of its disk: named, never opened.
    pub attachments: Vec<FileRef>,
    /// Where the bytes are.
    pub map: Box<dyn DiskMap>,
}

impl Image {
    /// An image of one file, without a parent, that has nothing odd.
    pub fn new(facts: Facts, map: impl DiskMap + 'static) -> Self {
        Self {
            size: map.size(),
            sector: 512,
            parent: None,
            files: Vec::new(),
            facts,
            findings: Vec::new(),
            identity: None,
            other_identities: Vec::new(),
            revision: None,
            overlay: None,
            attachments: Vec::new(),
            map: Box::new(map),
        }
    }

    /// All identities under which children know this image.
    pub fn identities(&self) -> impl Iterator<Item = &String> {
        self.identity.iter().chain(&self.other_identities)
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("size", &self.size)
            .field("sector", &self.sector)
            .field("parent", &self.parent)
            .field("files", &self.files)
            .field("facts", &self.facts)
            .field("findings", &self.findings)
            .finish_non_exhaustive()
    }
}

/// A file name as an image gives it: bytes of unknown origin, not a path yet.
#[derive(Clone, PartialEq, Eq)]
pub struct ImageName(pub Vec<u8>);

impl fmt::Display for ImageName {
    /// Control characters are escaped: the name ends up on somebody's terminal.
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

/// A file that an image names as part of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRef {
    /// Its name, relative to the image's folder unless absolute. `None`: the image
    /// needs such a file but does not name it.
    pub name: Option<ImageName>,
    /// File offset of the name.
    pub at: u64,
    /// What it holds.
    pub role: FileRole,
    /// Other spellings of the name, tried in this order where no file has the first one.
    pub others: Vec<ImageName>,
    /// The encoding that the image declares for the name, where its bytes are not UTF-8.
    pub encoding: Option<String>,
}

impl FileRef {
    /// A file with one spelling of its name.
    pub fn new(name: Option<ImageName>, at: u64, role: FileRole) -> Self {
        Self { name, at, role, others: Vec::new(), encoding: None }
    }
}

/// What a file named by an image holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileRole {
    /// QCOW2's external data file.
    DataFile,
    /// A part of a VMDK's disk.
    ExtentFile,
    /// The list of changed blocks of a VMDK: nothing of the disk.
    ChangeTracking,
}

/// The layer below, as the image names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentRef {
    /// Its name, relative to the image's folder unless absolute. Empty: the image
    /// does not name its parent, it knows it by its identity only.
    pub name: ImageName,
    /// File offset of the name.
    pub at: u64,
    /// The format that the image says it has, in the image's words (`raw`, `qcow2`).
    pub format: Option<String>,
    /// Other names for the same file, to be tried in this order.
    pub others: Vec<ImageName>,
    /// What the parent must call itself ([`Image::identity`]): one of these. Empty where
    /// the format has no such check.
    pub identities: Vec<String>,
    /// The encoding that the image declares for the names, where their bytes are not UTF-8.
    pub encoding: Option<String>,
    /// The parent's [`Image::revision`] when the child was made, where the child notes it.
    pub revision: Option<String>,
}

impl ParentRef {
    /// A parent that is known by its name alone.
    pub fn named(name: ImageName, at: u64) -> Self {
        let (others, identities) = (Vec::new(), Vec::new());
        Self { name, at, format: None, others, identities, encoding: None, revision: None }
    }

    /// A parent that is known by what it calls itself alone; `at` is where that stands.
    pub fn unnamed(identity: String, at: u64) -> Self {
        Self { identities: vec![identity], ..Self::named(ImageName(Vec::new()), at) }
    }

    /// Whether the image gives a name at all.
    pub fn is_named(&self) -> bool {
        !self.name.0.is_empty() || !self.others.is_empty()
    }

    /// What to call it in a message: its name, or else what it must call itself.
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
    fn a_parent_without_a_name_is_called_what_it_calls_itself() {
        let parent = ParentRef::unnamed("1-2".into(), 7);
        assert_eq!((parent.is_named(), parent.label()), (false, "1-2".into()));
        let parent = ParentRef::named(ImageName(b"base".to_vec()), 7);
        assert_eq!((parent.is_named(), parent.label()), (true, "base".into()));
    }
}
