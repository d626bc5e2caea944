//! ZVHD and ZVHD2.

pub(crate) mod cases;
pub(crate) mod files;
mod header_pages;
pub(crate) mod robustness;
pub(crate) mod stream_writer;
pub(crate) mod structure;
pub(crate) mod vendor;
pub(crate) mod writer;
