//! Test images of VMDK.

pub(crate) mod anomalous;
pub(crate) mod broken;
pub mod cases;
pub(crate) mod encode;
pub(crate) mod good;
mod snapshots;
