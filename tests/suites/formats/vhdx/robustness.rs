//! Files cut at any length, and headers that declare more than any machine has.

use crate::support::cuts::cut_all;
use crate::support::resource_bombs::cost_little;

#[test]
fn truncated_vhdx_is_never_read_as_another_disk() {
    cut_all(&["vhdx-dynamic-1m", "vhdx-shuffled", "vhdx-log-grows", "vhdx-over"], 40);
}

#[test]
fn resource_bombs_of_vhdx_need_little_memory() {
    cost_little("vhdx");
}
