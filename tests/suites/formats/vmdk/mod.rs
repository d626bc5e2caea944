//! VMDK.

pub(crate) mod cases;
pub(crate) mod differential;
pub(crate) mod robustness;
pub(crate) mod salvage;
pub(crate) mod structure;
