//! Test images of QED.

pub(crate) mod anomalous;
pub(crate) mod broken;
pub(crate) mod cases;
pub(crate) mod encode;
pub(crate) mod good;
pub(crate) mod provoking;
