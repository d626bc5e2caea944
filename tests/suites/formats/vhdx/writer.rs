//! VHDX written, and compared by `qemu-img`, the crate `vhdx` and our own reader.

use std::io::Read;
use std::path::Path;

use testdata_gen::{Noise, disk_of};

use crate::support::program::{has_tool, imgprep, printed, tool};
use crate::support::written::{
    announced, convert, large_disk_stays_within, piped, rejected, rejected_in_a_pipe, scattered, written,
    written_on_devices,
};

const MIB: usize = 1 << 20;
const UUID: &str = "00112233-4455-6677-8899-aabbccddeeff";
const VARIANTS: [&str; 4] =
    ["block_size=1M", "block_size=4M,log_size=3M", "subformat=dynamic", "subformat=fixed,block_size=1M"];

fn vhdx(folder: &Path, disk: &[u8], variant: &str) -> Vec<u8> {
    written(folder, disk, "vhdx", &["-o", variant, "--uuid", UUID])
}

#[test]
fn sizes_around_blocks_are_read_by_qemu_img() {
    let folder = tempfile::tempdir().unwrap();
    let whole = disk_of(3 * MIB, &[(0, Noise::new(4).bytes(3 * MIB))]);
    for size in [1, 511, 512, 513, MIB - 512, MIB - 1, MIB, MIB + 1, MIB + 512, 3 * MIB] {
        for variant in ["block_size=1M", "subformat=fixed,block_size=1M"] {
            let file = vhdx(folder.path(), &whole[..size], variant);
            // Headers, log, metadata, table.
            assert_eq!(file.len(), 4 * MIB + size.next_multiple_of(MIB), "{variant} of {size}");
        }
    }
}

#[test]
fn every_block_size_is_read_by_qemu_img() {
    let folder = tempfile::tempdir().unwrap();
    let disk = scattered(3, 6_000_001);
    for bits in 20..=28 {
        let file = vhdx(folder.path(), &disk, &format!("block_size={}", 1_u64 << bits));
        assert_eq!(file.len(), 4 * MIB + disk.len().next_multiple_of(1 << bits));
    }
}

#[test]
fn random_disks_are_read_by_qemu_img() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..6 {
        let word = Noise::new(6000 + seed).bytes(2);
        let size = 1 + usize::from(word[0]) * 40_099 + usize::from(word[1]) * 512;
        for variant in VARIANTS {
            vhdx(folder.path(), &scattered(seed, size), variant);
        }
    }
}

/// Chunks of 16 blocks of 256 MiB: the table has an entry of a sector bitmap between those of two chunks.
#[test]
fn sizes_around_the_ends_of_chunks_are_read_by_qemu_io() {
    if !has_tool("qemu-io") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let chunk = 4_u64 << 30;
    for size in [chunk - 512, chunk, chunk + 512, 2 * chunk, 2 * chunk + 512] {
        let source = std::fs::File::create(folder.path().join("a.raw")).unwrap();
        source.set_len(size).unwrap();
        for at in [0, chunk - 1024, size - 512] {
            std::os::unix::fs::FileExt::write_all_at(&source, &[9; 512], at).unwrap();
        }
        convert(folder.path(), &["a.raw", "a.vhdx", "-o", "block_size=256M", "--verify"]);
        let checked = imgprep(folder.path(), &["check", "--deep", "a.vhdx"]);
        assert_eq!(printed(&checked), "a.vhdx: vhdx, fine\n", "{size}");
        tool(folder.path(), "qemu-img", &["check", "-q", "a.vhdx"]);
        let reads = [0, chunk - 1024, size - 512].map(|at| format!("read -P 9 {at} 512"));
        for read in reads.iter().chain([&format!("read -P 0 {} 512", chunk - 2048)]) {
            tool(folder.path(), "qemu-io", &["-r", "-f", "vhdx", "-c", read, "a.vhdx"]);
        }
    }
}

#[test]
fn a_disk_of_no_bytes_is_headers_metadata_and_a_table() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.raw"), []).unwrap();
    for variant in VARIANTS {
        convert(folder.path(), &["a.raw", "a.vhdx", "-o", variant]);
        let checked = imgprep(folder.path(), &["check", "--deep", "a.vhdx"]);
        assert_eq!(printed(&checked), "a.vhdx: vhdx, fine\n", "{variant}");
    }
}

/// QEMU opens no image with logical sectors of 4096 bytes.
#[test]
fn sectors_of_4096_bytes_round_the_size_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut disk = scattered(5, 2_500_001);
    std::fs::write(folder.path().join("a.raw"), &disk).unwrap();
    for variant in ["block_size=1M", "subformat=fixed"] {
        let options = format!("{variant},logical_sector_size=4096");
        convert(folder.path(), &["a.raw", "a.vhdx", "-o", &options, "--verify"]);
        let checked = imgprep(folder.path(), &["check", "--deep", "a.vhdx"]);
        assert_eq!(printed(&checked), "a.vhdx: vhdx, fine\n", "{options}");
        convert(folder.path(), &["a.vhdx", "back.raw"]);
        disk.resize(disk.len().next_multiple_of(4096), 0);
        assert!(std::fs::read(folder.path().join("back.raw")).unwrap() == disk, "{options}");
        assert!(crate_reads(&folder.path().join("a.vhdx"), disk.len()) == disk, "{options}");
    }
}

/// The disk as the crate `vhdx` reads it.
fn crate_reads(path: &Path, len: usize) -> Vec<u8> {
    let mut disk = vhdx::Vhdx::load(path);
    let (mut got, mut reader) = (vec![0; len], disk.reader());
    // It reads up to the end of a block at once.
    got.chunks_mut(4096).for_each(|part| reader.read_exact(part).unwrap());
    got
}

#[test]
fn the_crate_vhdx_reads_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let disk = scattered(11, 5 * MIB + 512);
    for variant in VARIANTS {
        vhdx(folder.path(), &disk, variant);
        assert!(crate_reads(&folder.path().join("a.vhdx"), disk.len()) == disk, "{variant}");
    }
}

/// Blocks of zeros are not present; the others follow each other in the order of the disk.
#[test]
fn blocks_are_stored_in_the_order_of_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk_of(6 * MIB, &[(MIB + 5, vec![1]), (4 * MIB, vec![2]), (6 * MIB - 1, vec![3])]);
    let file = vhdx(folder.path(), &disk, "block_size=1M");
    let entries = |file: &[u8]| -> Vec<_> {
        let table = &file[3 * MIB..3 * MIB + 7 * 8];
        table.as_chunks::<8>().0.iter().map(|entry| u64::from_le_bytes(*entry)).collect()
    };
    let place = |mib: u64| mib << 20 | 6;
    assert_eq!(entries(&file), [0, place(4), 0, 0, place(5), place(6), 0]);
    assert_eq!((file.len(), file[4 * MIB + 5], file[5 * MIB], file[7 * MIB - 1]), (7 * MIB, 1, 2, 3));
    let file = vhdx(folder.path(), &disk, "subformat=fixed,block_size=1M");
    assert_eq!(entries(&file), [place(4), place(5), place(6), place(7), place(8), place(9), 0]);
    assert!(file[4 * MIB..] == disk);
}

/// All structures before the table, field by field (MS-VHDX 2.2 and 2.6).
#[test]
fn headers_and_metadata_have_the_expected_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let file = vhdx(folder.path(), &scattered(7, 2_500_000), "block_size=4M,log_size=2M");
    let bytes = |at: usize, want: &[u8], what: &str| assert_eq!(&file[at..at + want.len()], want, "{what}");
    let zeros =
        |from: usize, to: usize| assert!(file[from..to].iter().all(|byte| *byte == 0), "{from}..{to}");
    bytes(0, b"vhdxfilei\0m\0g\0p\0r\0e\0p\0", "file identifier");
    zeros(22, 64 << 10);
    let (first, second) = (64 << 10, 128 << 10);
    for (at, sequence) in [(first, 1), (second, 2)] {
        bytes(at, b"head", "signature");
        bytes(at + 8, &[sequence, 0, 0, 0, 0, 0, 0, 0], "SequenceNumber");
        zeros(at + 48, at + 64); // LogGuid
        bytes(at + 64, &[0, 0, 1, 0], "LogVersion, Version");
        bytes(at + 68, &[0, 0, 0x20, 0], "LogLength");
        bytes(at + 72, &[0, 0, 0x10, 0, 0, 0, 0, 0], "LogOffset");
        zeros(at + 80, at + (64 << 10));
        assert_eq!(file[at + 4..at + 8], crc32c(&file[at..at + 4096]).to_le_bytes(), "Checksum");
    }
    assert_eq!(file[first + 16..first + 48], file[second + 16..second + 48], "GUIDs of both headers");
    let (file_write, data_write) = (&file[first + 16..first + 32], &file[first + 32..first + 48]);
    assert!(file_write != data_write && ![file_write, data_write].contains(&&[0; 16][..]));
    for at in [192 << 10, 256 << 10] {
        bytes(at, b"regi", "signature");
        bytes(at + 8, &[2, 0, 0, 0, 0, 0, 0, 0], "EntryCount");
        let bat = [0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0, 0x42, 0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 8];
        bytes(at + 16, &bat, "BAT");
        bytes(at + 32, &[0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 1, 0, 0, 0], "its place");
        let metadata =
            [6, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b, 0xb8, 0xfe, 0x57, 0x5f, 5, 0xf, 0x88, 0x6e];
        bytes(at + 48, &metadata, "metadata");
        bytes(at + 64, &[0, 0, 0x30, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 1, 0, 0, 0], "its place");
        zeros(at + 80, at + (64 << 10));
        assert_eq!(file[at + 4..at + 8], crc32c(&file[at..at + (64 << 10)]).to_le_bytes(), "Checksum");
    }
    zeros(320 << 10, 3 * MIB);
    metadata_has_the_expected_bytes(&file[3 * MIB..4 * MIB]);
}

fn metadata_has_the_expected_bytes(region: &[u8]) {
    assert_eq!(region[..12], *b"metadata\0\0\x05\0");
    // The value of --uuid is the id of the disk; in the file, its first three groups are little-endian.
    let id = [0x33, 0x22, 0x11, 0, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
    let parameters = [0, 0, 0x40, 0, 0, 0, 0, 0];
    let items: [(&[u8], u32, &[u8]); 5] = [
        (&[0x37, 0x67, 0xa1, 0xca], 4, &parameters),
        (&[0x24, 0x42, 0xa5, 0x2f], 6, &2_500_096_u64.to_le_bytes()),
        (&[0xab, 0x12, 0xca, 0xbe], 6, &id),
        (&[0x1d, 0xbf, 0x41, 0x81], 6, &512_u32.to_le_bytes()),
        (&[0xc7, 0x48, 0xa3, 0xcd], 6, &4096_u32.to_le_bytes()),
    ];
    for (index, (guid, flags, item)) in items.into_iter().enumerate() {
        let entry = &region[32 + index * 32..64 + index * 32];
        let word = |at: usize| u32::from_le_bytes(entry[at..at + 4].try_into().unwrap());
        assert!(entry.starts_with(guid) && word(24) == flags && word(28) == 0, "{index}");
        let (at, len) = (word(16) as usize, word(20) as usize);
        assert!(at >= 64 << 10 && region[at..at + len] == *item, "{index}");
    }
}

/// CRC-32C of a structure whose bytes 4 to 8 contain it: they count as zeros.
fn crc32c(structure: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for (index, byte) in structure.iter().enumerate() {
        crc ^= if (4..8).contains(&index) { 0 } else { u32::from(*byte) };
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
        }
    }
    !crc
}

/// With blocks of 32 and 256 MiB as well: a block is written in parts.
#[test]
fn a_disk_of_64_tib_stays_within_the_memory_limit() {
    let options = ["subformat=dynamic", "block_size=1M", "block_size=32M", "block_size=256M"];
    large_disk_stays_within(32, "vhdx", 64 << 10, &options);
}

#[test]
fn a_fixed_image_is_written_to_a_pipe_and_a_dynamic_one_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let options = "subformat=fixed,block_size=2M";
    let file = vhdx(folder.path(), &scattered(9, 2_600_000), options);
    let output = piped(folder.path(), "vhdx", &["-o", options, "--uuid", UUID]);
    assert!(output.status.success() && output.stdout == file, "{}", String::from_utf8_lossy(&output.stderr));
    rejected_in_a_pipe(folder.path(), "vhdx", &[]);
}

#[test]
fn unwritable_disks_are_rejected_before_an_output_exists() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.raw"), [1]).unwrap();
    let large = std::fs::File::create(folder.path().join("large.raw")).unwrap();
    // Not every file system has files of this length.
    if large.set_len((64 << 40) + 512).is_ok() {
        for subformat in ["subformat=dynamic", "subformat=fixed"] {
            let args: &[&str] = &["large.raw", "b.vhdx", "-o", subformat];
            rejected(folder.path(), &[(args, "[vhdx.write.disk-too-large]")]);
        }
    }
    rejected(
        folder.path(),
        &[
            (&["a.raw", "b.vhdx", "-o", "subformat=sparse"], "expected subformat=dynamic|fixed"),
            (
                &["a.raw", "b.vhdx", "-o", "block_size=512K"],
                "blocks have a power of two from 1M to 256M bytes",
            ),
            (&["a.raw", "b.vhdx", "-o", "logical_sector_size=1K"], "expected logical_sector_size=512|4096"),
            (&["a.raw", "b.vhdx", "-o", "log_size=4G"], "the log has whole MiB, less than 4G"),
            (&["a.raw", "b.vhdx", "-o", "level=3"], "vhdx has subformat=dynamic|fixed"),
            (&["a.raw", "b.vhdx", "--level", "3"], "-o level=3: vhdx has subformat"),
            (&["a.raw", "b.vhdx", "--bitmap"], "--bitmap is for a RAW file"),
        ],
    );
}

/// A large block counts once, however many parts of it contain data.
#[test]
fn announced_length_is_an_upper_bound() {
    let folder = tempfile::tempdir().unwrap();
    let source = std::fs::File::create(folder.path().join("a.raw")).unwrap();
    source.set_len(40 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&source, &vec![1; 9 * MIB], 0).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&source, &[1], 39 << 20).unwrap();
    for (options, slack) in [
        ("block_size=1M", 2 << 20),
        ("block_size=8M", 0),
        ("block_size=64M", 0),
        ("subformat=fixed,block_size=16M", 0),
    ] {
        let (most, len) = announced(folder.path(), "vhdx", options);
        assert!(len <= most && most <= len + slack, "{options}: {len} of {most}");
    }
}

/// The device is filled with noise before, and is longer than the image.
#[test]
fn images_on_a_device_are_read_by_qemu_img() {
    let folder = tempfile::tempdir().unwrap();
    let disk =
        disk_of(20 * MIB + 512, &[(5, vec![1]), (7 * MIB, Noise::new(3).bytes(MIB)), (20 * MIB, vec![2])]);
    std::fs::write(folder.path().join("a.raw"), disk).unwrap();
    written_on_devices(
        folder.path(),
        "vhdx",
        &["block_size=1M", "block_size=16M", "subformat=fixed,block_size=4M"],
        40 * MIB,
    );
}

/// A block of 64 MiB with two bytes of data: the rest of it needs no space.
#[test]
fn zeros_inside_a_large_block_are_holes() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk_of(64 * MIB, &[(5 * MIB, vec![1]), (63 * MIB + 7, vec![2])]);
    let file = vhdx(folder.path(), &disk, "block_size=64M");
    assert_eq!((file.len(), file[9 * MIB], file[67 * MIB + 7]), (68 * MIB, 1, 2));
    let stored =
        std::os::unix::fs::MetadataExt::blocks(&folder.path().join("a.vhdx").metadata().unwrap()) * 512;
    assert!(stored < 1 << 20, "{stored}");
}
