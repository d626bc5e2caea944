//! QCOW2.

pub(crate) mod cases;
pub(crate) mod check;
pub(crate) mod differential;
pub(crate) mod overlay_writer;
pub(crate) mod robustness;
pub(crate) mod structure;
pub(crate) mod writer;
