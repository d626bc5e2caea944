//! Files cut at any length, and headers that declare more than any machine has.

use crate::support::cuts::cut_all;
use crate::support::resource_bombs::cost_little;

#[test]
fn truncated_vdi_is_never_read_as_another_disk() {
    let names =
        ["vdi-4096", "vdi-static-1048576", "vdi-0.1", "vdi-reversed", "vdi-extra-100", "vdi-over-vdi"];
    cut_all(&names, 60);
}

#[test]
fn resource_bombs_of_vdi_need_little_memory() {
    cost_little("vdi");
}
