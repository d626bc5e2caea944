//! Names found inside images become open files: here and nowhere else.
//!
//! [`open`] opens what the user named and follows what the image names, as far as the
//! [`Gate`] allows: companions that hold the image's data, and the layer below, again
//! and again. The result is a [`Chain`], top first.

mod chain;
mod companion;
mod error;
mod gate;
mod near;
mod search;

pub use chain::{Chain, Layer, Mismatch, Named, OpenOptions, hints, open, open_source};
pub use companion::part_of;
pub use error::ChainError;
pub use gate::Gate;
