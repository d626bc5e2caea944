//! VHD written, and compared by `qemu-img` and our own reader.

use std::path::Path;

use testdata_gen::{Noise, disk_of};

use crate::support::program::{has_tool, printed};
use crate::support::written::{
    announced, convert, large_disk_stays_within, on_a_device, piped, rejected, rejected_in_a_pipe, scattered,
    written,
};

const KIB: usize = 1 << 10;
const UUID: &str = "00112233-4455-6677-8899-aabbccddeeff";
const VARIANTS: [&str; 4] = ["subformat=dynamic", "block_size=512K", "block_size=4M", "subformat=fixed"];

/// Writes at a fixed time: that of the environment.
fn vhd(folder: &Path, disk: &[u8], variant: &str) -> Vec<u8> {
    written(folder, disk, "vhd", &["-o", variant, "--uuid", UUID])
}

#[test]
fn sizes_around_blocks_and_tables_are_read_by_qemu_img() {
    let folder = tempfile::tempdir().unwrap();
    let whole = disk_of(5000 * KIB, &[(0, Noise::new(4).bytes(5000 * KIB))]);
    let block = 512 * KIB;
    for size in
        [1, 511, 512, 513, block - 512, block - 1, block, block + 1, block + 512, 4 * block, 5000 * KIB]
    {
        for variant in VARIANTS {
            vhd(folder.path(), &whole[..size], variant);
        }
    }
}

#[test]
fn random_disks_are_read_by_qemu_img() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..8 {
        let word = Noise::new(3000 + seed).bytes(2);
        let size = 1 + usize::from(word[0]) * 40_099 + usize::from(word[1]) * 512;
        for variant in VARIANTS {
            vhd(folder.path(), &scattered(seed, size), variant);
        }
    }
}

/// The geometry cannot express these sizes, and QEMU reads them from the size field because of the creator.
#[test]
fn sizes_between_two_geometries_are_exact_for_qemu_img() {
    if !has_tool("qemu-img") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for sectors in [1_u64, 4 * 17 * 1024 - 1, 4 * 17 * 1024 + 1, 65_535 * 16 * 63 + 1, 2040 << 21] {
        std::fs::File::create(folder.path().join("a.raw")).unwrap().set_len(sectors * 512).unwrap();
        for variant in ["subformat=dynamic", "subformat=fixed"] {
            convert(folder.path(), &["a.raw", "a.vhd", "-o", variant]);
            let info = std::process::Command::new("qemu-img")
                .args(["info", "-f", "vpc", "--output", "json", "a.vhd"])
                .current_dir(folder.path())
                .output()
                .unwrap();
            let info: serde_json::Value = serde_json::from_slice(&info.stdout).unwrap();
            assert_eq!(info["virtual-size"], sectors * 512, "{variant} of {sectors} sectors");
        }
    }
}

#[test]
fn alignment_rounds_the_virtual_size_up() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.raw"), scattered(5, 1_500_000)).unwrap();
    for (options, size) in
        [("align=1M", 2 << 20), ("subformat=fixed,align=1M", 2 << 20), ("align=4K", 1_503_232)]
    {
        convert(folder.path(), &["a.raw", "a.vhd", "-o", options, "--verify"]);
        convert(folder.path(), &["a.vhd", "back.raw"]);
        let mut want = scattered(5, 1_500_000);
        want.resize(size, 0);
        assert!(std::fs::read(folder.path().join("back.raw")).unwrap() == want, "{options}");
    }
}

/// Footer, header, table, sector bitmaps and blocks, as the specification has them.
#[test]
fn a_dynamic_image_has_the_expected_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk_of(2000 * KIB, &[(600 * KIB, vec![7]), (2000 * KIB - 1, vec![9])]);
    let file = vhd(folder.path(), &disk, "block_size=512K");
    let uuid: Vec<_> = (0..16).map(|byte| byte * 0x11).collect();
    let footer: [(usize, &[u8]); 9] = [
        (0, b"conectix\0\0\0\x02\0\x01\0\0"),
        (16, &[0, 0, 0, 0, 0, 0, 2, 0]),
        (28, b"win \0\x06\0\x01Wi2k"),
        (40, &2_048_000_u64.to_be_bytes()),
        (48, &2_048_000_u64.to_be_bytes()),
        // 58 cylinders, 4 heads, 17 sectors.
        (56, &[0, 58, 4, 17, 0, 0, 0, 3]),
        (68, &uuid),
        (84, &[0; 16]),
        (496, &[0; 16]),
    ];
    for (at, want) in footer {
        assert_eq!(&file[at..at + want.len()], want, "footer byte {at}");
    }
    assert_eq!(file[..512], file[file.len() - 512..], "both footers");
    let header: [(usize, &[u8]); 3] = [
        (512, b"cxsparse\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\x06\0"),
        (536, &[0, 1, 0, 0, 0, 0, 0, 4, 0, 8, 0, 0]),
        (552, &[0; 984]),
    ];
    for (at, want) in header {
        assert_eq!(&file[at..at + want.len()], want, "header byte {at}");
    }
    let sum = |bytes: &[u8]| bytes.iter().fold(0_u32, |sum, byte| sum.wrapping_add((*byte).into()));
    for (structure, at) in [(0..512, 64), (512..1536, 548)] {
        let stored = u32::from_be_bytes(file[at..at + 4].try_into().unwrap());
        assert_eq!(stored, !(sum(&file[structure]) - sum(&file[at..at + 4])), "checksum at {at}");
    }
    // Blocks 1 and 3, in sectors of the file; the rest of the table's sector is unused.
    let table: Vec<_> =
        file[1536..2048].as_chunks::<4>().0.iter().map(|entry| u32::from_be_bytes(*entry)).collect();
    assert_eq!(table[..4], [u32::MAX, 4, u32::MAX, 4 + 1 + 1024]);
    assert!(table[4..].iter().all(|entry| *entry == u32::MAX));
    assert_eq!(file[2048..2176], [0xff; 128], "the sector bitmap");
    assert_eq!(file[2176..2560], [0; 384], "its padding");
    assert_eq!(file[2560 + 88 * KIB], 7);
    assert_eq!(file.len(), 2048 + 2 * (512 + 512 * KIB) + 512);
}

#[test]
fn a_fixed_image_is_the_disk_and_a_footer_also_in_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk_of(3000 * KIB, &[(600 * KIB, vec![7; 5000])]);
    let file = vhd(folder.path(), &disk, "subformat=fixed");
    assert!(file[..disk.len()] == disk && file.len() == disk.len() + 512);
    let footer = &file[disk.len()..];
    assert!(footer.starts_with(b"conectix") && footer[16..24] == [0xff; 8] && footer[63] == 2);
    let output = piped(folder.path(), "vhd", &["-o", "subformat=fixed", "--uuid", UUID]);
    assert!(output.status.success() && output.stdout == file, "{}", String::from_utf8_lossy(&output.stderr));
    rejected_in_a_pipe(folder.path(), "vhd", &[]);
}

#[test]
fn the_largest_disk_stays_within_the_memory_limit() {
    let options = ["subformat=dynamic", "block_size=32M", "block_size=256M", "subformat=fixed"];
    large_disk_stays_within(32, "vhd", 2040, &options);
}

#[test]
fn unwritable_disks_are_rejected_before_an_output_exists() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.raw"), [1]).unwrap();
    std::fs::File::create(folder.path().join("large.raw")).unwrap().set_len((2040 << 30) + 512).unwrap();
    rejected(
        folder.path(),
        &[
            (&["large.raw", "b.vhd"], "[vhd.write.disk-too-large]"),
            (&["large.raw", "b.vhd", "-o", "subformat=fixed"], "[vhd.write.disk-too-large]"),
            (&["a.raw", "b.vhd", "-o", "subformat=sparse"], "expected subformat=dynamic|fixed"),
            (
                &["a.raw", "b.vhd", "-o", "block_size=1000"],
                "blocks have a power of two from 512K to 256M bytes",
            ),
            (&["a.raw", "b.vhd", "-o", "level=3"], "vhd has subformat=dynamic|fixed"),
            (&["a.raw", "b.vhd", "--bitmap"], "--bitmap is for a RAW file"),
        ],
    );
}

#[test]
fn announced_length_is_an_upper_bound() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk_of(6 << 20, &[(0, vec![1; 1 << 20]), (5 << 20, vec![1])]);
    std::fs::write(folder.path().join("a.raw"), disk).unwrap();
    for variant in VARIANTS {
        let (most, len) = announced(folder.path(), "vhd", variant);
        assert!(len <= most && most <= len + (6 << 20), "{variant}: {len} of {most}");
    }
}

/// The device is filled with noise before. A fixed image needs a device of its own length: its footer is at the end.
#[test]
fn images_on_a_device_are_read_by_qemu_img() {
    let folder = tempfile::tempdir().unwrap();
    let disk = scattered(6, 5_000_000);
    std::fs::write(folder.path().join("a.raw"), &disk).unwrap();
    let len = disk.len().next_multiple_of(512) + 512;
    for (options, len, is_written) in [
        ("block_size=512K", 8 << 20, true),
        ("subformat=fixed", len, true),
        ("subformat=fixed", len + 512, false),
    ] {
        let Some((output, device)) = on_a_device(folder.path(), "vhd", options, len) else { return };
        assert_eq!(output.status.success(), is_written, "{options}: {}", printed(&output));
        if !is_written {
            assert!(printed(&output).contains("[output.device-length]"), "{}", printed(&output));
            assert!(device == Noise::new(1).bytes(len), "nothing is written");
        }
    }
}
