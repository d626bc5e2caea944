//! Structures of a VHD that share error variants.

use core::fmt;

/// The structure that an error refers to. It determines the code of the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The footer, or its copy at the start.
    Footer,
    /// The header of a dynamic or differencing disk.
    Header,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Footer => "footer",
            Self::Header => "header",
        })
    }
}
