//! QCOW written, and compared by `qemu-img` and our own reader.

use std::path::Path;

use testdata_gen::{Noise, disk_of};

use crate::support::program::{has_tool, imgprep, printed, tool};
use crate::support::written::{
    announced, convert, large_disk_stays_within, rejected, rejected_in_a_pipe, scattered, written,
    written_on_devices,
};

const KIB: usize = 1 << 10;
const COMPRESSIONS: [&str; 2] = ["compress=off", "compress=on"];

fn qcow(folder: &Path, disk: &[u8], options: &str) -> Vec<u8> {
    written(folder, disk, "qcow", &["-o", options])
}

#[test]
fn every_cluster_size_and_compression_is_read_by_qemu_img() {
    let folder = tempfile::tempdir().unwrap();
    let disk = scattered(3, 6_000_001);
    for bits in 9..=16 {
        for compression in COMPRESSIONS {
            qcow(folder.path(), &disk, &format!("cluster_size={},{compression}", 1 << bits));
        }
    }
    let lens = [1, 6, 9].map(|level| qcow(folder.path(), &disk, &format!("level={level}")).len());
    assert!(lens[0] > lens[2] && lens[0] >= lens[1] && lens[1] >= lens[2], "{lens:?}");
}

/// With clusters of 512 bytes an L2 table covers 32 KiB of the disk, and header and L1 table grow by a cluster with every
/// 2 MiB.
#[test]
fn sizes_around_clusters_and_tables_are_read_by_qemu_img() {
    let folder = tempfile::tempdir().unwrap();
    let whole = disk_of(4096 * KIB, &[(0, Noise::new(4).bytes(4096 * KIB))]);
    let mut sizes = vec![1, 511, 512, 513];
    // 58 entries are the last ones that fit next to the header.
    for end in [32 * KIB, 64 * KIB, 58 * 32 * KIB, 122 * 32 * KIB] {
        sizes.extend([end - 512, end - 1, end, end + 1, end + 512]);
    }
    for size in sizes {
        let file = qcow(folder.path(), &whole[..size], "cluster_size=512");
        let tables = size.div_ceil(32 * KIB);
        let clusters = (48 + tables * 8).div_ceil(512) + tables + size.div_ceil(512);
        assert_eq!(file.len(), clusters * 512, "{size}");
    }
}

#[test]
fn a_disk_of_no_bytes_or_of_zeros_is_a_header_and_an_l1_table() {
    let folder = tempfile::tempdir().unwrap();
    for (size, len) in [(0_u64, 48), (1 << 30, 48 + 512 * 8)] {
        std::fs::File::create(folder.path().join("a.raw")).unwrap().set_len(size).unwrap();
        convert(folder.path(), &["a.raw", "a.qcow"]);
        assert_eq!(std::fs::metadata(folder.path().join("a.qcow")).unwrap().len(), len, "{size}");
        let checked = imgprep(folder.path(), &["check", "--deep", "a.qcow"]);
        assert_eq!(printed(&checked), "a.qcow: qcow, fine\n");
        // QEMU does not open a disk of no bytes.
        if size > 0 && has_tool("qemu-img") {
            tool(folder.path(), "qemu-img", &["compare", "-q", "-f", "raw", "-F", "qcow", "a.raw", "a.qcow"]);
        }
    }
}

#[test]
fn random_disks_with_random_options() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..16 {
        let word = Noise::new(5000 + seed).bytes(4);
        let size = 1 + usize::from(word[0]) * 4099 + usize::from(word[1]) * 512;
        let compression = COMPRESSIONS[usize::from(word[2]) % 2];
        let options = format!("cluster_size={},{compression}", 512 << (word[3] % 8));
        qcow(folder.path(), &scattered(seed, size), &options);
    }
}

/// The header field by field, then the tables.
#[test]
fn small_image_has_the_expected_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let mut disk = vec![0; 3 << 20];
    disk[70_000] = 7;
    disk[3 * KIB * KIB - 1] = 8;
    let file = qcow(folder.path(), &disk, "cluster_size=4k");
    let words: [(usize, &[u8]); 6] = [
        (0, b"QFI\xfb\0\0\0\x01"),
        (8, &[0; 16]),
        (24, &(3_u64 << 20).to_be_bytes()),
        (32, &[12, 9, 0, 0]),
        (36, &[0; 4]),
        (40, &48_u64.to_be_bytes()),
    ];
    for (at, want) in words {
        assert_eq!(&file[at..at + want.len()], want, "header byte {at}");
    }
    let u64_at = |at: usize| u64::from_be_bytes(file[at..at + 8].try_into().unwrap());
    assert_eq!((u64_at(48), u64_at(56)), (0x1000, 0x3000), "L1");
    assert!(file[64..0x1000].iter().all(|byte| *byte == 0));
    assert_eq!([16, 17, 18].map(|entry| u64_at(0x1000 + entry * 8)), [0, 0x2000, 0], "first L2 table");
    assert_eq!([254, 255, 256].map(|entry| u64_at(0x3000 + entry * 8)), [0, 0x4000, 0], "second L2 table");
    assert_eq!((file[0x2000 + 70_000 % 4096], file[0x4fff], file.len()), (7, 8, 0x5000));
}

/// Compressed clusters follow each other byte by byte; noise stays uncompressed, at a multiple of the cluster size.
#[test]
fn clusters_that_do_not_become_smaller_stay_uncompressed() {
    let folder = tempfile::tempdir().unwrap();
    let disk = [vec![1; 8192], Noise::new(8).bytes(4096), vec![2; 4096]].concat();
    let file = qcow(folder.path(), &disk, "compress=on");
    let entry = |index: usize| {
        let at = 0x1000 + index * 8;
        u64::from_be_bytes(file[at..at + 8].try_into().unwrap())
    };
    let part = |entry: u64| ((entry >> 63 == 1).then_some(entry >> 51 & 0xfff), entry & ((1 << 51) - 1));
    let (Some(first), 0x2000) = part(entry(0)) else { panic!("{:#x}", entry(0)) };
    let (Some(second), at) = part(entry(1)) else { panic!("{:#x}", entry(1)) };
    assert_eq!((first, at), (second, 0x2000 + first), "the same contents, one after the other");
    assert_eq!(part(entry(2)), (None, 0x3000));
    assert!(file[0x3000..0x4000] == disk[8192..12288]);
    let (Some(last), 0x4000) = part(entry(3)) else { panic!("{:#x}", entry(3)) };
    assert_eq!(file.len() as u64, 0x4000 + last);
}

#[test]
fn a_disk_of_64_tib_stays_within_the_memory_limit() {
    large_disk_stays_within(32, "qcow", 64 << 10, &["cluster_size=4k", "cluster_size=64k,compress=on"]);
}

#[test]
fn unwritable_disks_are_rejected_before_an_output_exists() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.raw"), scattered(1, 100_000)).unwrap();
    std::fs::File::create(folder.path().join("large.raw")).unwrap().set_len(8 << 40).unwrap();
    rejected(
        folder.path(),
        &[
            (&["large.raw", "b.qcow", "-o", "cluster_size=512"], "[qcow.write.disk-too-large]"),
            (
                &["a.raw", "b.qcow", "-o", "cluster_size=1000"],
                "clusters have a power of two from 512 to 64K bytes",
            ),
            (&["a.raw", "b.qcow", "-o", "compression_type=zstd"], "qcow has cluster_size=SIZE"),
            (&["a.raw", "b.qcow", "-o", "compress=off,level=3"], "-o compress=off contradicts"),
            (&["a.raw", "b.qcow", "--level", "10"], "zlib has levels 1 to 9"),
            (&["a.raw", "b.qcow", "--bitmap"], "--bitmap is for a RAW file"),
        ],
    );
    rejected_in_a_pipe(folder.path(), "qcow", &[]);
}

#[test]
fn announced_length_is_an_upper_bound() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.raw"), disk_of(3 << 20, &[(0, Noise::new(9).bytes(3 << 20))]))
        .unwrap();
    for options in ["cluster_size=512", "cluster_size=512,compress=on", "cluster_size=64k", "compress=on"] {
        let (most, len) = announced(folder.path(), "qcow", options);
        assert!(len <= most && most <= len + (2 << 20), "{options}: {len} of {most}");
    }
}

/// The device is filled with noise before, and is longer than the image.
#[test]
fn images_on_a_device_are_read_by_qemu_img() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.raw"), scattered(6, 5_000_000)).unwrap();
    written_on_devices(folder.path(), "qcow", &["compress=off", "compress=on", "cluster_size=512"], 9 << 20);
}
