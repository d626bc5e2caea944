//! Tests over the images of all formats.

pub(crate) mod broken;
pub(crate) mod chains;
pub(crate) mod conformance;
pub(crate) mod damaged;
pub(crate) mod detect;
pub(crate) mod detect_cases;
mod detect_requested;
pub(crate) mod interrupts;
pub(crate) mod mutations;
pub(crate) mod mutations_blind;
mod parents;
pub(crate) mod random_options;
pub(crate) mod resource_bombs;
