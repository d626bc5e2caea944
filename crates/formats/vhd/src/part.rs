//! The parts of a VHD whose errors share a shape.

use core::fmt;

/// The part that an error is about. It decides the code; the name is for people.
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
