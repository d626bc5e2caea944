//! What a salvage reads of a damaged VMDK.

use testdata_gen::{broken, write_files};

use crate::support::program::{imgprep, printed};

#[test]
fn lost_vmdk_table_is_salvaged_from_the_redundant_directory() {
    let folder = tempfile::tempdir().unwrap();
    let image = broken().into_iter().find(|image| image.name == "vmdk-table-past-end").expect("it is there");
    let path = write_files(&image.files, folder.path()).unwrap().display().to_string();
    let args = ["convert", &path, "out.raw", "--no-sync", "--salvage", "--output", "json"];
    let output = imgprep(folder.path(), &args);
    assert!(output.status.success(), "{}", printed(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["losses"].as_array().is_none_or(Vec::is_empty), "{report}");
    let disk = std::fs::read(folder.path().join("out.raw")).unwrap();
    assert!(disk[1 << 16..2 << 16].iter().any(|byte| *byte != 0), "the second grain is there");
}
