//! Parts of a disk that are described but not read.

use core::mem::discriminant;

use imgprep_map::Error;

use crate::{Corrupt, Unsupported};

/// Reason why a part of the disk can be described but not read.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    Corrupt(Corrupt),
    Unsupported(Unsupported),
}

impl Refusal {
    /// Whether the files were not opened, and that is the only reason.
    pub(crate) fn is_unopened(&self) -> bool {
        matches!(self, Self::Unsupported(Unsupported::NotOpened { .. }))
    }

    /// Whether both have the same reason, regardless of offsets.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Corrupt(one), Self::Corrupt(two)) => discriminant(one) == discriminant(two),
            (Self::Unsupported(one), Self::Unsupported(two)) => discriminant(one) == discriminant(two),
            _ => false,
        }
    }

    pub(crate) fn error(&self) -> Error {
        match self {
            Self::Corrupt(detail) => detail.clone().into(),
            Self::Unsupported(detail) => detail.clone().into(),
        }
    }
}
