//! QCOW2.

pub(crate) mod cases;
pub(crate) mod check;
pub(crate) mod differential;
pub(crate) mod writer;
