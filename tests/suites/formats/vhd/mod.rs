//! VHD.

pub(crate) mod cases;
pub(crate) mod differential;
