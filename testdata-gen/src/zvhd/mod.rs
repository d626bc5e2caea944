//! ZVHD and ZVHD2.

pub(crate) mod encode;
pub(crate) mod strict;
