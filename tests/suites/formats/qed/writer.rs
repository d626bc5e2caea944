//! QED written, and compared by `qemu-img` and our own reader.

use std::path::Path;

use testdata_gen::{Noise, disk_of};

use crate::support::program::{has_tool, imgprep, printed, tool};
use crate::support::written::{
    announced, convert, large_disk_stays_within, rejected, rejected_in_a_pipe, scattered, written,
    written_on_devices,
};

const KIB: usize = 1 << 10;

fn qed(folder: &Path, disk: &[u8], options: &str) -> Vec<u8> {
    written(folder, disk, "qed", &["-o", options])
}

#[test]
fn every_cluster_size_is_read_by_qemu_img() {
    let folder = tempfile::tempdir().unwrap();
    let disk = scattered(3, 6_000_001);
    for bits in 12..=22 {
        qed(folder.path(), &disk, &format!("cluster_size={},table_size=2", 1 << bits));
    }
    for options in ["table_size=4", "table_size=8", "table_size=16", "cluster_size=1M,table_size=16"] {
        qed(folder.path(), &disk, options);
    }
}

/// With clusters of 4 KiB and tables of two, an L2 table covers 4 MiB of the disk.
#[test]
fn sizes_around_clusters_and_tables_are_read_by_qemu_img() {
    let folder = tempfile::tempdir().unwrap();
    let whole = disk_of(8 * KIB * KIB + 512, &[(0, Noise::new(4).bytes(8 * KIB * KIB + 512))]);
    let mut sizes = vec![1, 511, 512, 513];
    for end in [4 * KIB, 4 * KIB * KIB, 8 * KIB * KIB] {
        sizes.extend([end - 512, end - 1, end, end + 1, end + 512]);
    }
    for size in sizes {
        let file = qed(folder.path(), &whole[..size], "cluster_size=4k,table_size=2");
        // Header, L1 table, L2 tables, data.
        let clusters = 3 + 2 * size.div_ceil(4 * KIB * KIB) + size.div_ceil(4 * KIB);
        assert_eq!(file.len(), clusters * 4 * KIB, "{size}");
    }
}

#[test]
fn a_disk_of_no_bytes_or_of_zeros_is_a_header_and_an_l1_table() {
    let folder = tempfile::tempdir().unwrap();
    for size in [0_u64, 1 << 40] {
        std::fs::File::create(folder.path().join("a.raw")).unwrap().set_len(size).unwrap();
        convert(folder.path(), &["a.raw", "a.qed"]);
        assert_eq!(std::fs::metadata(folder.path().join("a.qed")).unwrap().len(), 5 << 16, "{size}");
        let checked = imgprep(folder.path(), &["check", "--deep", "a.qed"]);
        assert_eq!(printed(&checked), "a.qed: qed, fine\n");
        if has_tool("qemu-img") {
            tool(folder.path(), "qemu-img", &["check", "-q", "a.qed"]);
            tool(folder.path(), "qemu-img", &["compare", "-q", "-f", "raw", "-F", "qed", "a.raw", "a.qed"]);
        }
    }
}

#[test]
fn random_disks_with_random_options() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..16 {
        let word = Noise::new(4000 + seed).bytes(4);
        let size = 1 + usize::from(word[0]) * 40_099 + usize::from(word[1]) * 512;
        let options = format!("cluster_size={},table_size={}", 4096 << (word[2] % 9), 2 << (word[3] % 4));
        qed(folder.path(), &scattered(seed, size), &options);
    }
}

/// The header field by field, as the specification has them; then the tables.
#[test]
fn small_image_has_the_expected_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let mut disk = vec![0; 1 << 20];
    disk[70_000] = 7;
    let file = qed(folder.path(), &disk, "cluster_size=64k");
    let words: [(usize, &[u8]); 8] = [
        (0, b"QED\0\0\0\x01\0"),
        (8, &[4, 0, 0, 0, 1, 0, 0, 0]),
        (16, &[0; 8]),
        (24, &[0; 8]),
        (32, &[0; 8]),
        (40, &0x1_0000_u64.to_le_bytes()),
        (48, &(1_u64 << 20).to_le_bytes()),
        (56, &[0; 8]),
    ];
    for (at, want) in words {
        assert_eq!(&file[at..at + want.len()], want, "header byte {at}");
    }
    assert!(file[64..0x1_0000].iter().all(|byte| *byte == 0));
    let u64_at = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().unwrap());
    // Header, L1 table of 4 clusters, L2 table of 4 clusters, data.
    assert_eq!((u64_at(0x1_0000), u64_at(0x1_0008)), (0x5_0000, 0), "L1");
    assert_eq!((u64_at(0x5_0000), u64_at(0x5_0008), u64_at(0x5_0010)), (0, 0x9_0000, 0), "L2");
    assert_eq!((file[0x9_0000 + 70_000 - 65_536], file.len()), (7, 0xa_0000));
}

#[test]
fn a_disk_of_64_tib_stays_within_the_memory_limit() {
    let options = ["cluster_size=64k", "cluster_size=4M,table_size=2", "cluster_size=1M,table_size=16"];
    large_disk_stays_within(32, "qed", 64 << 10, &options);
}

#[test]
fn unwritable_disks_are_rejected_before_an_output_exists() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.raw"), scattered(1, 100_000)).unwrap();
    std::fs::File::create(folder.path().join("large.raw")).unwrap().set_len((4 << 30) + 512).unwrap();
    rejected(
        folder.path(),
        &[
            (&["large.raw", "b.qed", "-o", "cluster_size=4k,table_size=2"], "[qed.write.disk-too-large]"),
            (
                &["a.raw", "b.qed", "-o", "cluster_size=1000"],
                "clusters have a power of two from 4K to 4M bytes",
            ),
            (&["a.raw", "b.qed", "-o", "table_size=1"], "tables have a power of two from 2 to 16 clusters"),
            (&["a.raw", "b.qed", "-o", "cluster_size=4M"], "which QEMU does not open"),
            (&["a.raw", "b.qed", "-o", "compress=on"], "qed has cluster_size=SIZE and table_size=N"),
            (&["a.raw", "b.qed", "--level", "3"], "-o level=3: qed has cluster_size=SIZE"),
            (&["a.raw", "b.qed", "--bitmap"], "--bitmap is for a RAW file"),
        ],
    );
    rejected_in_a_pipe(folder.path(), "qed", &[]);
}

#[test]
fn announced_length_is_an_upper_bound() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk_of(9 << 20, &[(0, vec![1; 1 << 20]), (8 << 20, vec![1])]);
    std::fs::write(folder.path().join("a.raw"), disk).unwrap();
    for (options, slack) in [
        ("cluster_size=4k,table_size=2", 10 << 20),
        ("cluster_size=64k", 10 << 20),
        ("cluster_size=1M", 10 << 20),
        ("cluster_size=4M,table_size=2", 4 << 20),
    ] {
        let (most, len) = announced(folder.path(), "qed", options);
        assert!(len <= most && most <= len + slack, "{options}: {len} of {most}");
    }
}

/// The device is filled with noise before, and is longer than the image.
#[test]
fn images_on_a_device_are_read_by_qemu_img() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.raw"), scattered(6, 5_000_000)).unwrap();
    written_on_devices(
        folder.path(),
        "qed",
        &["cluster_size=4k,table_size=2", "table_size=16", "cluster_size=4M,table_size=2"],
        33 << 20,
    );
}
