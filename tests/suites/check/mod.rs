//! `imgprep check`: rules, remedies and reports.

pub(crate) mod deep;
pub(crate) mod disks;
pub(crate) mod hooks;
pub(crate) mod junit;
pub(crate) mod partitions;
pub(crate) mod remedies;
pub(crate) mod reports;
pub(crate) mod rules;
