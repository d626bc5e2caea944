//! Test images of QCOW2.

pub(crate) mod broken;
pub(crate) mod cases;
pub(crate) mod encode;
pub(crate) mod good;
pub(crate) mod provoking;
