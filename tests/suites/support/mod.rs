//! What the tests share.

pub(crate) mod escaping;
pub(crate) mod library;
pub(crate) mod program;
pub(crate) mod structure;
