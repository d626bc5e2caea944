//! Why a chain could not be opened.

use imgprep_map::{Class, Detail, ErrorKind};

/// A name that leads nowhere, or must not be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// The name is a protocol or options, not a file.
    #[error("the image names {name:?}, a {scheme}: address, which is never opened")]
    Protocol {
        /// File offset of the name.
        at: u64,
        /// The name.
        name: String,
        /// What stands before the colon.
        scheme: String,
    },
    /// The follow policy forbids the place of the file.
    #[error("the image names {name:?}, which is outside its own folder; --follow any opens it")]
    Outside {
        /// File offset of the name.
        at: u64,
        /// The name.
        name: String,
    },
    /// There is no such file.
    #[error("the image names {name:?}, which does not exist")]
    Missing {
        /// File offset of the name.
        at: u64,
        /// The name.
        name: String,
    },
    /// There is no such file, and something is known that may help to find it.
    #[error("the image names {name:?}, which does not exist{hint}")]
    NotThere {
        /// File offset of the name.
        at: u64,
        /// The name.
        name: String,
        /// The encoding of the name and the file that it may be; begins with a semicolon.
        hint: String,
    },
    /// The follow policy forbids every file.
    #[error("the image needs {name:?}, but --follow none opens no other files")]
    Shut {
        /// File offset of the name.
        at: u64,
        /// The name.
        name: String,
    },
    /// The image needs a file that it does not name.
    #[error("the image stores its data in another file, but does not name it")]
    Unnamed {
        /// File offset of where the name would be.
        at: u64,
    },
    /// The parent is known by what it calls itself only, and is not there.
    #[error(
        "the image does not name its parent, which has id {identity}; none of the {looked_at} files with the same extension in {folders} has that id ({unreadable} could not be read): {remedy}"
    )]
    NotFound {
        /// File offset of the identity.
        at: u64,
        /// What the parent calls itself.
        identity: String,
        /// Where it was looked for.
        folders: String,
        /// Files that were looked at, without the image itself.
        looked_at: usize,
        /// Files among them that could not be read.
        unreadable: usize,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The parent is known by what it calls itself only, and several call themselves so.
    #[error("several files have the id {identity} of the parent: {names}; select one with --parent")]
    Several {
        /// File offset of the identity.
        at: u64,
        /// What the parent calls itself.
        identity: String,
        /// Those that do.
        names: String,
    },
    /// The parent is known by what it calls itself only, and there are too many files to look for it.
    #[error(
        "the image does not name its parent, which has id {identity}; {folder} contains more than {limit} candidates: move the files of this chain into a separate folder"
    )]
    TooManyCandidates {
        /// File offset of the identity.
        at: u64,
        /// What the parent calls itself.
        identity: String,
        /// Where it was looked for.
        folder: String,
        /// Files that are looked at.
        limit: usize,
    },
    /// The parent was written to after its child was made.
    #[error(
        "parent {name:?} was modified after the image was created: it has revision {found}, expected {expected}"
    )]
    Changed {
        /// File offset of the parent's name.
        at: u64,
        /// The parent's name.
        name: String,
        /// The revision that the child notes.
        expected: String,
        /// The revision that the parent has.
        found: String,
    },
    /// The name is not a valid file name on this system.
    #[error("the image names {name:?}, which is not a file name")]
    BadName {
        /// File offset of the name.
        at: u64,
        /// The name.
        name: String,
    },
    /// A layer is its own ancestor.
    #[error("the chain is circular: {name:?} is already a layer of it")]
    Cycle {
        /// File offset of the name.
        at: u64,
        /// The name.
        name: String,
    },
    /// More files than the limit.
    #[error("the image names {found} files, the limit is {limit}")]
    TooManyFiles {
        /// Files that are named.
        found: u64,
        /// Files that are opened.
        limit: u32,
    },
    /// More layers than the limit.
    #[error("the chain has more than {limit} layers")]
    Depth {
        /// Layers that are followed.
        limit: u32,
    },
    /// The id of the parent does not match.
    #[error("parent {name:?} has id {found}, but the image expects {expected}; --accept-parent accepts it")]
    Mismatch {
        /// File offset of the parent's name.
        at: u64,
        /// The name.
        name: String,
        /// What the parent must call itself.
        expected: String,
        /// What it calls itself.
        found: String,
    },
    /// Two names that would be one file beside the image.
    #[error(
        "{name:?} does not exist, and the file of that name next to the image is already used for {other:?}"
    )]
    Namesakes {
        /// File offset of the name.
        at: u64,
        /// The name that was looked for.
        name: String,
        /// What the file is already.
        other: String,
    },
    /// The image names its own file as a part of itself.
    #[error("the image names its own file {name:?} as a part of itself")]
    OwnPart {
        /// File offset of the name.
        at: u64,
        /// The name.
        name: String,
    },
    /// The user names a layer below an image that has none.
    #[error("the image has no parent, but --parent names {parent}")]
    NoParent {
        /// What was named.
        parent: String,
    },
    /// The image says that its parent has a format that is not known.
    #[error("the image declares {name:?} to have format {format:?}, which is not supported")]
    ParentFormat {
        /// File offset of the name.
        at: u64,
        /// The name.
        name: String,
        /// The format.
        format: String,
    },
}

impl Detail for ChainError {
    fn code(&self) -> &'static str {
        match self {
            Self::Protocol { .. } => "open.name.protocol",
            Self::Outside { .. } => "open.gate.outside",
            Self::Missing { .. } | Self::NotThere { .. } => "open.name.missing",
            Self::Shut { .. } => "open.gate.shut",
            Self::Unnamed { .. } => "open.name.unnamed",
            Self::NotFound { .. } => "open.parent.not-found",
            Self::Several { .. } => "open.parent.several",
            Self::TooManyCandidates { .. } => "open.parent.candidates",
            Self::Changed { .. } => "open.parent.changed",
            Self::BadName { .. } => "open.name.bad",
            Self::Cycle { .. } => "open.chain.cycle",
            Self::TooManyFiles { .. } => "open.files.limit",
            Self::Depth { .. } => "open.chain.depth",
            Self::Mismatch { .. } => "open.parent.mismatch",
            Self::Namesakes { .. } => "open.extent.namesakes",
            Self::OwnPart { .. } => "open.file.own-part",
            Self::NoParent { .. } => "open.parent.none",
            Self::ParentFormat { .. } => "open.parent.format",
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::Protocol { .. } | Self::Outside { .. } | Self::Shut { .. } | Self::NoParent { .. } => {
                Class::Refused
            }
            Self::Missing { .. } | Self::NotThere { .. } | Self::NotFound { .. } => Class::Io,
            Self::Unnamed { .. } | Self::ParentFormat { .. } => Class::Unsupported,
            Self::BadName { .. }
            | Self::Cycle { .. }
            | Self::Mismatch { .. }
            | Self::Several { .. }
            | Self::Namesakes { .. }
            | Self::OwnPart { .. }
            | Self::Changed { .. } => Class::Corrupt,
            Self::TooManyFiles { .. } | Self::Depth { .. } | Self::TooManyCandidates { .. } => Class::Limit,
        }
    }

    fn is_transient(&self) -> bool {
        self.class() == Class::Io
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing { .. } | Self::NotThere { .. } | Self::NotFound { .. } => ErrorKind::NotFound,
            _ => self.class().kind(),
        }
    }

    fn at(&self) -> Option<u64> {
        match self {
            Self::Protocol { at, .. }
            | Self::Outside { at, .. }
            | Self::Missing { at, .. }
            | Self::NotThere { at, .. }
            | Self::Shut { at, .. }
            | Self::Unnamed { at }
            | Self::NotFound { at, .. }
            | Self::Several { at, .. }
            | Self::TooManyCandidates { at, .. }
            | Self::Changed { at, .. }
            | Self::BadName { at, .. }
            | Self::Namesakes { at, .. }
            | Self::OwnPart { at, .. }
            | Self::Cycle { at, .. }
            | Self::Mismatch { at, .. }
            | Self::ParentFormat { at, .. } => Some(*at),
            Self::TooManyFiles { .. } | Self::Depth { .. } | Self::NoParent { .. } => None,
        }
    }
}
