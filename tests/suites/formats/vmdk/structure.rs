//! The structure check of VMDK: anomalous images are reported with code and offset, good images without an error.

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
    let follows = [("vmdk.check.overhead", "vmdk.check.grain-in-overhead")];
    images_are_reported("vmdk", 12, |image, other| {
        other.severity <= Severity::Note || follows.contains(&(image.code, other.code.id))
    });
}

#[test]
fn good_images_have_no_structure_errors() {
    good_images_have_no_errors("vmdk");
}

#[test]
fn declared_sizes_cost_no_reads() {
    let folder = tempfile::tempdir().unwrap();
    let image = good().into_iter().find(|image| image.name == "vmdk-sparse-gtes-128").unwrap();
    // A directory of 2^37 entries, most of them in a hole of a terabyte.
    let mut header = image.files[0].bytes[..21 * 512].to_vec();
    let sectors = 1u64 << 47;
    header[12..20].copy_from_slice(&sectors.to_le_bytes());
    header[56..64].copy_from_slice(&128u64.to_le_bytes());
    header[64..72].copy_from_slice(&128u64.to_le_bytes());
    let text = String::from_utf8_lossy(&header[512..]).replace("RW 1953 ", &format!("RW {sectors} "));
    header.truncate(512);
    header.extend(text.as_bytes());
    let vmdk = sparse(folder.path(), "bomb.vmdk", 1 << 40, &[(0, header)]);
    let asked = cost_of_check(&vmdk);
    assert!(asked.bytes() <= 64 << 10 && asked.calls() <= 100, "{asked:?}");
}

#[test]
fn images_of_qemu_have_no_structure_errors() {
    qemu_images_have_no_errors(
        "vmdk",
        &[
            "subformat=monolithicSparse",
            "subformat=monolithicSparse,zeroed_grain=on",
            "subformat=twoGbMaxExtentSparse",
            "subformat=streamOptimized",
            "subformat=monolithicFlat",
            "subformat=twoGbMaxExtentFlat",
        ],
    );
}
