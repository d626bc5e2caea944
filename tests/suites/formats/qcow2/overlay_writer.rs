//! QCOW2 written with a backing file: only what differs from it is stored.

use std::path::Path;

use testdata_gen::{Noise, disk_of};

use crate::support::program::{bounded, command, has_tool, imgprep, printed, tool};
use crate::support::written::{convert, rejected, scattered};

const MIB: usize = 1 << 20;

/// Writes a disk over a backing file, and compares what our reader and `qemu-img` read. Returns the length of the file.
fn overlay(folder: &Path, disk: &[u8], backing: &str, options: &str) -> u64 {
    std::fs::write(folder.join("top.raw"), disk).unwrap();
    let options = format!("backing_file={backing},{options}");
    convert(folder, &["top.raw", "top.qcow2", "-o", &options, "--verify"]);
    let file = std::fs::read(folder.join("top.qcow2")).unwrap();
    for threads in ["1", "2", "7"] {
        convert(folder, &["top.raw", "again.qcow2", "-o", &options, "--threads", threads]);
        assert!(std::fs::read(folder.join("again.qcow2")).unwrap() == file, "{options}: {threads} threads");
    }
    let mut sectors = disk.to_vec();
    sectors.resize(disk.len().next_multiple_of(512), 0);
    convert(folder, &["top.qcow2", "back.raw"]);
    assert!(std::fs::read(folder.join("back.raw")).unwrap() == sectors, "{options}: our reader");
    if has_tool("qemu-img") {
        tool(folder, "qemu-img", &["check", "-q", "top.qcow2"]);
        tool(folder, "qemu-img", &["convert", "-O", "raw", "top.qcow2", "theirs.raw"]);
        assert!(std::fs::read(folder.join("theirs.raw")).unwrap() == sectors, "{options}: qemu-img");
    }
    file.len() as u64
}

/// The disk of the backing file, and one that has other data, zeros over data, and data over zeros.
fn disks() -> (Vec<u8>, Vec<u8>) {
    let base = disk_of(6 * MIB, &[(0, Noise::new(1).bytes(3 * MIB)), (5 * MIB, vec![4; 70_000])]);
    let mut top = base.clone();
    top[MIB + 77] ^= 1;
    top[2 * MIB..2 * MIB + 300_000].fill(0);
    top[4 * MIB..4 * MIB + 5000].fill(9);
    top[5 * MIB..5 * MIB + 100].fill(0);
    (base, top)
}

#[test]
fn differences_are_read_over_their_backing_file() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let (base, top) = disks();
    std::fs::write(folder.join("base.raw"), &base).unwrap();
    convert(folder, &["base.raw", "base.qcow2"]);
    for options in [
        "cluster_size=64k",
        "cluster_size=4k",
        "cluster_size=2M",
        "compress=on",
        "compression_type=zstd",
        "compat=0.10",
    ] {
        overlay(folder, &top, "base.qcow2", options);
    }
    let len = overlay(folder, &top, "base.qcow2", "cluster_size=4k");
    assert!(len < 200_000, "{len}: only what differs is stored, and zeros are marked");
    let len = overlay(folder, &base, "base.qcow2", "cluster_size=64k");
    assert_eq!(len, 4 << 16, "the same disk is header and tables");
}

/// Zeros continue the shorter of the two disks.
#[test]
fn backing_files_of_other_lengths_are_continued_by_zeros() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let (base, top) = disks();
    std::fs::write(folder.join("base.raw"), &base).unwrap();
    convert(folder, &["base.raw", "base.qcow2"]);
    for len in [1, 511, MIB - 1, 3 * MIB + 512, 5 * MIB + 1000, 6 * MIB - 512] {
        overlay(folder, &top[..len], "base.qcow2", "cluster_size=64k");
    }
    let mut longer = top.clone();
    longer.resize(9 * MIB + 512, 0);
    longer[8 * MIB..8 * MIB + 10].fill(3);
    for options in ["cluster_size=64k", "compat=0.10"] {
        overlay(folder, &longer, "base.qcow2", options);
    }
}

#[test]
fn backing_files_of_every_format_are_named_as_in_qemu() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let (base, top) = disks();
    std::fs::write(folder.join("base.raw"), &base).unwrap();
    for (name, qemu) in [
        ("b.qcow2", "qcow2"),
        ("b.vhd", "vpc"),
        ("b.vmdk", "vmdk"),
        ("b.vdi", "vdi"),
        ("b.vhdx", "vhdx"),
        ("b.qed", "qed"),
    ] {
        convert(folder, &["base.raw", name]);
        overlay(folder, &top, name, "cluster_size=64k");
        let file = std::fs::read(folder.join("top.qcow2")).unwrap();
        // The extension with the format follows the header of 112 bytes.
        assert_eq!(file[112..120], [0xe2, 0x79, 0x2a, 0xca, 0, 0, 0, qemu.len() as u8], "{name}");
        assert_eq!(&file[120..120 + qemu.len()], qemu.as_bytes());
    }
    overlay(folder, &top, "base.raw", "backing_fmt=raw");
}

/// A chain of three images is converted image by image, and stays a chain.
#[test]
fn a_chain_stays_a_chain() {
    if !has_tool("qemu-img") || !has_tool("qemu-io") {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::write(folder.join("0.raw"), scattered(5, 4_000_256)).unwrap();
    tool(folder, "qemu-img", &["convert", "-f", "raw", "-O", "qed", "0.raw", "0.qed"]);
    for (below, name, write) in
        [("0.qed", "1.qed", "write -P 5 1M 200k"), ("1.qed", "2.qed", "write -z 1100k 64k")]
    {
        tool(folder, "qemu-img", &["create", "-q", "-f", "qed", "-b", below, "-F", "qed", name]);
        tool(folder, "qemu-io", &["-c", write, name]);
    }
    convert(folder, &["0.qed", "0.qcow2"]);
    convert(folder, &["1.qed", "1.qcow2", "-o", "backing_file=0.qcow2"]);
    convert(folder, &["2.qed", "2.qcow2", "-o", "backing_file=1.qcow2,backing_fmt=qcow2", "--verify"]);
    for name in ["0", "1", "2"] {
        tool(folder, "qemu-img", &["check", "-q", &format!("{name}.qcow2")]);
        let [theirs, ours] = ["qed", "qcow2"].map(|format| format!("{name}.{format}"));
        tool(folder, "qemu-img", &["compare", "-q", &theirs, &ours]);
        assert!(imgprep(folder, &["compare", &theirs, &ours]).status.success(), "{name}");
    }
    let len = |name: &str| std::fs::metadata(folder.join(name)).unwrap().len();
    assert!(len("1.qcow2") < 1 << 20 && len("2.qcow2") < 1 << 20);
}

#[test]
fn a_backing_file_that_cannot_be_used_is_rejected() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::write(folder.join("a.raw"), [1; 512]).unwrap();
    convert(folder, &["a.raw", "base.qcow2"]);
    std::fs::write(folder.join("text.qcow2"), "no image").unwrap();
    rejected(
        folder,
        &[
            (&["a.raw", "b.qcow2", "-o", "backing_file=gone.qcow2"], "[io.open.not-found]"),
            (&["a.raw", "b.qcow2", "-o", "backing_file="], "expected a file name"),
            (&["a.raw", "b.qcow2", "-o", "backing_fmt=qcow2"], "backing_fmt requires backing_file"),
            (&["a.raw", "b.qcow2", "-o", "backing_file=base.qcow2,backing_fmt=floppy"], "unknown format"),
            (&["a.raw", "b.qcow2", "-o", "backing_file=base.qcow2,backing_fmt=vdi"], "base.qcow2"),
            (&["a.raw", "b.qcow2", "-o", "backing_file=text.qcow2"], "text.qcow2"),
            (&["a.raw", "base.qcow2", "-o", "backing_file=base.qcow2", "--force"], "[output.is-source]"),
            (&["a.raw", "b.vdi", "-o", "backing_file=base.qcow2"], "vdi has static=on|off"),
        ],
    );
}

#[test]
fn an_overlay_of_64_tib_stays_within_the_memory_limit() {
    if !has_tool("qemu-img") || !has_tool("qemu-io") {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    tool(folder, "qemu-img", &["create", "-q", "-f", "qcow2", "-o", "cluster_size=2M", "a.qcow2", "64T"]);
    tool(folder, "qemu-io", &["-c", "write -P 1 32T 4M", "a.qcow2"]);
    convert(folder, &["a.qcow2", "base.qcow2"]);
    tool(folder, "qemu-io", &["-c", "write -P 2 48T 1M", "-c", "write -z 32T 1M", "a.qcow2"]);
    let args = ["convert", "a.qcow2", "b.qcow2", "-o", "backing_file=base.qcow2", "--memory", "64M", "-q"];
    let output = bounded(&command(folder, &args), (64 + 64) << 10).output().unwrap();
    assert!(output.status.success(), "{}", printed(&output));
    tool(folder, "qemu-img", &["compare", "-q", "a.qcow2", "b.qcow2"]);
}
