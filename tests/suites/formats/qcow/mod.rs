//! QCOW (version 1).

pub(crate) mod differential;
