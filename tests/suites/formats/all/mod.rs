//! Tests over the images of all formats.

pub(crate) mod broken;
pub(crate) mod chains;
pub(crate) mod conformance;
pub(crate) mod cuts;
pub(crate) mod detect;
pub(crate) mod detect_cases;
pub(crate) mod mutations;
pub(crate) mod mutations_blind;
pub(crate) mod resource_bombs;
