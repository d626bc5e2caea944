//! Test images of VHD.

pub(crate) mod anomalous;
pub(crate) mod broken;
pub(crate) mod cases;
pub(crate) mod encode;
pub(crate) mod good;
