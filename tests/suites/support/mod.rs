//! What the tests share.

pub(crate) mod anomalies;
pub(crate) mod batches;
pub(crate) mod checks;
pub(crate) mod conflicts;
pub(crate) mod cuts;
pub(crate) mod escaping;
pub(crate) mod files;
pub(crate) mod library;
pub(crate) mod loop_device;
pub(crate) mod mounted;
pub(crate) mod outputs;
pub(crate) mod program;
pub(crate) mod qemu;
pub(crate) mod reports;
pub(crate) mod resource_bombs;
pub(crate) mod structure;
pub(crate) mod written;
