//! Outputs, and the writer interface of formats.

mod image_writer;
mod sink;

pub use image_writer::{Compression, Emit, Encoding, FilePart, ImageWriter, Placement, Stored};
pub use sink::{Sink, SinkKind, WriteError};
