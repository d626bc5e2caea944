//! Files cut at any length, and headers that declare more than any machine has.

use testdata_gen::good;

use crate::support::cuts::cut;
use crate::support::resource_bombs::cost_little;

#[test]
fn no_cut_zvhd_is_read_wrong() {
    for image in good().iter().filter(|image| image.format.starts_with("zvhd")) {
        cut(image, 40);
    }
}

#[test]
fn resource_bombs_of_zvhd() {
    cost_little("zvhd");
    cost_little("zvhd2");
}
