//! Files cut at any length, and headers that declare more than any machine has.

use testdata_gen::good;

use crate::support::cuts::cut;
use crate::support::resource_bombs::cost_little;

#[test]
fn truncated_zvhd_is_never_read_as_another_disk() {
    for image in good().iter().filter(|image| image.format.starts_with("zvhd")) {
        cut(image, 40);
    }
}

#[test]
fn resource_bombs_of_zvhd_need_little_memory() {
    cost_little("zvhd");
    cost_little("zvhd2");
}
