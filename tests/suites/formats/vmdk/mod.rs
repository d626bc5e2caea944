//! VMDK.

pub(crate) mod cases;
pub(crate) mod commands;
pub(crate) mod descriptors;
pub(crate) mod differential;
pub(crate) mod file_writer;
pub(crate) mod folders;
pub(crate) mod robustness;
pub(crate) mod salvage;
pub(crate) mod streams;
pub(crate) mod structure;
pub(crate) mod virtualbox;
mod writer;
