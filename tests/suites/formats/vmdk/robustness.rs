//! Files cut at any length, and headers that declare more than any machine has.

use testdata_gen::good;

use crate::support::cuts::{cut_all, cut_extent};
use crate::support::resource_bombs::cost_little;

#[test]
fn truncated_vmdk_is_never_read_as_another_disk() {
    let names = [
        "vmdk-sparse-v1",
        "vmdk-sparse-small-2097664",
        "vmdk-sparse-shuffled",
        "vmdk-stream",
        "vmdk-stream-in-front",
        "vmdk-over",
    ];
    cut_all(&names, 40);
    let images = good();
    // Cut in an extent: the descriptor is whole.
    for (name, extent) in [("vmdk-split-sparse", 2), ("vmdk-cowd", 1), ("vmdk-sesparse", 1), ("vmdk-vmfs", 1)]
    {
        let image = images.iter().find(|image| image.name == name).expect("it is there");
        cut_extent(image, extent, 25);
    }
}

#[test]
fn resource_bombs_of_vmdk_need_little_memory() {
    cost_little("vmdk");
}
