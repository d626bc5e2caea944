//! QCOW (version 1).

pub(crate) mod differential;
pub(crate) mod robustness;
pub(crate) mod structure;
pub(crate) mod writer;
