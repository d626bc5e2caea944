//! The memory of a batch stays within its budget, held by the system.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use testdata_gen::{Cell, Noise, Qcow2, good, write_files};

use crate::support::program::{bounded, command, imgprep, names, printed};

/// What a batch may take beside its budget, in MiB.
const BESIDE: u64 = 64;

/// Compressed images of 12 MiB and more: their records are decompressed and compressed again.
fn compressed(folder: &Path) {
    let disk = Noise::new(7).half_compressible(12 << 20);
    std::fs::write(folder.join("plain.raw"), &disk).unwrap();
    for (name, bits, zstd) in [("wide", 21, true), ("narrow", 16, false), ("tiny", 9, false)] {
        let mut recipe =
            Qcow2::new(bits, disk.len() as u64).with_disk(&disk, |_, bytes| Cell::Compressed(bytes));
        recipe.zstd = zstd;
        std::fs::write(folder.join(format!("{name}.qcow2")), recipe.write().file).unwrap();
    }
    for args in [&["records.zvhd2"][..], &["zlib.zvhd2", "--zlib"]] {
        let output = imgprep(folder, &[&["convert", "plain.raw", "-q", "--no-sync"], args].concat());
        assert!(output.status.success(), "{}", printed(&output));
    }
    let all = good().into_iter().filter(|image| image.files.len() == 1 && image.snapshot.is_none());
    for image in all.filter(|image| image.disk.len() > 1 << 20) {
        write_files(&image.files, folder).unwrap();
    }
}

/// A disk of 30 GiB in 500000 clusters, last to first: no two of its uses continue each other. The file is
/// one hole after its tables.
fn fragmented(path: &Path) {
    const CLUSTER: u64 = 1 << 16;
    const CLUSTERS: u64 = 500_000;
    let tables = (CLUSTERS * 8).div_ceil(CLUSTER);
    let first = 3 + tables;
    let copied = |cluster: u64| (1 << 63 | (cluster * CLUSTER)).to_be_bytes();
    let header = [
        &b"QFI\xfb\0\0\0\x02"[..],
        &[0; 12],
        &16_u32.to_be_bytes(),
        &(CLUSTERS * CLUSTER).to_be_bytes(),
        &[0; 4],
        &u32::try_from(tables).unwrap().to_be_bytes(),
        &CLUSTER.to_be_bytes(),
        &(2 * CLUSTER).to_be_bytes(),
        &[0; 16],
    ];
    let l1: Vec<u8> = (0..tables).flat_map(|table| copied(3 + table)).collect();
    let l2: Vec<u8> = (0..CLUSTERS).rev().flat_map(|cluster| copied(first + cluster)).collect();
    let file = File::create(path).unwrap();
    file.write_all_at(&header.concat(), 0).unwrap();
    file.write_all_at(&l1, CLUSTER).unwrap();
    file.write_all_at(&l2, 3 * CLUSTER).unwrap();
    file.set_len((first + CLUSTERS) * CLUSTER).unwrap();
}

#[test]
fn batch_memory_stays_within_the_budget_plus_64_mib() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("images");
    std::fs::create_dir(&images).unwrap();
    compressed(&images);
    fragmented(&images.join("fragmented.qcow2"));
    let count = names(&images).len();
    assert!(count > 20, "{count}");
    for (memory, more) in [
        (64, &["-j", "2"][..]),
        (128, &["-j", "4", "--zlib", "--verify"]),
        (64, &["-j", "2", "--to", "raw", "--bitmap"]),
        // Contexts of this level do not fit twice: one image after the other.
        (96, &["-j", "2", "--level", "19", "--include", "*i*.qcow2"]),
    ] {
        let memory_text = format!("{memory}M");
        let args =
            ["batch", "images", "--out", "out", "--name", "{name}.{ext}", "--force", "--no-sync", "-q"];
        let args = [&args[..], &["--memory", &memory_text], more].concat();
        let output = bounded(&command(folder.path(), &args), (memory + BESIDE) * 1024).output().unwrap();
        assert!(output.status.success(), "{more:?}: {}", printed(&output));
    }
    assert!(names(&folder.path().join("out")).len() >= 2 * count);
}
