//! Files cut at any length, and headers that declare more than any machine has.

use crate::support::cuts::cut_all;
use crate::support::resource_bombs::cost_little;

#[test]
fn truncated_qcow_is_never_read_as_another_disk() {
    let names = ["qcow-plain-9-6", "qcow-compressed-12-9", "qcow-shuffled-16-13", "qcow-over-raw"];
    cut_all(&names, 30);
}

#[test]
fn resource_bombs_of_qcow_need_little_memory() {
    cost_little("qcow");
}
