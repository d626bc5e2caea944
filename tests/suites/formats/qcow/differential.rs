//! QCOW version 1 against `qemu-img` and `qemu-io`.

use std::path::Path;
use std::process::Command;

use testdata_gen::{good, write_files};

use crate::support::program::{imgprep, printed, tool};
use crate::support::qemu::{has_qemu, same, source};

fn create(folder: &Path, args: &[&str]) {
    tool(folder, "qemu-img", &[&["create", "-q", "-f", "qcow"], args].concat());
}

/// Clusters of 4 KiB, tables of 4 KiB: one covers 2 MiB.
#[test]
fn qcow_of_every_odd_size() {
    if !has_qemu() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for size in [512, 1024, 4096, 4608, (2 << 20) - 512, 2 << 20, (2 << 20) + 512, (6 << 20) + 1536] {
        create(folder.path(), &["a.qcow", &size.to_string()]);
        same(folder.path(), "a.qcow");
        let last = format!("write -P 5 {} 512", size - 512);
        let middle = format!("write -P 7 {} 512", size / 1024 * 512);
        tool(folder.path(), "qemu-io", &["-c", &last, "-c", &middle, "-c", "write -P 9 0 512", "a.qcow"]);
        same(folder.path(), "a.qcow");
    }
}

#[test]
fn qcow_plain_and_compressed() {
    if !has_qemu() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    source(folder.path());
    let convert = |compressed: &[&str]| {
        let args = [&["convert", "-f", "raw", "-O", "qcow"], compressed, &["src.raw", "a.qcow"]].concat();
        Command::new("qemu-img").args(args).current_dir(folder.path()).output().unwrap()
    };
    let rewrite = || {
        // Compressed clusters that are written to become plain ones.
        tool(folder.path(), "qemu-io", &["-c", "write -P 3 300k 70k", "-c", "write -z 1M 64k", "a.qcow"]);
        same(folder.path(), "a.qcow");
    };
    assert!(convert(&[]).status.success());
    same(folder.path(), "a.qcow");
    rewrite();
    // With -c qemu-img 10 closes a QCOW with an empty write, which its own driver refuses: it
    // exits with 1 and no message, and the image is complete.
    convert(&["-c"]);
    same(folder.path(), "a.qcow");
    let source = std::fs::read(folder.path().join("src.raw")).unwrap();
    assert!(std::fs::read(folder.path().join("ours.raw")).unwrap() == source);
    let output = imgprep(folder.path(), &["map", "a.qcow", "--output", "json"]);
    assert!(printed(&output).contains("\"compressed\":true"), "{}", printed(&output));
    rewrite();
}

/// Over a backing file QEMU uses clusters of 512 bytes and tables of 32 KiB.
#[test]
fn qcow_chains() {
    if !has_qemu() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    source(folder.path());
    create(folder.path(), &["-b", "src.raw", "-F", "raw", "a.qcow"]);
    tool(folder.path(), "qemu-io", &["-c", "write -P 7 1M 2M", "-c", "write -P 1 5k 512", "a.qcow"]);
    same(folder.path(), "a.qcow");
    create(folder.path(), &["-b", "a.qcow", "-F", "qcow", "longer.qcow", "9M"]);
    tool(folder.path(), "qemu-io", &["-c", "write -P 9 8M 300k", "longer.qcow"]);
    same(folder.path(), "longer.qcow");
    create(folder.path(), &["-b", "longer.qcow", "-F", "qcow", "shorter.qcow", "2097664"]);
    tool(folder.path(), "qemu-io", &["-c", "write -P 2 2M 512", "shorter.qcow"]);
    same(folder.path(), "shorter.qcow");
}

#[test]
fn encrypted_qcow_is_described_and_not_read() {
    if !has_qemu() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let secret = ["--object", "secret,id=key,data=123456", "-o", "encrypt.format=aes,encrypt.key-secret=key"];
    create(folder.path(), &[&secret[..], &["a.qcow", "1M"]].concat());
    let output = imgprep(folder.path(), &["info", "a.qcow"]);
    assert!(output.status.success(), "{}", printed(&output));
    let output = imgprep(folder.path(), &["convert", "a.qcow", "a.raw"]);
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    assert!(printed(&output).contains("qcow.header.encrypted"), "{}", printed(&output));
}

/// `qemu-img` reads what lies after the end of a cut file as zeros and is content: a cut
/// table is a disk of other contents with exit code 0. Ours refuses.
#[test]
fn truncated_qcow_is_rejected_although_qemu_img_reads_zeros() {
    if !has_qemu() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    source(folder.path());
    tool(folder.path(), "qemu-img", &["convert", "-O", "qcow", "src.raw", "a.qcow"]);
    let whole = std::fs::read(folder.path().join("a.qcow")).unwrap();
    let disk = std::fs::read(folder.path().join("src.raw")).unwrap();
    for len in [whole.len() / 3, whole.len() / 2, whole.len() - 4096] {
        std::fs::write(folder.path().join("cut.qcow"), &whole[..len]).unwrap();
        tool(folder.path(), "qemu-img", &["convert", "-O", "raw", "cut.qcow", "theirs.raw"]);
        assert!(std::fs::read(folder.path().join("theirs.raw")).unwrap() != disk, "cut at {len}: mended");
        let output = imgprep(folder.path(), &["convert", "cut.qcow", "ours.raw"]);
        assert_eq!(output.status.code(), Some(1), "cut at {len}: {}", printed(&output));
    }
}

/// The encoder of the test images, compared with the same reader.
#[test]
fn test_images_are_read_by_qemu_img() {
    if !has_qemu() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut compared = 0;
    // qemu-img refuses disks of less than two bytes, and so the images of 0 and 1.
    for image in good().into_iter().filter(|image| image.format == "qcow" && image.disk.len() > 1) {
        let path = write_files(&image.files, folder.path()).unwrap().display().to_string();
        tool(folder.path(), "qemu-img", &["convert", "-f", "qcow", "-O", "raw", &path, "theirs.raw"]);
        let theirs = std::fs::read(folder.path().join("theirs.raw")).unwrap();
        // It leaves out the last part of a sector, though the header's size is in bytes.
        let want = &image.disk[..image.disk.len() / 512 * 512];
        assert!(theirs == want, "{}: {} bytes of {}", image.name, theirs.len(), want.len());
        compared += 1;
    }
    assert!(compared >= 30, "{compared}");
}
