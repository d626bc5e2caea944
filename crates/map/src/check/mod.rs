//! What the structure checks of the formats share.

mod contradictions;
mod coverage_sweep;
mod report;
mod revisit_limiter;
mod structure_counts;
mod unit_set;
mod usage;

pub use contradictions::Contradictions;
pub use coverage_sweep::{CoverageSweep, Swept, Use, Uses};
pub use report::Report;
pub use revisit_limiter::RevisitLimiter;
pub use structure_counts::StructureCounts;
pub use unit_set::{Full, UnitSet};
pub use usage::{FileUse, UseKind};
