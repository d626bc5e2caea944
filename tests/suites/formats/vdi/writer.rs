//! VDI written, and compared by `qemu-img` and our own reader.

use std::path::Path;

use testdata_gen::{Noise, disk_of};

use crate::support::program::{imgprep, printed};
use crate::support::written::{
    announced, large_disk_stays_within, piped, rejected, rejected_in_a_pipe, scattered, written,
    written_on_devices,
};

const MIB: usize = 1 << 20;
const UUID: &str = "00112233-4455-6677-8899-aabbccddeeff";
const VARIANTS: [&str; 2] = ["static=off", "static=on"];

fn vdi(folder: &Path, disk: &[u8], variant: &str) -> Vec<u8> {
    written(folder, disk, "vdi", &["-o", variant, "--uuid", UUID])
}

#[test]
fn sizes_around_blocks_are_read_by_qemu_img() {
    let folder = tempfile::tempdir().unwrap();
    let whole = disk_of(3 * MIB, &[(0, Noise::new(4).bytes(3 * MIB))]);
    for size in [1, 511, 512, 513, MIB - 512, MIB - 1, MIB, MIB + 1, MIB + 512, 3 * MIB] {
        for variant in VARIANTS {
            let file = vdi(folder.path(), &whole[..size], variant);
            assert_eq!(file.len(), 2 * MIB + size.next_multiple_of(MIB), "{variant} of {size}");
        }
    }
}

#[test]
fn random_disks_are_read_by_qemu_img() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..12 {
        let word = Noise::new(2000 + seed).bytes(2);
        let size = 1 + usize::from(word[0]) * 40_099 + usize::from(word[1]) * 512;
        for variant in VARIANTS {
            vdi(folder.path(), &scattered(seed, size), variant);
        }
    }
}

/// Blocks of zeros are not stored; the others follow each other in the order of the disk.
#[test]
fn blocks_are_allocated_in_the_order_of_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk_of(6 * MIB, &[(MIB + 5, vec![1]), (4 * MIB, vec![2]), (6 * MIB - 1, vec![3])]);
    let file = vdi(folder.path(), &disk, "static=off");
    let map: Vec<_> =
        file[MIB..MIB + 24].as_chunks::<4>().0.iter().map(|entry| u32::from_le_bytes(*entry)).collect();
    assert_eq!(map, [u32::MAX, 0, u32::MAX, u32::MAX, 1, 2]);
    assert_eq!(file.len(), 5 * MIB);
    assert_eq!((file[2 * MIB + 5], file[3 * MIB], file[5 * MIB - 1]), (1, 2, 3));
    let file = vdi(folder.path(), &disk, "static=on");
    assert!(file[2 * MIB..] == disk);
}

/// The header field by field, in the order of `VirtualBox`'s structure.
#[test]
fn header_has_the_expected_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let file = vdi(folder.path(), &scattered(7, 2_500_000), "static=off");
    // The first three fields are little-endian.
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let uuid = order.map(|byte| byte * 0x11);
    let info = printed(&imgprep(folder.path(), &["info", "a.vdi"]));
    assert!(info.contains(&format!(" {UUID}\n")), "{info}");
    let words: [(usize, &[u8]); 13] = [
        (0, b"<<< imgprep Virtual Disk Image >>>\n\0"),
        (64, &[0x7f, 0x10, 0xda, 0xbe, 1, 0, 1, 0]),
        (72, &[0x90, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]),
        (84, &[0; 256]),
        (340, &[0, 0, 0x10, 0, 0, 0, 0x20, 0]),
        (348, &[0; 12]),
        (360, &[0, 2, 0, 0, 0, 0, 0, 0]),
        (368, &2_500_096_u64.to_le_bytes()),
        (376, &[0, 0, 0x10, 0, 0, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0]),
        (392, &uuid),
        (424, &[0; 32]),
        (456, &[0; 12]),
        (468, &[0, 2, 0, 0]),
    ];
    for (at, want) in words {
        assert_eq!(&file[at..at + want.len()], want, "header byte {at}");
    }
    assert!(file[408..424] != [0; 16] && file[408..424] != file[392..408], "uuidModify");
    assert!(file[472..MIB].iter().all(|byte| *byte == 0));
}

/// Its map has 256 MiB.
#[test]
fn a_disk_of_64_tib_stays_within_the_memory_limit() {
    large_disk_stays_within(32, "vdi", 64 << 10, &["static=off"]);
}

#[test]
fn a_static_image_is_written_to_a_pipe_and_a_dynamic_one_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let file = vdi(folder.path(), &scattered(9, 2_600_000), "static=on");
    let output = piped(folder.path(), "vdi", &["-o", "static=on", "--uuid", UUID]);
    assert!(output.status.success() && output.stdout == file, "{}", String::from_utf8_lossy(&output.stderr));
    rejected_in_a_pipe(folder.path(), "vdi", &[]);
}

#[test]
fn unwritable_disks_are_rejected_before_an_output_exists() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.raw"), [1]).unwrap();
    let most = ((1 << 30) - (1 << 19)) << 20;
    let large = std::fs::File::create(folder.path().join("large.raw")).unwrap();
    // Not every file system has files of this length.
    if large.set_len(most + 512).is_ok() {
        rejected(folder.path(), &[(&["large.raw", "b.vdi"], "[vdi.write.disk-too-large]")]);
    }
    rejected(
        folder.path(),
        &[
            (&["a.raw", "b.vdi", "-o", "static=maybe"], "expected static=on|off"),
            (&["a.raw", "b.vdi", "-o", "level=3"], "vdi has static=on|off"),
            (&["a.raw", "b.vdi", "--level", "3"], "level"),
            (&["a.raw", "b.vdi", "--bitmap"], "--bitmap is for a RAW file"),
        ],
    );
}

#[test]
fn announced_length_is_an_upper_bound() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk_of(3 * MIB, &[(0, vec![1; MIB]), (2 * MIB, vec![1])]);
    std::fs::write(folder.path().join("a.raw"), disk).unwrap();
    for variant in VARIANTS {
        let (most, len) = announced(folder.path(), "vdi", variant);
        assert!(len <= most && most <= 5 << 20, "{variant}: {len} of {most}");
    }
}

/// The device is filled with noise before, and is longer than the image.
#[test]
fn images_on_a_device_are_read_by_qemu_img() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.raw"), scattered(6, 5_000_000)).unwrap();
    written_on_devices(folder.path(), "vdi", &VARIANTS, 9 * MIB);
}
