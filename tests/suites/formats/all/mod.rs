//! Tests over the images of all formats.

pub(crate) mod broken;
pub(crate) mod chains;
pub(crate) mod conformance;
pub(crate) mod damaged;
pub(crate) mod detect;
pub(crate) mod detect_cases;
pub(crate) mod interrupts;
pub(crate) mod mutations;
pub(crate) mod mutations_blind;
pub(crate) mod random_options;
pub(crate) mod resource_bombs;
