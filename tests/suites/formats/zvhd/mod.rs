//! ZVHD and ZVHD2.

pub(crate) mod cases;
pub(crate) mod vendor;
