//! QCOW (version 1).

pub(crate) mod anomalous;
pub(crate) mod encode;
