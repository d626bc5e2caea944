//! ZVHD and ZVHD2.

pub(crate) mod cases;
pub(crate) mod robustness;
pub(crate) mod vendor;
