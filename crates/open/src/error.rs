//! Errors of opening a chain.

use imgprep_map::{Class, Code, Detail, ErrorKind, Hint};

use crate::codes;

/// A name that cannot be resolved or must not be followed, or a parent that does not match.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// The name is a protocol or options, not a file.
    #[error("the image names {name:?}, a {scheme}: address, which is never opened")]
    Protocol {
        /// File offset of the name.
        at: u64,
        /// The name.
        name: String,
        /// The part before the colon.
        scheme: String,
    },
    /// The follow policy does not allow the location of the file.
    #[error("the image names {name:?}, which is outside its own folder")]
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
    /// There is no such file, but a similar name or its encoding is known.
    #[error("the image names {name:?}, which does not exist{hint}")]
    NotThere {
        /// File offset of the name.
        at: u64,
        /// The name.
        name: String,
        /// The encoding of the name and the most similar file; begins with a semicolon.
        hint: String,
    },
    /// The follow policy allows no other file.
    #[error("the image needs {name:?}, but no other files may be opened")]
    Shut {
        /// File offset of the name.
        at: u64,
        /// The name.
        name: String,
    },
    /// The image requires a file that it does not name.
    #[error("the image stores its data in another file, but does not name it")]
    Unnamed {
        /// File offset of the missing name.
        at: u64,
    },
    /// The parent is identified only by its id, and no file has that id.
    #[error(
        "the image does not name its parent, which has id {identity}; none of the {looked_at} files with the same extension in {folders} has that id ({unreadable} could not be read)"
    )]
    NotFound {
        /// File offset of the identity.
        at: u64,
        /// The id of the parent.
        identity: String,
        /// The searched folders.
        folders: String,
        /// Number of inspected files, without the image itself.
        looked_at: usize,
        /// Number of those files that could not be read.
        unreadable: usize,
        /// How the parent can be provided.
        hint: Hint,
    },
    /// The parent is identified only by its id, and several files have that id.
    #[error("several files have the id {identity} of the parent: {names}")]
    Several {
        /// File offset of the identity.
        at: u64,
        /// The id of the parent.
        identity: String,
        /// The names of these files.
        names: String,
    },
    /// The parent is identified only by its id, and the folder contains too many files.
    #[error(
        "the image does not name its parent, which has id {identity}; {folder} contains more than {limit} candidates: move the files of this chain into a separate folder"
    )]
    TooManyCandidates {
        /// File offset of the identity.
        at: u64,
        /// The id of the parent.
        identity: String,
        /// The searched folders.
        folder: String,
        /// Maximum number of inspected files.
        limit: usize,
    },
    /// The parent was modified after its child was created.
    #[error(
        "parent {name:?} was modified after the image was created: it has revision {found}, expected {expected}"
    )]
    Changed {
        /// File offset of the parent's name.
        at: u64,
        /// The parent's name.
        name: String,
        /// The revision that the child records.
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
    /// The image names more files than the limit allows.
    #[error("the image names {found} files, the limit is {limit}")]
    TooManyFiles {
        /// Number of named files.
        found: u64,
        /// The limit.
        limit: u32,
    },
    /// The chain has more layers than the limit allows.
    #[error("the chain has more than {limit} layers")]
    Depth {
        /// The limit.
        limit: u32,
    },
    /// The id of the parent does not match.
    #[error("parent {name:?} has id {found}, but the image expects {expected}")]
    Mismatch {
        /// File offset of the parent's name.
        at: u64,
        /// The name.
        name: String,
        /// The expected id.
        expected: String,
        /// The id of the specified file.
        found: String,
    },
    /// Two names that lead to the same file next to the image.
    #[error(
        "{name:?} does not exist, and the file of that name next to the image is already used for {other:?}"
    )]
    Namesakes {
        /// File offset of the name.
        at: u64,
        /// The name that cannot be resolved.
        name: String,
        /// The name for which the file is already used.
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
    /// A parent was specified for an image without a parent.
    #[error("the image has no parent, but {parent} was specified as its parent")]
    NoParent {
        /// The specified parent.
        parent: String,
    },
    /// The image declares an unknown format for its parent.
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
    fn code(&self) -> &'static Code {
        match self {
            Self::Protocol { .. } => codes::OPEN_NAME_PROTOCOL,
            Self::Outside { .. } => codes::OPEN_FOLLOW_OUTSIDE,
            Self::Missing { .. } | Self::NotThere { .. } => codes::OPEN_NAME_MISSING,
            Self::Shut { .. } => codes::OPEN_FOLLOW_DENIED,
            Self::Unnamed { .. } => codes::OPEN_NAME_UNNAMED,
            Self::NotFound { .. } => codes::OPEN_PARENT_NOT_FOUND,
            Self::Several { .. } => codes::OPEN_PARENT_SEVERAL,
            Self::TooManyCandidates { .. } => codes::OPEN_PARENT_CANDIDATES,
            Self::Changed { .. } => codes::OPEN_PARENT_CHANGED,
            Self::BadName { .. } => codes::OPEN_NAME_INVALID,
            Self::Cycle { .. } => codes::OPEN_CHAIN_CYCLE,
            Self::TooManyFiles { .. } => codes::OPEN_FILES_LIMIT,
            Self::Depth { .. } => codes::OPEN_CHAIN_DEPTH,
            Self::Mismatch { .. } => codes::OPEN_PARENT_MISMATCH,
            Self::Namesakes { .. } => codes::OPEN_EXTENT_SAME_NAME,
            Self::OwnPart { .. } => codes::OPEN_FILE_OWN_PART,
            Self::NoParent { .. } => codes::OPEN_PARENT_NONE,
            Self::ParentFormat { .. } => codes::OPEN_PARENT_FORMAT,
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

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing { .. } | Self::NotThere { .. } | Self::NotFound { .. } => ErrorKind::NotFound,
            _ => self.class().kind(),
        }
    }

    fn hint(&self) -> Option<Hint> {
        match self {
            Self::Outside { .. } => Some(Hint::FollowAny),
            Self::Shut { .. } => Some(Hint::FollowBeside),
            Self::NotFound { hint, .. } => Some(*hint),
            Self::Several { .. } => Some(Hint::SelectParent),
            Self::Mismatch { .. } => Some(Hint::AcceptParent),
            _ => None,
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
