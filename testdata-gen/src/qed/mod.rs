//! QED.

pub(crate) mod anomalous;
pub(crate) mod encode;
