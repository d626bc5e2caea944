//! Files cut at any length, and headers that declare more than any machine has.

use crate::support::cuts::cut_all;
use crate::support::resource_bombs::cost_little;

#[test]
fn truncated_qed_is_never_read_as_another_disk() {
    let names = ["qed-plain-4k-1", "qed-shuffled-8k-8", "qed-over-raw"];
    cut_all(&names, 30);
}

#[test]
fn resource_bombs_of_qed_need_little_memory() {
    cost_little("qed");
}
