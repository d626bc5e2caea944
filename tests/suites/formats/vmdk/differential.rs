//! VMDK against `qemu-img` and `qemu-io`.

use std::path::Path;

use testdata_gen::{good, write_files};

use crate::support::program::{has_tool, imgprep, printed, tool};
use crate::support::qemu::{same, source};

const SPARSE: [&str; 3] = ["monolithicSparse", "twoGbMaxExtentSparse", "streamOptimized"];
const FLAT: [&str; 2] = ["monolithicFlat", "twoGbMaxExtentFlat"];

#[test]
fn vmdk_of_every_subformat_and_option() {
    if !has_tool("qemu-img") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    source(folder.path());
    let options =
        ["", ",zeroed_grain=on", ",adapter_type=lsilogic,hwversion=7,toolsversion=9", ",compat6=on"];
    for subformat in SPARSE.into_iter().chain(FLAT) {
        // A flat disk has no grains.
        for option in
            options.into_iter().filter(|option| !(FLAT.contains(&subformat) && option.contains("zero")))
        {
            let option = format!("subformat={subformat}{option}");
            tool(
                folder.path(),
                "qemu-img",
                &["convert", "-f", "raw", "-O", "vmdk", "-o", &option, "src.raw", "a.vmdk"],
            );
            same(folder.path(), "a.vmdk");
        }
    }
}

/// A grain has 64 KiB, a table covers 32 MiB.
#[test]
fn vmdk_of_odd_sizes() {
    if !has_tool("qemu-img") || !has_tool("qemu-io") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for subformat in SPARSE.into_iter().chain(FLAT) {
        let option = format!("subformat={subformat}");
        for size in [512_u64, 65024, 65536, 66048, 33_553_920, 33_554_432, 33_554_944] {
            let text = size.to_string();
            tool(folder.path(), "qemu-img", &["create", "-q", "-f", "vmdk", "-o", &option, "a.vmdk", &text]);
            if subformat != "streamOptimized" {
                let write = format!("write -P 5 {} 512", size - 512);
                tool(folder.path(), "qemu-io", &["-c", &write, "a.vmdk"]);
            }
            same(folder.path(), "a.vmdk");
        }
    }
}

/// `qemu-img` writes disks of no bytes and refuses to open them ("Unsupported image type"): it
/// takes a capacity of 0 for a file that is only there for its descriptor. The descriptor says that the disk
/// is this file and has no sector, so it is a disk of nothing.
#[test]
fn vmdk_of_size_zero_is_an_empty_disk_unlike_qemu_img() {
    if !has_tool("qemu-img") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    tool(folder.path(), "qemu-img", &["create", "-q", "-f", "vmdk", "a.vmdk", "0"]);
    let output = imgprep(folder.path(), &["convert", "a.vmdk", "ours.raw"]);
    assert!(output.status.success(), "{}", printed(&output));
    assert!(std::fs::read(folder.path().join("ours.raw")).unwrap().is_empty());
}

#[test]
fn vmdk_written_in_part_and_zeroed() {
    if !has_tool("qemu-img") || !has_tool("qemu-io") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for option in ["zeroed_grain=on", "zeroed_grain=off", "subformat=twoGbMaxExtentSparse,zeroed_grain=on"] {
        tool(folder.path(), "qemu-img", &["create", "-q", "-f", "vmdk", "-o", option, "a.vmdk", "70M"]);
        for write in ["write -P 1 123k 3k", "write -P 2 33M 700k", "write -z 33100k 200k", "write -z 0 64k"] {
            tool(folder.path(), "qemu-io", &["-c", write, "a.vmdk"]);
        }
        same(folder.path(), "a.vmdk");
    }
}

/// 5 GiB in extents of 2 GiB, data on both sides of each seam.
#[test]
fn vmdk_of_several_extents() {
    if !has_tool("qemu-img") || !has_tool("qemu-io") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for subformat in ["twoGbMaxExtentSparse", "twoGbMaxExtentFlat"] {
        let option = format!("subformat={subformat}");
        tool(folder.path(), "qemu-img", &["create", "-q", "-f", "vmdk", "-o", &option, "a.vmdk", "5G"]);
        for write in ["write -P 1 2047M 2M", "write -P 2 4095M 3M", "write -P 3 5368708608 512"] {
            tool(folder.path(), "qemu-io", &["-c", write, "a.vmdk"]);
        }
        let output = imgprep(folder.path(), &["convert", "a.vmdk", "ours.raw", "--force", "--no-sync"]);
        assert!(output.status.success(), "{}", printed(&output));
        tool(folder.path(), "qemu-img", &["compare", "-f", "raw", "-F", "vmdk", "ours.raw", "a.vmdk"]);
    }
}

#[test]
fn vmdk_chains() {
    if !has_tool("qemu-img") || !has_tool("qemu-io") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    source(folder.path());
    let run = |name: &str, args: &[&str]| tool(folder.path(), name, args);
    run("qemu-img", &["convert", "-f", "raw", "-O", "vmdk", "src.raw", "base.vmdk"]);
    run(
        "qemu-img",
        &["create", "-q", "-f", "vmdk", "-o", "zeroed_grain=on", "-b", "base.vmdk", "-F", "vmdk", "a.vmdk"],
    );
    run("qemu-io", &["-c", "write -P 7 1M 2M", "-c", "write -z 4M 64k", "a.vmdk"]);
    same(folder.path(), "a.vmdk");
    let split = "subformat=twoGbMaxExtentSparse";
    run(
        "qemu-img",
        &["create", "-q", "-f", "vmdk", "-o", split, "-b", "a.vmdk", "-F", "vmdk", "b.vmdk", "9M"],
    );
    run("qemu-io", &["-c", "write -P 9 8M 300k", "-c", "write -P 4 70k 1k", "b.vmdk"]);
    same(folder.path(), "b.vmdk");
    // A parent that was written after its child was made has another id.
    run("qemu-io", &["-c", "write -P 1 0 512", "base.vmdk"]);
    let output = imgprep(folder.path(), &["convert", "a.vmdk", "x.raw"]);
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    assert!(printed(&output).contains("open.parent.mismatch"), "{}", printed(&output));
    let output = imgprep(folder.path(), &["convert", "a.vmdk", "x.raw", "--accept-parent"]);
    assert!(output.status.success(), "{}", printed(&output));
}

/// Images that `qemu-img` cannot read or reads differently, and the correct reading.
const BEYOND_QEMU: [&str; 8] = [
    // It refuses createType "custom", which the specification has.
    "vmdk-custom",
    "vmdk-zero-extents",
    // It supports no other encoding, and no quote inside a name.
    "vmdk-text-encoding",
    "vmdk-text-odd",
    // It refuses a flat extent without offset, where the beginning is meant.
    "vmdk-split-flat",
    // It reads the drive of a foreign path as a protocol.
    "vmdk-over-foreign",
    // See above: it refuses disks of nothing.
    "vmdk-sparse-small-0",
    // It leaves out RDONLY extents without a word, and reads a disk that is too short, its parts
    // moved: the specification's RDONLY forbids writing, not reading.
    "vmdk-split-sparse",
];

#[test]
fn test_images_are_read_by_qemu_img() {
    if !has_tool("qemu-img") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut read = 0;
    for image in
        good().into_iter().filter(|image| image.format == "vmdk" && !BEYOND_QEMU.contains(&&*image.name))
    {
        let path = write_files(&image.files, folder.path()).unwrap().display().to_string();
        tool(folder.path(), "qemu-img", &["convert", "-f", "vmdk", "-O", "raw", &path, "theirs.raw"]);
        let theirs = std::fs::read(Path::new(folder.path()).join("theirs.raw")).unwrap();
        assert!(theirs == image.disk, "{}: {} bytes of {}", image.name, theirs.len(), image.disk.len());
        read += 1;
    }
    assert!(read >= 30, "{read}");
}
