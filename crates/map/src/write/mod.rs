//! What bytes are written to, and the seam for writers.

mod image_writer;
mod sink;

pub use image_writer::{Compression, Emit, Encoding, ImageWriter, Placement, Stored};
pub use sink::{Sink, SinkKind, WriteError};
