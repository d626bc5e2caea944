//! The jobs of a batch, and the plan of what they will do.

pub(crate) mod batch_plan;
pub(crate) mod conversion;
pub mod files;
pub(crate) mod job_spec;
pub(crate) mod jobs;
pub(crate) mod manifest;
pub(crate) mod overlapping_batches;
pub(crate) mod search;
pub(crate) mod template;
