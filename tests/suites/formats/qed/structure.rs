//! The structure check of QED: anomalous images are reported with code and offset, good images without an error.

use testdata_gen::{anomalous, broken, write_files};

use crate::support::anomalies::{good_images_have_no_errors, images_are_converted, images_are_reported};
use crate::support::program::{has_tool, tool};
use crate::support::structure::compare_with_qemu;

#[test]
fn every_anomalous_image_is_reported_with_code_and_offset() {
    // Bytes after the disk that are shared are both; what a lost table names is lost, too.
    images_are_reported("qed", 14, |_, other| {
        matches!(other.code.id.rsplit('.').next(), Some("leak" | "beyond-disk"))
    });
}

#[test]
fn anomalous_images_are_converted() {
    images_are_converted("qed");
}

#[test]
fn good_images_have_no_structure_errors() {
    for (image, len, checked) in good_images_have_no_errors("qed") {
        let is_cut = image.name == "qed-ends-with-disk";
        assert!(checked.image_end.is_some_and(|end| end <= len || is_cut), "{}", image.name);
    }
}

#[test]
fn counts_of_anomalous_images_match_qemu_img() {
    if !has_tool("qemu-img") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut damaged = 0;
    // Not VDI: qemu-img reads blocks of 1 MiB only.
    for image in anomalous().into_iter().filter(|image| image.code.starts_with("qed.")) {
        let path = write_files(&image.files, folder.path()).unwrap();
        let checked = compare_with_qemu(folder.path(), &path.display().to_string(), image.name);
        damaged += u64::from(checked.corruptions + checked.leaks > 0);
    }
    assert!(damaged >= 12, "{damaged}");
}

/// An image of `qemu-img`, damaged by its bytes.
#[test]
fn counts_of_a_damaged_qed_match_qemu_img() {
    if !has_tool("qemu-img") || !has_tool("qemu-io") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    tool(
        folder.path(),
        "qemu-img",
        &["create", "-q", "-f", "qed", "-o", "cluster_size=4096,table_size=2", "a.qed", "9M"],
    );
    let writes = [
        "write -P 1 0 100k",
        "write -P 3 300k 8k",
        "write -P 2 4M 64k",
        "write -z 1M 8k",
        "write -P 4 200k 4k",
    ];
    let args: Vec<_> = writes.iter().flat_map(|write| ["-c", write]).chain(["a.qed"]).collect();
    tool(folder.path(), "qemu-io", &args);
    let whole = std::fs::read(folder.path().join("a.qed")).unwrap();
    let u64_at = |at: usize| u64::from_le_bytes(whole[at..at + 8].try_into().unwrap());
    let l1 = usize::try_from(u64_at(40)).unwrap();
    let [first, second] = [0, 8].map(|n| usize::try_from(u64_at(l1 + n)).unwrap());
    let data = u64_at(first);
    let len = whole.len() as u64;
    assert_eq!(compare_with_qemu(folder.path(), "a.qed", "whole").corruptions, 0);
    for (what, at, value) in [
        ("two entries, one cluster", first + 8, data),
        ("twice more", first + 600 * 8, data + 4096),
        ("a cluster lost", first + 16, 0),
        ("zeros for a cluster", first + 16, 1),
        ("an entry of 2", first + 16, 2),
        ("between clusters", first + 16, data + 512),
        ("past the end", first + 24, len),
        ("far past the end", first + 24, 1 << 62),
        ("in the header", first + 24, 0),
        ("in the L1 table", first + 24, l1 as u64),
        ("in its table", first + 24, first as u64 + 4096),
        ("a table lost", l1 + 8, 0),
        ("a table past the end", l1 + 8, len),
        ("a table that ends past the end", l1 + 8, len - 4096),
        ("a table between clusters", l1 + 8, second as u64 + 8),
        ("a table shared", l1 + 16, first as u64),
        ("a table half shared", l1 + 16, first as u64 + 4096),
        ("data as a table", l1 + 16, data),
        ("a table of the last L1 entry", l1 + 1023 * 8, second as u64),
        ("the L1 table as a table", l1 + 24, l1 as u64),
        ("a bomb", l1 + 24, u64::MAX - 4095),
    ] {
        let mut file = whole.clone();
        file[at..at + 8].copy_from_slice(&value.to_le_bytes());
        std::fs::write(folder.path().join("b.qed"), &file).unwrap();
        compare_with_qemu(folder.path(), "b.qed", what);
    }
    for len in
        [whole.len() - 1, whole.len() - 4096, whole.len() - 9000, whole.len() + 100, whole.len() + 9000]
    {
        let mut file = whole.clone();
        file.resize(len, 0);
        std::fs::write(folder.path().join("b.qed"), &file).unwrap();
        compare_with_qemu(folder.path(), "b.qed", &format!("a file of {len} bytes"));
    }
}

#[test]
fn repeated_tables_cost_a_single_walk() {
    let folder = tempfile::tempdir().unwrap();
    let image = broken().into_iter().find(|image| image.name == "qed-table-repeated").unwrap();
    let path = write_files(&image.files, folder.path()).unwrap();
    crate::support::anomalies::repeated_tables_cost_a_single_walk("qed", &path);
}
