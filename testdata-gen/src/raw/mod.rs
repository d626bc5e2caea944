//! Test images of RAW.

pub(crate) mod good;
