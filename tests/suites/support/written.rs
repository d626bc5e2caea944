//! Images that the program writes, compared by our own reader and by `qemu-img`.

use std::path::Path;

use testdata_gen::{Noise, disk_of};

use super::program::{has_tool, imgprep, said, tool};

/// Text, noise, zeros and single bytes, at offsets that no cluster size divides.
pub(crate) fn scattered(seed: u64, size: usize) -> Vec<u8> {
    let mut noise = Noise::new(seed);
    let mut pieces = Vec::new();
    let mut at = usize::from(noise.bytes(1)[0]) * 37;
    while at < size {
        let word = noise.bytes(4);
        let len = (1 + usize::from(word[0]) * usize::from(word[1])).min(size - at);
        let piece = match word[2] % 4 {
            0 => noise.bytes(len),
            1 => noise.half_compressible(len),
            2 => vec![word[3] | 1; len],
            _ => vec![1],
        };
        let end = at + piece.len();
        pieces.push((at, piece));
        at = end + usize::from(word[3]) * 611;
    }
    disk_of(size, &pieces)
}

/// Converts; a source without an extension of its own is a RAW.
pub(crate) fn convert(folder: &Path, args: &[&str]) {
    let from = match args[0].rsplit_once('.') {
        Some((_, extension)) if extension != "img" => extension,
        _ => "raw",
    };
    let fixed = ["convert", "--from", from, "--force", "--no-sync", "-q"];
    let output = imgprep(folder, &[&fixed, args].concat());
    assert!(output.status.success(), "{args:?}: {}", said(&output));
}

/// Writes a disk as `a.FORMAT` with 1, 2 and 7 threads, and compares what our reader and `qemu-img` read.
///
/// The disk is padded to whole sectors. Options that make an image reproducible are in `options`, if it needs some.
pub(crate) fn written(folder: &Path, disk: &[u8], format: &str, options: &[&str]) -> Vec<u8> {
    let (name, again) = (format!("a.{format}"), format!("b.{format}"));
    std::fs::write(folder.join("a.raw"), disk).unwrap();
    convert(folder, &[&["a.raw", &name, "--verify"], options].concat());
    let file = std::fs::read(folder.join(&name)).unwrap();
    for threads in ["1", "2", "7"] {
        convert(folder, &[&["a.raw", &again, "--threads", threads], options].concat());
        assert!(std::fs::read(folder.join(&again)).unwrap() == file, "{options:?}: {threads} threads");
    }
    let checked = imgprep(folder, &["check", "--deep", &name]);
    assert_eq!(said(&checked), format!("{name}: {format}, fine\n"), "{options:?}");
    let mut sectors = disk.to_vec();
    sectors.resize(disk.len().next_multiple_of(512), 0);
    convert(folder, &[&name, "back.raw"]);
    assert!(std::fs::read(folder.join("back.raw")).unwrap() == sectors, "{options:?}: our reader");
    if has_tool("qemu-img") {
        // QEMU's name of the format; it has no check of VHD.
        let theirs = if format == "vhd" { "vpc" } else { format };
        if theirs != "vpc" {
            tool(folder, "qemu-img", &["check", "-q", "-f", theirs, &name]);
        }
        tool(folder, "qemu-img", &["convert", "-f", theirs, "-O", "raw", &name, "theirs.raw"]);
        assert!(std::fs::read(folder.join("theirs.raw")).unwrap() == sectors, "{options:?}: qemu-img");
    }
    file
}
