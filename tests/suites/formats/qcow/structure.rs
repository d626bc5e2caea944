//! The structure check of QCOW: anomalous images are reported with code and offset, good images without an error.

use testdata_gen::{broken, write_files};

use crate::support::anomalies::{good_images_have_no_errors, images_are_converted, images_are_reported};

#[test]
fn every_anomalous_image_is_reported_with_code_and_offset() {
    // Bytes after the disk that are shared are both; what a lost table names is lost, too.
    images_are_reported("qcow", 14, |_, other| {
        matches!(other.code.id.rsplit('.').next(), Some("leak" | "beyond-disk"))
    });
}

#[test]
fn anomalous_images_are_converted() {
    images_are_converted("qcow");
}

#[test]
fn good_images_have_no_structure_errors() {
    for (image, len, checked) in good_images_have_no_errors("qcow") {
        assert!(checked.image_end.is_some_and(|end| end <= len), "{}", image.name);
    }
}

#[test]
fn repeated_tables_cost_a_single_walk() {
    let folder = tempfile::tempdir().unwrap();
    let image = broken().into_iter().find(|image| image.name == "qcow-table-repeated").unwrap();
    let path = write_files(&image.files, folder.path()).unwrap();
    crate::support::anomalies::repeated_tables_cost_a_single_walk("qcow", &path);
}
