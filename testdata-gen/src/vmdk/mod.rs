//! VMDK.

pub(crate) mod anomalous;
pub mod cases;
pub(crate) mod encode;
