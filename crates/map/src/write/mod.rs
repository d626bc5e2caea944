//! Outputs, and the writer interface of formats.

mod aligned_buffer;
mod image_writer;
mod sink;

pub use aligned_buffer::{AlignedBuffer, BUFFER_ALIGNMENT, HUGE_PAGE};
pub use image_writer::{Compression, Emit, Encoding, FilePart, ImageWriter, Placement, Stored};
pub use sink::{Sink, SinkKind, WriteError};
