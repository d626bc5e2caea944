//! VDI.

pub(crate) mod differential;
