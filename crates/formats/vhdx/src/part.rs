//! Parts of a VHDX that share error variants.

use core::fmt;

/// The part to which an error refers.
///
/// It determines the code; messages contain its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The file as a whole.
    File,
    /// The headers.
    Header,
    /// The region tables.
    RegionTable,
    /// The metadata table.
    MetadataTable,
    /// The log.
    Log,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "file",
            Self::Header => "header",
            Self::RegionTable => "region table",
            Self::MetadataTable => "metadata table",
            Self::Log => "log",
        })
    }
}
