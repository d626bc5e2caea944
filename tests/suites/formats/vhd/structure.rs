//! The structure check of VHD: anomalous images are reported with code and offset, good images without an error.

use imgprep::Severity;
use testdata_gen::good;

use crate::support::anomalies::{
    good_images_have_no_errors, images_are_reported, qemu_images_have_no_errors,
};
use crate::support::files::sparse;
use crate::support::structure::cost_of_check;

#[test]
fn every_anomalous_image_is_reported_with_code_and_offset() {
    // Notes, and what follows from the same bytes.
    let follows = [
        ("vhd.check.bat-overlap", "vhd.check.bat-beyond-disk"),
        ("vhd.check.locator-name", "vhd.check.parent-names"),
    ];
    images_are_reported("vhd", 12, |image, other| {
        other.severity <= Severity::Note || follows.contains(&(image.code, other.code.id))
    });
}

#[test]
fn good_images_have_no_structure_errors() {
    good_images_have_no_errors("vhd");
}

#[test]
fn declared_sizes_cost_no_reads() {
    let folder = tempfile::tempdir().unwrap();
    // A table of 2^32 - 1 entries in a hole.
    let image = good().into_iter().find(|image| image.name == "vhd-dynamic-12").unwrap();
    let mut start = image.files[0].bytes[..1536].to_vec();
    start[512 + 28..512 + 32].fill(0xff);
    start[512 + 36..512 + 40].fill(0);
    let sum = start[512..].iter().fold(0u32, |sum, byte| sum + u32::from(*byte));
    start[512 + 36..512 + 40].copy_from_slice(&(!sum).to_be_bytes());
    let len = 1536 + (1u64 << 34);
    let vhd = sparse(folder.path(), "bomb.vhd", len + 512, &[(0, &start[..]), (len, &start[..512])]);
    let asked = cost_of_check(&vhd);
    assert!(asked.bytes() <= 64 << 10 && asked.calls() <= 100, "{asked:?}");
}

#[test]
fn images_of_qemu_have_no_structure_errors() {
    qemu_images_have_no_errors(
        "vpc",
        &["subformat=dynamic", "subformat=dynamic,force_size=on", "subformat=fixed"],
    );
}
