//! Walks over tables: no payload is read.

mod allocation;
mod check_walks;
mod cross_check;
mod table_scan;
mod usage;
mod work_units;

pub use allocation::{AllocationHistogram, PartAllocation};
pub use check_walks::{check_structure, check_unused, conflicts, gaps};
pub use cross_check::cross_check;
pub use table_scan::{TableScan, scan_tables};
pub use usage::Compared;
pub(crate) use work_units::WorkUnits;
