//! Compares the contents of two disks.

mod differences;
mod disks;

pub use differences::Differences;
pub use disks::{CompareShape, ScannedDisk, compare};
