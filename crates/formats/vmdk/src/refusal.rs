//! Parts of a disk that are described and not read.

use core::mem::discriminant;

use imgprep_map::Error;

use crate::{Corrupt, Unsupported};

/// Why a part of the disk cannot be read though the image can be described.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    Corrupt(Corrupt),
    Unsupported(Unsupported),
}

impl Refusal {
    /// Whether the only reason is that files were not opened.
    pub(crate) fn is_unopened(&self) -> bool {
        matches!(self, Self::Unsupported(Unsupported::NotOpened { .. }))
    }

    /// Whether both are of one kind, whatever their places are.
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
