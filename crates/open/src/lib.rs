//! Names found inside images become open files: here and nowhere else.
//!
//! [`open`] opens what the user named and follows what the image names, as far as the
//! [`FollowPolicy`] allows: associated files that hold the image's data, and the layer below, again
//! and again. The result is a [`Chain`], top first.

mod associated_file;
mod chain;
mod codes;
mod detected;
mod error;
mod follow_policy;
mod namespace;
mod near;
mod options;
mod read_image;
mod search;

pub use associated_file::part_of;
pub use chain::{Chain, Layer, Named, open, open_detected, open_source};
pub use codes::CODES;
pub use detected::DetectedFile;
pub use error::ChainError;
pub use follow_policy::FollowPolicy;
pub use namespace::{MemoryFiles, Namespace};
pub use options::{Mismatch, OpenOptions};
pub use read_image::{hints, open_given};
