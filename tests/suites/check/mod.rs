//! `imgprep check`: rules, remedies and reports.

pub(crate) mod disks;
pub(crate) mod hooks;
pub(crate) mod junit;
pub(crate) mod remedies;
pub(crate) mod rules;
