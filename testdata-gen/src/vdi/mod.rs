//! VDI.

pub(crate) mod anomalous;
pub(crate) mod cases;
pub(crate) mod encode;
