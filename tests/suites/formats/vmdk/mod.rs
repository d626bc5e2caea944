//! VMDK.

pub(crate) mod cases;
pub(crate) mod differential;
pub(crate) mod structure;
