//! Sources of bytes.

mod holes;
mod overlay;
mod read_at;

pub use holes::LastHole;
pub use overlay::{Overlay, OverlayReader};
pub use read_at::{ReadAt, ReadError};
