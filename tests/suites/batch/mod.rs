//! `imgprep batch`.

pub(crate) mod cases;
pub(crate) mod folders;
pub(crate) mod interrupts;
pub(crate) mod jobs;
mod lists;
pub(crate) mod memory;
pub(crate) mod page;
pub(crate) mod resume;
pub(crate) mod schemas;
pub(crate) mod several_files;
pub(crate) mod syncs;
