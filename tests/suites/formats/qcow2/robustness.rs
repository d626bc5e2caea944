//! Files cut at any length, and headers that declare more than any machine has.

use crate::support::cuts::cut_all;
use crate::support::resource_bombs::cost_little;

#[test]
fn truncated_qcow2_is_never_read_as_another_disk() {
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
fn resource_bombs_of_qcow2_need_little_memory() {
    cost_little("qcow2");
}
