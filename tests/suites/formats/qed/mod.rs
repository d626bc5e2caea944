//! QED.

pub(crate) mod cases;
pub(crate) mod differential;
pub(crate) mod robustness;
pub(crate) mod structure;
pub(crate) mod writer;
