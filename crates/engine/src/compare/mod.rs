//! Compares the contents of two disks.

mod differences;
mod disks;

pub use differences::Differences;
pub(crate) use differences::is_same;
pub use disks::{CompareShape, ScannedDisk, compare};
