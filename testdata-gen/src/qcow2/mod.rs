//! QCOW2.

pub(crate) mod broken;
pub(crate) mod cases;
pub(crate) mod codes;
pub(crate) mod encode;
pub(crate) mod good;
