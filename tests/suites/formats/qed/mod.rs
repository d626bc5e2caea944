//! QED.

pub(crate) mod differential;
pub(crate) mod structure;
