//! Opens the files that images name: the only crate that resolves names.
//!
//! [`open`] opens the given image and the files that it names, as far as the
//! [`FollowPolicy`] allows: associated files with the image's data, and the layer below,
//! repeatedly. The result is a [`Chain`], top first.

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
pub use chain::{Chain, Layer, Named, open, open_detected, open_probed, open_source};
pub use codes::CODES;
pub use detected::{DetectedFile, ProbedFile};
pub use error::ChainError;
pub use follow_policy::FollowPolicy;
pub use namespace::{MemoryFiles, Namespace};
pub use options::{Mismatch, OpenOptions};
pub use read_image::{hints, open_given};
