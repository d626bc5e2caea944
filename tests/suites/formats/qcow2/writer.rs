//! QCOW2 written, and compared by `qemu-img`, qcow2-rs and our own reader.

use std::path::Path;

use testdata_gen::{Noise, disk_of};

use crate::support::files::sparse;
use crate::support::program::{has_tool, imgprep, printed, tool};
use crate::support::written::{announced, convert, large_disk_stays_within, rejected, scattered, written};

const COMPRESSIONS: [&str; 3] = ["compress=off", "compression_type=zlib", "compression_type=zstd"];

fn qcow2(folder: &Path, disk: &[u8], options: &str) -> Vec<u8> {
    written(folder, disk, "qcow2", &["-o", options])
}

#[test]
fn every_cluster_size_and_compression_is_read_by_qemu_img() {
    let folder = tempfile::tempdir().unwrap();
    let disk = scattered(3, 6_000_001);
    for bits in 9..=21 {
        for compression in COMPRESSIONS {
            qcow2(folder.path(), &disk, &format!("cluster_size={},{compression}", 1 << bits));
        }
    }
}

/// Versions 2 and 3 differ in their headers only.
#[test]
fn version_2_is_read_by_qemu_img() {
    let folder = tempfile::tempdir().unwrap();
    let disk = scattered(8, 3_000_001);
    for options in ["cluster_size=512", "cluster_size=64k", "compress=on,level=1"] {
        let old = qcow2(folder.path(), &disk, &format!("compat=0.10,{options}"));
        assert_eq!((&old[4..8], &old[72..104]), (&[0, 0, 0, 2][..], &[0; 32][..]));
        let new = qcow2(folder.path(), &disk, options);
        assert!(new[112..] == old[112..] && new[8..72] == old[8..72], "{options}");
    }
}

/// With clusters of 512 bytes an L2 table covers 32 KiB of the disk and a refcount block 128 KiB of the file.
#[test]
fn sizes_around_the_ends_of_tables_are_read_by_qemu_img() {
    let folder = tempfile::tempdir().unwrap();
    let whole = disk_of(1 << 20, &[(0, Noise::new(4).bytes(1 << 20))]);
    let mut sizes = vec![1, 511, 512, 513, 1024];
    for end in [32 << 10, 64 << 10, 128 << 10, 256 << 10] {
        sizes.extend([end - 512, end - 1, end, end + 1, end + 512]);
    }
    // The tables of the file shift the end of a refcount block: try every size near it.
    sizes.extend((118 << 10..126 << 10).step_by(512));
    for size in sizes {
        let file = qcow2(folder.path(), &whole[..size], "cluster_size=512");
        assert!(file.len() > size, "{size}");
    }
}

/// With clusters of 512 bytes a refcount block covers 256 clusters, and an L1 table has one for each 2 MiB of the disk. The
/// clusters of the header and of the L1 table follow each other, so refcount blocks must not be between them.
#[test]
fn an_l1_table_that_several_refcount_blocks_cover() {
    let folder = tempfile::tempdir().unwrap();
    let noise = Noise::new(6).bytes(40_000);
    for l1_clusters in [254, 255, 256, 257, 510, 511, 512, 513, 4000] {
        let size = l1_clusters * (2_u64 << 20);
        sparse(folder.path(), "a.raw", size, &[(0, &noise), (size / 2, &noise), (size - 40_000, &noise)]);
        convert(folder.path(), &["a.raw", "a.qcow2", "-o", "cluster_size=512", "--verify"]);
        let checked = imgprep(folder.path(), &["check", "--deep", "a.qcow2"]);
        assert_eq!(printed(&checked), "a.qcow2: qcow2, fine\n", "{l1_clusters}");
        if has_tool("qemu-img") {
            tool(folder.path(), "qemu-img", &["check", "-q", "a.qcow2"]);
            let compare = ["compare", "-q", "-f", "raw", "-F", "qcow2", "a.raw", "a.qcow2"];
            tool(folder.path(), "qemu-img", &compare);
        }
    }
}

#[test]
fn a_disk_of_no_bytes_or_of_zeros_is_header_and_tables() {
    let folder = tempfile::tempdir().unwrap();
    for (size, len) in [(0_u64, 3), (1 << 40, 4)] {
        std::fs::File::create(folder.path().join("a.raw")).unwrap().set_len(size).unwrap();
        convert(folder.path(), &["a.raw", "a.qcow2"]);
        // Header, L1 table, refcount block, refcount table.
        assert_eq!(std::fs::metadata(folder.path().join("a.qcow2")).unwrap().len(), len << 16, "{size}");
        let checked = imgprep(folder.path(), &["check", "--deep", "a.qcow2"]);
        assert_eq!(printed(&checked), "a.qcow2: qcow2, fine\n");
        if has_tool("qemu-img") {
            tool(folder.path(), "qemu-img", &["check", "-q", "a.qcow2"]);
            tool(
                folder.path(),
                "qemu-img",
                &["compare", "-q", "-f", "raw", "-F", "qcow2", "a.raw", "a.qcow2"],
            );
        }
    }
}

#[test]
fn random_disks_with_random_options() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..24 {
        let word = Noise::new(1000 + seed).bytes(4);
        let size = 1 + usize::from(word[0]) * 4099 + usize::from(word[1]) * 512;
        let compression = COMPRESSIONS[usize::from(word[2]) % 3];
        let options = format!("cluster_size={},{compression}", 512 << (word[3] % 13));
        qcow2(folder.path(), &scattered(seed, size), &options);
    }
}

/// The crate `qcow2-rs`, where it can read the image: clusters of 4 KiB and up, no zstd.
#[test]
fn qcow2_rs_reads_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let disk = scattered(5, 5 << 20);
    for options in ["cluster_size=4k", "cluster_size=64k,compress=on", "cluster_size=2M", "compress=on"] {
        qcow2(folder.path(), &disk, options);
        let params = qcow2_rs::dev::Qcow2DevParams::new(9, None, None, true, false);
        let path = folder.path().join("a.qcow2");
        let device = qcow2_rs::utils::qcow2_setup_dev_sync(&path, &params).unwrap();
        pollster::block_on(device.qcow2_prep_io()).unwrap();
        for (at, piece) in (0..).step_by(1 << 20).zip(disk.chunks(1 << 20)) {
            let mut buf = qcow2_rs::helpers::Qcow2IoBuf::<u8>::new(piece.len());
            assert_eq!(pollster::block_on(device.read_at(&mut buf, at)).unwrap(), piece.len());
            assert!(buf[..] == *piece, "{options} at {at}");
        }
    }
}

/// The header field by field, as the specification has them, and all that follows by its checksum.
#[test]
fn small_image_has_the_expected_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let mut disk = vec![0; 1 << 20];
    disk[70_000] = 7;
    let file = qcow2(folder.path(), &disk, "compression_type=zstd");
    let words: [(usize, &[u8]); 12] = [
        (0, b"QFI\xfb\0\0\0\x03"),
        (8, &[0; 12]),
        (20, &16_u32.to_be_bytes()),
        (24, &(1_u64 << 20).to_be_bytes()),
        (32, &[0, 0, 0, 0, 0, 0, 0, 1]),
        (40, &0x1_0000_u64.to_be_bytes()),
        // Header, L1 table, data, L2 table; then the refcount block and the refcount table.
        (48, &0x5_0000_u64.to_be_bytes()),
        (56, &[0, 0, 0, 1, 0, 0, 0, 0]),
        (72, &(1_u64 << 3).to_be_bytes()),
        (80, &[0; 16]),
        (96, &[0, 0, 0, 4, 0, 0, 0, 112]),
        (104, &[1, 0, 0, 0, 0, 0, 0, 0]),
    ];
    for (at, want) in words {
        assert_eq!(&file[at..at + want.len()], want, "header byte {at}");
    }
    assert!(file[112..0x1_0000].iter().all(|byte| *byte == 0), "no header extension");
    let u64_at = |at: usize| u64::from_be_bytes(file[at..at + 8].try_into().unwrap());
    assert_eq!(u64_at(0x1_0000), 1 << 63 | 0x3_0000, "L1");
    assert_eq!((u64_at(0x3_0000), u64_at(0x3_0008)), (0, 1 << 62 | 0x2_0000), "L2: one sector");
    assert_eq!(u64_at(0x5_0000), 0x4_0000, "refcount table");
    assert_eq!(&file[0x4_0000..0x4_000e], [0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0], "refcounts");
    assert_eq!(file.len(), 0x6_0000);
}

#[test]
fn a_disk_of_64_tib_stays_within_the_memory_limit() {
    let options =
        ["cluster_size=64k", "cluster_size=32k,compress=on", "cluster_size=2M,compression_type=zstd"];
    large_disk_stays_within(32, "qcow2", 64 << 10, &options);
}

#[test]
fn unwritable_disks_are_rejected_before_an_output_exists() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.raw"), scattered(1, 100_000)).unwrap();
    let large = std::fs::File::create(folder.path().join("large.raw")).unwrap();
    large.set_len(1 << 40).unwrap();
    rejected(
        folder.path(),
        &[
            (
                &["a.raw", "-", "-O", "qcow2"][..],
                "its header is written last, which requires a file [convert.needs-file]",
            ),
            (&["large.raw", "b.qcow2", "-o", "cluster_size=512"], "[qcow2.write.disk-too-large]"),
            (
                &["a.raw", "b.qcow2", "-o", "cluster_size=1000"],
                "clusters have a power of two from 512 to 2M bytes",
            ),
            (
                &["a.raw", "b.qcow2", "-o", "cluster_size=4M"],
                "clusters have a power of two from 512 to 2M bytes",
            ),
            (&["a.raw", "b.qcow2", "-o", "checksum=on"], "qcow2 has compat=1.1|0.10"),
            (&["a.raw", "b.qcow2", "-o", "compress=off,level=3"], "-o compress=off contradicts"),
            (&["a.raw", "b.qcow2", "--zlib", "--level", "10"], "zlib has levels 1 to 9"),
            (&["a.raw", "b.qcow2", "--bitmap"], "--bitmap is for a RAW file"),
            (&["a.raw", "b.zvhd2", "-o", "cluster_size=64k"], "zvhd2 has level=N"),
        ],
    );
}

/// The output is never longer than `--dry-run` announces.
#[test]
fn announced_length_is_an_upper_bound() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.raw"), disk_of(3 << 20, &[(0, Noise::new(9).bytes(3 << 20))]))
        .unwrap();
    for options in ["cluster_size=512", "cluster_size=512,compress=on", "cluster_size=64k", "compress=on"] {
        let (most, len) = announced(folder.path(), "qcow2", options);
        assert!(len <= most && most <= len + 65536, "{options}: {len} of {most}");
    }
}

/// Batches and receipts support the format.
#[test]
fn a_batch_and_a_receipt_of_qcow2() {
    let folder = tempfile::tempdir().unwrap();
    let disk = scattered(2, 300_000);
    std::fs::create_dir(folder.path().join("in")).unwrap();
    std::fs::write(folder.path().join("in/a.img"), &disk).unwrap();
    let args = ["batch", "in", "--out", "out", "--to", "qcow2", "-o", "compression_type=zstd", "--verify"];
    let output = imgprep(folder.path(), &args);
    assert!(output.status.success(), "{}", printed(&output));
    convert(folder.path(), &["out/a.qcow2", "back.raw"]);
    assert!(std::fs::read(folder.path().join("back.raw")).unwrap().starts_with(&disk));
    convert(folder.path(), &["in/a.img", "b.qcow2", "-o", "compress=on", "--receipt", "b.json"]);
    let receipt = std::fs::read(folder.path().join("b.json")).unwrap();
    let receipt: serde_json::Value = serde_json::from_slice(&receipt).unwrap();
    let compression = serde_json::json!({ "type": "zlib", "level": 6, "checksum": false });
    assert_eq!(receipt["output"]["compression"], compression);
    assert_eq!(receipt["output"]["uuid"], serde_json::Value::Null);
}
