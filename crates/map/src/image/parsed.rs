//! What parsing an image yields.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::{DiskMap, Error, Facts, FileRef, Files, Finding, Limits, Overlay, ParentRef};

/// The caller's options for parsing an image.
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
    /// The tables are in other files, which must be opened to continue.
    Needs(Needs),
}

/// The rest of a parse that waits for more files.
pub struct Needs {
    /// The files to open, in the order that [`resume`](Self::resume) expects.
    pub files: Vec<FileRef>,
    /// What is known without them, for a caller that opens no other file: it can be
    /// described, not read.
    pub described: Box<Image>,
    /// Continues parsing with all files of the image: the first one as
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
    /// The facts for `info`.
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
