//! What bytes are written to, and the plan of a writer.

mod layout;
mod sink;

pub use layout::{Compression, Finish, Layout, Placement, WriteAt};
pub use sink::{Sink, SinkKind, WriteError};
