//! Test images of ZVHD and ZVHD2.

pub(crate) mod broken;
pub(crate) mod encode;
pub(crate) mod good;
pub(crate) mod strict;
