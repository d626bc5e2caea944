//! QED against `qemu-img` and `qemu-io`.

use std::path::Path;
use std::process::Command;

use testdata_gen::{good, write_files};

use crate::support::program::{imgprep, printed, tool};
use crate::support::qemu::{has_qemu, same, source};

fn create(folder: &Path, args: &[&str]) {
    tool(folder, "qemu-img", &[&["create", "-q", "-f", "qed"], args].concat());
}

/// Every cluster size with small tables, and every table size with small clusters: tables
/// are written out by qemu-img, so the largest of both together would make large files.
///
/// Not clusters of 8 MiB and up: what their tables describe is more than 2^64 bytes, which
/// `qemu-img` computes as less than any disk has, so it refuses to make them.
///
/// Not tables of one cluster: `qemu-img` makes such images and then refuses to open them
/// (its check against overflow takes a table's last cluster for one before its first), though
/// the specification allows them.
#[test]
fn qed_of_every_cluster_and_table_size() {
    if !has_qemu() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let clusters = (12..=22).map(|bits| (1u32 << bits, 2));
    let tables = [4, 8, 16].into_iter().map(|table| (4096, table)).chain([(65536, 16)]);
    for (cluster, table) in clusters.chain(tables) {
        let options = format!("cluster_size={cluster},table_size={table}");
        create(folder.path(), &["-o", &options, "a.qed", "9000448"]);
        let writes =
            ["write -P 1 0 100k", "write -P 2 2097000 1024", "write -z 4M 128k", "write -P 3 8999936 512"];
        let args: Vec<_> = writes.iter().flat_map(|write| ["-c", write]).chain(["a.qed"]).collect();
        tool(folder.path(), "qemu-io", &args);
        same(folder.path(), "a.qed");
    }
}

#[test]
fn qed_with_one_cluster_tables_is_read_although_qemu_img_rejects_it() {
    if !has_qemu() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    create(folder.path(), &["-o", "cluster_size=4096,table_size=1", "a.qed", "1M"]);
    let theirs =
        Command::new("qemu-img").args(["info", "a.qed"]).current_dir(folder.path()).output().unwrap();
    assert!(printed(&theirs).contains("QED table offset is invalid"), "{}", printed(&theirs));
    let output = imgprep(folder.path(), &["convert", "a.qed", "ours.raw"]);
    assert!(output.status.success(), "{}", printed(&output));
    assert!(std::fs::read(folder.path().join("ours.raw")).unwrap() == vec![0; 1 << 20]);
}

/// A table of 1024 entries of 4 KiB covers 4 MiB.
#[test]
fn qed_of_every_odd_size() {
    if !has_qemu() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for size in [0, 512, 4608, (4 << 20) - 512, 4 << 20, (4 << 20) + 512] {
        for options in ["cluster_size=4096,table_size=2", "cluster_size=64k"] {
            create(folder.path(), &["-o", options, "a.qed", &size.to_string()]);
            same(folder.path(), "a.qed");
            if size > 0 {
                let last = format!("write -P 5 {} 512", size - 512);
                let middle = format!("write -P 7 {} 512", size / 1024 * 512);
                tool(
                    folder.path(),
                    "qemu-io",
                    &["-c", &last, "-c", &middle, "-c", "write -P 9 0 512", "a.qed"],
                );
                same(folder.path(), "a.qed");
            }
        }
    }
}

#[test]
fn qed_chains() {
    if !has_qemu() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    source(folder.path());
    tool(folder.path(), "qemu-img", &["convert", "-O", "qed", "src.raw", "flat.qed"]);
    same(folder.path(), "flat.qed");
    create(folder.path(), &["-b", "src.raw", "-F", "raw", "a.qed"]);
    tool(folder.path(), "qemu-io", &["-c", "write -P 7 1M 2M", "-c", "write -z 4M 64k", "a.qed"]);
    same(folder.path(), "a.qed");
    create(folder.path(), &["-b", "a.qed", "-F", "qed", "-o", "cluster_size=4k", "longer.qed", "9M"]);
    tool(folder.path(), "qemu-io", &["-c", "write -P 9 8M 300k", "longer.qed"]);
    same(folder.path(), "longer.qed");
    create(folder.path(), &["-b", "longer.qed", "-F", "qed", "shorter.qed", "2097664"]);
    tool(folder.path(), "qemu-io", &["-c", "write -P 2 2M 512", "shorter.qed"]);
    same(folder.path(), "shorter.qed");
    // Without its backing file the name stays in the header, with a length of 0 and no feature.
    tool(folder.path(), "qemu-img", &["rebase", "-u", "-b", "", "a.qed"]);
    same(folder.path(), "a.qed");
}

/// `qemu-img` notices a cut that loses more than the last cluster. Where exactly that one is
/// gone it makes a disk of other contents, with exit code 0.
#[test]
fn truncated_qed_is_rejected() {
    if !has_qemu() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    source(folder.path());
    tool(folder.path(), "qemu-img", &["convert", "-O", "qed", "src.raw", "a.qed"]);
    let whole = std::fs::read(folder.path().join("a.qed")).unwrap();
    let disk = std::fs::read(folder.path().join("src.raw")).unwrap();
    for len in [whole.len() / 3, whole.len() / 2, whole.len() - 65536, whole.len() - 512] {
        std::fs::write(folder.path().join("cut.qed"), &whole[..len]).unwrap();
        if len == whole.len() - 65536 {
            tool(folder.path(), "qemu-img", &["convert", "-O", "raw", "cut.qed", "theirs.raw"]);
            assert!(std::fs::read(folder.path().join("theirs.raw")).unwrap() != disk, "mended");
        }
        let output = imgprep(folder.path(), &["convert", "cut.qed", "ours.raw"]);
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
    for image in good().into_iter().filter(|image| image.format == "qed") {
        // A disk that is no whole number of sectors, or a last cluster that ends with the disk, is
        // outside the specification, but nothing of the disk is missing: we read it, qemu-img
        // does not. Tables of one cluster are inside it: see above.
        let has_tables_of_one = image.files[0].bytes[8] == 1;
        let is_short = image.name == "qed-ends-with-disk";
        if !image.disk.len().is_multiple_of(512) || has_tables_of_one || is_short {
            continue;
        }
        let path = write_files(&image.files, folder.path()).unwrap().display().to_string();
        tool(folder.path(), "qemu-img", &["convert", "-f", "qed", "-O", "raw", &path, "theirs.raw"]);
        let theirs = std::fs::read(folder.path().join("theirs.raw")).unwrap();
        assert!(theirs == image.disk, "{}: {} bytes, or other contents", image.name, theirs.len());
        compared += 1;
    }
    assert!(compared >= 10, "{compared}");
}
