//! Where the bytes of a disk are: extents, their sources, and the map that lists them.

mod extent_builder;
mod map;
mod source;

pub use extent_builder::ExtentBuilder;
pub use map::{DiskMap, Files, Visitor};
pub use source::{Codec, CompressedLen, Extent, FileId, Source};
