//! VHDXs whose log cannot be replayed, and notes about images of other programs.

use serde_json::Value;
use testdata_gen::{broken, write_files};

use crate::support::program::{has_tool, imgprep, printed, tool};

/// Replaying the log of these would not change the disk.
#[test]
fn vhdx_with_an_unusable_log_is_salvaged_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut disks = Vec::new();
    for name in ["vhdx-log-named-and-empty", "vhdx-log-all-torn", "vhdx-log-checksum", "vhdx-log-sequence-0"]
    {
        let image = broken().into_iter().find(|image| image.name == name).expect("it is there");
        let path = write_files(&image.files, folder.path()).unwrap().display().to_string();
        let refused = imgprep(folder.path(), &["convert", &path, "out.raw", "--no-sync"]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(printed(&refused).contains(image.code) && !folder.path().join("out.raw").exists());
        let args = ["convert", &path, "out.raw", "--no-sync", "--salvage", "--verify"];
        let output = imgprep(folder.path(), &args);
        assert!(output.status.success(), "{name}: {}", printed(&output));
        let reported = printed(&output);
        assert!(reported.contains("vhdx.log.skipped") && reported.contains(image.code), "{name}: {reported}");
        disks.push(std::fs::read(folder.path().join("out.raw")).unwrap());
        std::fs::remove_file(folder.path().join("out.raw")).unwrap();
    }
    assert!(disks[0].iter().any(|byte| *byte != 0) && disks.iter().all(|disk| *disk == disks[0]));
}

#[test]
fn a_vhdx_whose_disk_id_is_zeros_has_a_note() {
    if !has_tool("qemu-img") {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    tool(temp.path(), "qemu-img", &["create", "-q", "-f", "vhdx", "d.vhdx", "8M"]);
    let path = temp.path().join("d.vhdx");
    let mut image = std::fs::read(&path).unwrap();
    // The entry of the page 83 data in the metadata table (VHDX 2.6.1, 2.6.2.5).
    let id = [0xab, 0x12, 0xca, 0xbe, 0xe6, 0xb2, 0x23, 0x45, 0x93, 0xef, 0xc3, 0x09, 0xe0, 0x00, 0xc7, 0x46];
    let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|window| window == what);
    let table = find(&image, b"metadata").unwrap();
    let entry = table + find(&image[table..], &id).unwrap();
    let offset = u32::from_le_bytes(image[entry + 16..entry + 20].try_into().unwrap());
    let at = table + usize::try_from(offset).unwrap();
    assert_ne!(image[at..at + 16], [0; 16]);
    image[at..at + 16].fill(0);
    std::fs::write(&path, image).unwrap();
    let asked = ["check", "d.vhdx", "--output", "json"];
    let output = imgprep(temp.path(), &asked);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = report.to_string();
    assert!(text.contains("\"vhdx.check.disk-id\""), "{text}");
}
