//! Test images of VHDX.

pub(crate) mod anomalous;
pub(crate) mod broken;
pub(crate) mod encode;
pub(crate) mod good;
