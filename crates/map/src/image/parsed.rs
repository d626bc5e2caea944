//! The result of parsing an image.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::{DiskMap, Error, Facts, FileRef, Files, Finding, Limits, Overlay, ParentRef};

/// The caller's options for parsing an image.
#[derive(Clone, Debug, Default)]
pub struct ParseOptions {
    /// Limits on the work that an image may cause.
    pub limits: Limits,
    /// An internal snapshot, by id or else by name, instead of the current disk.
    pub snapshot: Option<String>,
    /// The choice between two sizes, in formats that have two.
    pub size: SizeChoice,
    /// Whether an image without a valid table may be read by the headers of its data.
    pub salvage: bool,
}

/// The choice between the two sizes of an image (ZVHD, ZVHD2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SizeChoice {
    /// The size of the disk in the cloud: a whole number of GiB.
    #[default]
    Current,
    /// The size of the disk from which the image was created.
    Original,
}

/// The result of a parser.
pub enum Parsed {
    /// The image is in one file.
    Done(Box<Image>),
    /// The tables are in other files, which must be opened to continue.
    Needs(Needs),
}

/// A parse that requires more files.
pub struct Needs {
    /// The files to open, in the order that [`resume`](Self::resume) expects.
    pub files: Vec<FileRef>,
    /// The image as known without them, for a caller that opens no other file: it can be
    /// described, not read.
    pub described: Box<Image>,
    /// Continues parsing with all files of the image: the first one as
    /// [`FileId::SELF`](crate::FileId::SELF), then the requested ones.
    pub resume: Resume,
}

/// See [`Needs::resume`].
pub type Resume = Box<dyn FnOnce(&dyn Files) -> Result<Parsed, Error> + Send>;

/// One parsed image.
pub struct Image {
    /// Length of the disk, in bytes, not necessarily a multiple of a sector.
    pub size: u64,
    /// Bytes of a logical sector that the image declares, or 512.
    pub sector: u32,
    /// The layer below, if the image has one.
    pub parent: Option<ParentRef>,
    /// Other files with data of this layer, after the opened one.
    pub files: Vec<FileRef>,
    /// The facts for `info`.
    pub facts: Facts,
    /// Anomalies that do not prevent reading.
    pub findings: Vec<Finding>,
    /// The id by which a child identifies this image as its parent: a uuid or a content id in
    /// hexadecimal, lower case.
    pub identity: Option<String>,
    /// Further ids: a VMDK of `VirtualBox` has a uuid in addition to its content id.
    pub other_identities: Vec<String>,
    /// What a child records of the state of this image when the child was created
    /// over it: something that changes whenever the disk does.
    pub revision: Option<String>,
    /// Changes by a replayed log: all reads of [`FileId::SELF`](crate::FileId::SELF)
    /// go through it.
    pub overlay: Option<Arc<Overlay>>,
    /// Files that belong to this image without data of its disk: listed, never opened.
    pub attachments: Vec<FileRef>,
    /// Where the bytes are.
    pub map: Box<dyn DiskMap>,
}

impl Image {
    /// An image in one file, without a parent and without findings.
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

    /// All ids by which children identify this image.
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
