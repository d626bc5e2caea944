//! Files cut at any length, and headers that declare more than any machine has.

use crate::support::cuts::cut_all;
use crate::support::resource_bombs::cost_little;

#[test]
fn no_cut_qcow2_is_read_wrong() {
    let names = [
        "qcow2-v3-9",
        "qcow2-zlib-12",
        "qcow2-shuffled-16",
        "qcow2-zstd-10",
        "qcow2-subclusters",
        "qcow2-over-raw",
        "qcow2-v2-14",
    ];
    cut_all(&names, 60);
}

#[test]
fn resource_bombs_of_qcow2() {
    cost_little("qcow2");
}
