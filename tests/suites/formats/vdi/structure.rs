//! The structure check of VDI: anomalous images are reported with code and offset, good images without an error.

use crate::support::anomalies::{good_images_have_no_errors, images_are_converted, images_are_reported};
use crate::support::program::{has_tool, tool};
use crate::support::structure::compare_with_qemu;

#[test]
fn every_anomalous_image_is_reported_with_code_and_offset() {
    // Bytes after the disk that are shared are both; a longer map and file are the parser's findings.
    images_are_reported("vdi", 14, |_, other| {
        matches!(other.code.id.rsplit('.').next(), Some("leak" | "beyond-disk"))
            || matches!(other.code.id, "vdi.map.longer" | "vdi.file.length")
    });
}

#[test]
fn anomalous_images_are_converted() {
    images_are_converted("vdi");
}

#[test]
fn good_images_have_no_structure_errors() {
    for (image, len, checked) in good_images_have_no_errors("vdi") {
        assert!(checked.image_end.is_some_and(|end| end <= len), "{}", image.name);
    }
}

#[test]
fn counts_of_a_damaged_vdi_match_qemu_img() {
    if !has_tool("qemu-img") || !has_tool("qemu-io") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    tool(folder.path(), "qemu-img", &["create", "-q", "-f", "vdi", "a.vdi", "9M"]);
    let writes = ["write -P 1 0 100k", "write -P 3 3M 8k", "write -P 2 4M 64k"];
    let args: Vec<_> = writes.iter().flat_map(|write| ["-c", write]).chain(["a.vdi"]).collect();
    tool(folder.path(), "qemu-io", &args);
    let whole = std::fs::read(folder.path().join("a.vdi")).unwrap();
    let map = 512;
    assert_eq!(compare_with_qemu(folder.path(), "a.vdi", "whole").corruptions, 0);
    let mut leaks = 0;
    for (what, at, value) in [
        ("two entries, one block", map + 4, 0u32),
        ("a block lost", map, u32::MAX),
        ("zeros for a block", map, u32::MAX - 1),
        ("a block that the map cannot have", map, 9),
        ("the last number", map, u32::MAX - 2),
        ("a block that is not allocated", map + 4, 5),
        ("fewer allocated", 388, 1),
        ("more allocated", 388, 4),
        ("a bomb allocated", 388, u32::MAX),
        ("nothing allocated", 388, 0),
    ] {
        let mut file = whole.clone();
        file[at..at + 4].copy_from_slice(&value.to_le_bytes());
        std::fs::write(folder.path().join("b.vdi"), &file).unwrap();
        leaks += compare_with_qemu(folder.path(), "b.vdi", what).leaks;
    }
    assert_eq!(leaks, 4, "block 0 where no entry names it");
}
