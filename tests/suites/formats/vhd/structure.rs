//! The structure check of VHD: anomalous images are reported with code and offset, good images without an error.

use imgprep::Severity;
use testdata_gen::good;

use crate::support::anomalies::{good_images_have_no_errors, images_are_reported};
use crate::support::files::sparse;
use crate::support::library::open;
use crate::support::program::{has_tool, tool};
use crate::support::qemu::source;
use crate::support::structure::{check, cost_of_check};

#[test]
fn every_anomalous_image_is_reported_with_code_and_offset() {
    // Notes, and what follows from the same bytes.
    let follows = [
        ("vhd.check.bat-overlap", "vhd.check.bat-beyond-disk"),
        ("vhd.check.locator-name", "vhd.check.parent-names"),
    ];
    images_are_reported("vhd", 12, |image, other| {
        other.severity <= Severity::Note || follows.contains(&(image.code, other.code))
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
    if !has_tool("qemu-img") || !has_tool("qemu-io") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    source(folder.path());
    for option in
        ["vpc -o subformat=dynamic", "vpc -o subformat=dynamic,force_size=on", "vpc -o subformat=fixed"]
    {
        let words: Vec<_> =
            ["convert", "-f", "raw", "src.raw", "a.img", "-O"].into_iter().chain(option.split(' ')).collect();
        tool(folder.path(), "qemu-img", &words);
        tool(folder.path(), "qemu-io", &["-f", "vpc", "-c", "write -P 5 3M 1500k", "a.img"]);
        let disk =
            open(&folder.path().join("a.img"), None).unwrap_or_else(|error| panic!("{option}: {error}"));
        let (checked, findings) = check(&disk);
        let odd: Vec<_> = findings.iter().filter(|found| found.severity > Severity::Note).collect();
        assert!(odd.is_empty(), "{option}: {odd:#?}");
        assert_eq!((checked.leaks, checked.corruptions), (0, 0), "{option}");
    }
}
