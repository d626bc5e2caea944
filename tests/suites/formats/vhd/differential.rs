//! VHD against `qemu-img` and `qemu-io`.
//!
//! `qemu-img` reads a fixed VHD as RAW, footer included, unless `-f vpc` is given.

use std::path::Path;

use testdata_gen::{Noise, disk_of, good, write_files};

use crate::support::program::{has_tool, imgprep, printed, tool};

fn same(folder: &Path, image: &str) {
    tool(folder, "qemu-img", &["convert", "-f", "vpc", "-O", "raw", image, "theirs.raw"]);
    let output = imgprep(folder, &["convert", image, "ours.raw", "--force", "--no-sync", "--verify"]);
    assert!(output.status.success(), "{image}: {}", printed(&output));
    let (ours, theirs) =
        (std::fs::read(folder.join("ours.raw")).unwrap(), std::fs::read(folder.join("theirs.raw")).unwrap());
    assert!(ours == theirs, "{image}: {} bytes, {} of theirs, or other contents", ours.len(), theirs.len());
}

const OPTIONS: [&str; 4] = [
    "subformat=dynamic",
    "subformat=dynamic,force_size=on",
    "subformat=fixed",
    "subformat=fixed,force_size=on",
];

#[test]
fn vhd_of_every_subformat_and_size() {
    if !has_tool("qemu-img") || !has_tool("qemu-io") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for options in OPTIONS {
        // Of 2 MiB blocks: one, one less, one more.
        for size in [0u64, 512, 2 << 20, (2 << 20) - 512, (2 << 20) + 512, (6 << 20) + 1536] {
            // qemu-img cannot open the fixed disk of nothing that it has made: the footer is
            // the file's first sector, and it reads that as a dynamic disk's copy.
            if size == 0 && options.starts_with("subformat=fixed") {
                continue;
            }
            create(folder.path(), options, size);
            same(folder.path(), "a.vhd");
        }
    }
}

/// 1023, 1024 and 1025 entries: a page of the table.
#[test]
fn vhd_tables_around_one_page_are_read() {
    if !has_tool("qemu-img") || !has_tool("qemu-io") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for size in [(2 << 30) - (2 << 20), 2 << 30, (2 << 30) + 512] {
        create(folder.path(), "subformat=dynamic,force_size=on", size);
        let output = imgprep(folder.path(), &["convert", "a.vhd", "ours.raw", "--force", "--no-sync"]);
        assert!(output.status.success(), "{}", printed(&output));
        tool(folder.path(), "qemu-img", &["compare", "-f", "vpc", "-F", "raw", "a.vhd", "ours.raw"]);
    }
}

/// An image with data near its start and its end.
fn create(folder: &Path, options: &str, size: u64) {
    tool(folder, "qemu-img", &["create", "-q", "-f", "vpc", "-o", options, "a.vhd", &size.to_string()]);
    if size > 4096 {
        let last = format!("write -P 9 {} 1k", size - 3072);
        tool(folder, "qemu-io", &["-f", "vpc", "-c", "write -P 7 1k 2k", "-c", &last, "a.vhd"]);
    }
}

#[test]
fn vhd_converted_from_a_disk() {
    if !has_tool("qemu-img") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut noise = Noise::new(18);
    let pieces: Vec<_> = (0..9).map(|n| (n * 700_000 + n * n * 512, noise.bytes(n * 9000 + 10))).collect();
    std::fs::write(folder.path().join("src.raw"), disk_of(6_000_128, &pieces)).unwrap();
    for options in OPTIONS {
        let args = ["convert", "-f", "raw", "-O", "vpc", "-o", options, "src.raw", "a.vhd"];
        tool(folder.path(), "qemu-img", &args);
        same(folder.path(), "a.vhd");
    }
}

/// The encoder of the test images, compared with the same reader where that reads correctly:
///
/// * differencing images it reads without their parent;
/// * it goes by the copy at the start and refuses what has none; a footer of 511 bytes and
///   files that are no whole sectors it refuses;
/// * of a fixed disk whose contents begin like a dynamic image it reads that image;
/// * in a dynamic image it takes a sector whose bit is clear for data. The specification says
///   that such a sector was never written, so here it reads as zeros: the recipes put garbage
///   into such sectors, those that are set are compared;
/// * an empty geometry it believes: a disk of nothing, though the field says otherwise;
/// * a checksum that an early td-util left behind it refuses;
/// * sizes that are no whole sectors it rounds down.
#[test]
fn test_images_are_read_by_qemu_img() {
    if !has_tool("qemu-img") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let others = [
        "fixed-odd",
        "fixed-empty",
        "fixed-of",
        "dynamic-bytes",
        "511",
        "hidden",
        "start-",
        "vhd-over",
        "vhd-w",
        "macx",
        "chain",
        "size-no",
    ];
    let mut compared = 0;
    for image in good().into_iter().filter(|image| image.format == "vhd") {
        if others.iter().any(|part| image.name.contains(part)) {
            continue;
        }
        let path = write_files(&image.files, folder.path()).unwrap().display().to_string();
        tool(folder.path(), "qemu-img", &["convert", "-f", "vpc", "-O", "raw", &path, "theirs.raw"]);
        let theirs = std::fs::read(folder.path().join("theirs.raw")).unwrap();
        let want = &image.disk[..image.disk.len() / 512 * 512];
        assert_eq!(theirs.len(), want.len(), "{}", image.name);
        for (at, (theirs, want)) in (0..).step_by(512).zip(theirs.chunks(512).zip(want.chunks(512))) {
            let is_clear = theirs.iter().all(|byte| *byte == 0xee) && want.iter().all(|byte| *byte == 0);
            assert!(theirs == want || is_clear, "{} at {at}: other contents", image.name);
        }
        compared += 1;
    }
    assert!(compared >= 30, "{compared}");
}
