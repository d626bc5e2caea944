//! Files cut at any length, and headers that declare more than any machine has.

use crate::support::cuts::cut_all;
use crate::support::resource_bombs::cost_little;

#[test]
fn no_cut_qed_is_read_wrong() {
    let names = ["qed-plain-4k-1", "qed-shuffled-8k-8", "qed-over-raw"];
    cut_all(&names, 30);
}

#[test]
fn resource_bombs_of_qed() {
    cost_little("qed");
}
