//! VMDK written, and compared by `qemu-img` and our own reader.

use std::path::Path;

use testdata_gen::{Noise, disk_of};

use crate::support::program::printed;
use crate::support::written::{
    announced, large_disk_stays_within, on_a_device, piped, rejected, rejected_in_a_pipe, scattered,
    written_in_units,
};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const UUID: &str = "00112233-4455-6677-8899-aabbccddeeff";
/// Options and the unit that the disk is padded to.
const VARIANTS: [(&str, usize); 5] = [
    ("subformat=monolithicSparse", 512),
    ("grain=8K,adapter_type=lsilogic", 512),
    ("grain=1M,hwversion=14", 512),
    ("subformat=streamOptimized", 64 * KIB),
    ("subformat=streamOptimized,grain=8K,level=1,adapter_type=buslogic", 8 * KIB),
];

fn vmdk(folder: &Path, disk: &[u8], (options, unit): (&str, usize)) -> Vec<u8> {
    written_in_units(folder, disk, "vmdk", &["-o", options, "--uuid", UUID], unit)
}

fn u32_at(file: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(file[at..at + 4].try_into().unwrap())
}

fn u64_at(file: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(file[at..at + 8].try_into().unwrap())
}

/// The descriptor of a file in which it is embedded.
fn descriptor(file: &[u8]) -> &str {
    let text = &file[512..512 + 20 * 512];
    let end = text.iter().position(|byte| *byte == 0).unwrap();
    assert!(text[end..].iter().all(|byte| *byte == 0), "padding");
    std::str::from_utf8(&text[..end]).unwrap()
}

#[test]
fn sizes_around_grains_and_tables_are_read_by_qemu_img() {
    let folder = tempfile::tempdir().unwrap();
    // A table of grains of 8 KiB covers 4 MiB.
    let whole = disk_of(4 * MIB + 64 * KIB, &[(0, Noise::new(4).bytes(4 * MIB + 64 * KIB))]);
    for (size, variants) in [
        (1, &VARIANTS[..]),
        (512, &VARIANTS),
        (513, &VARIANTS),
        (8 * KIB - 1, &VARIANTS[1..2]),
        (8 * KIB + 512, &VARIANTS[1..2]),
        (64 * KIB - 512, &VARIANTS),
        (64 * KIB, &VARIANTS),
        (64 * KIB + 1, &VARIANTS),
        (MIB - 512, &VARIANTS[2..3]),
        (MIB + 512, &VARIANTS[2..3]),
        (4 * MIB - 512, &VARIANTS[..]),
        (4 * MIB, &VARIANTS),
        (4 * MIB + 512, &VARIANTS),
        (4 * MIB + 8 * KIB, &VARIANTS),
    ] {
        for variant in variants {
            vmdk(folder.path(), &whole[..size], *variant);
        }
    }
}

/// One table covers 32 MiB.
#[test]
fn disks_around_a_table_of_64_kib_grains_are_read_by_qemu_img() {
    let folder = tempfile::tempdir().unwrap();
    for size in [32 * MIB - 512, 32 * MIB, 32 * MIB + 512] {
        let pieces = [(0, vec![1; 512]), (32 * MIB - 1024, vec![2; 512]), (size - 512, vec![3; 512])];
        for variant in [VARIANTS[0], VARIANTS[3]] {
            vmdk(folder.path(), &disk_of(size, &pieces), variant);
        }
    }
}

#[test]
fn disks_without_data_are_read_by_qemu_img() {
    let folder = tempfile::tempdir().unwrap();
    for variant in VARIANTS {
        let file = vmdk(folder.path(), &vec![0; 40 * MIB], variant);
        assert!(file.len() <= 2 * MIB, "{variant:?}: {}", file.len());
    }
}

#[test]
fn random_disks_are_read_by_qemu_img() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..8 {
        let word = Noise::new(4000 + seed).bytes(2);
        let size = 1 + usize::from(word[0]) * 40_099 + usize::from(word[1]) * 512;
        for variant in VARIANTS {
            vmdk(folder.path(), &scattered(seed, size), variant);
        }
    }
}

/// Header, both directories and both copies of a table, as the specification has them.
#[test]
fn a_sparse_image_has_the_expected_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk_of(33 * MIB, &[(64 * KIB, vec![7]), (33 * MIB - 1, vec![9])]);
    let file = vmdk(folder.path(), &disk, VARIANTS[0]);
    // The redundant directory is in sector 21, its two tables in 22 to 29; the other one is in 30.
    let words: [(usize, &[u8]); 11] = [
        (0, b"KDMV\x01\0\0\0\x03\0\0\0"),
        (12, &(33 * MIB as u64 / 512).to_le_bytes()),
        (20, &[128, 0, 0, 0, 0, 0, 0, 0]),
        (28, &[1, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0]),
        (44, &[0, 2, 0, 0]),
        (48, &[21, 0, 0, 0, 0, 0, 0, 0, 30, 0, 0, 0, 0, 0, 0, 0]),
        (64, &[128, 0, 0, 0, 0, 0, 0, 0]),
        (72, b"\0\n \r\n\0\0"),
        (79, &[0; 433]),
        (21 * 512, &[22, 0, 0, 0, 26, 0, 0, 0, 0, 0, 0, 0]),
        (30 * 512, &[31, 0, 0, 0, 35, 0, 0, 0, 0, 0, 0, 0]),
    ];
    for (at, want) in words {
        assert_eq!(&file[at..at + want.len()], want, "byte {at}");
    }
    assert!(file[22 * 512..30 * 512] == file[31 * 512..39 * 512], "both copies of the tables");
    let mut tables = [0; 1024];
    (tables[1], tables[512 + 15]) = (128, 256);
    for (index, want) in tables.into_iter().enumerate() {
        assert_eq!(u32_at(&file, 31 * 512 + 4 * index), want, "entry {index}");
    }
    assert_eq!((file[64 * KIB], file[3 * 64 * KIB - 1], file.len()), (7, 9, 3 * 64 * KIB));
    assert_eq!(
        descriptor(&file),
        "# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\nCID=8a092aad\nparentCID=ffffffff\n\
         createType=\"monolithicSparse\"\n\n# Extent description\nRW 67584 SPARSE \"disk.vmdk\"\n\n\
         # The Disk Data Base\n#DDB\n\nddb.adapterType = \"ide\"\nddb.geometry.cylinders = \"67\"\n\
         ddb.geometry.heads = \"16\"\nddb.geometry.sectors = \"63\"\n\
         ddb.longContentID = \"79b50f03d5a345e4bc9093438a092aad\"\n\
         ddb.uuid = \"60 00 c2 93 44 55 66 77-88 99 aa bb cc dd ee ff\"\nddb.virtualHWVersion = \"4\"\n"
    );
}

/// Walks along the markers: header, grains, table, directory, footer, end.
#[test]
fn a_stream_has_its_markers_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk_of(
        70 * MIB,
        &[(64 * KIB, vec![7; 100]), (128 * KIB, Noise::new(3).bytes(64 * KIB)), (69 * MIB, vec![9])],
    );
    let file = vmdk(folder.path(), &disk, VARIANTS[3]);
    let header: [(usize, &[u8]); 8] = [
        (0, b"KDMV\x03\0\0\0\x01\0\x03\0"),
        (12, &(70 * MIB as u64 / 512).to_le_bytes()),
        (20, &[128, 0, 0, 0, 0, 0, 0, 0]),
        (28, &[1, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0]),
        (44, &[0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        (56, &[0xff; 8]),
        (64, &[128, 0, 0, 0, 0, 0, 0, 0]),
        (72, b"\0\n \r\n\x01\0\0\0"),
    ];
    for (at, want) in header {
        assert_eq!(&file[at..at + want.len()], want, "header byte {at}");
    }
    assert!(descriptor(&file).contains("\nRW 143360 SPARSE \"disk.vmdk\"\n"));
    let mut at = 64 * KIB;
    let (mut tables, mut grains) = (Vec::new(), Vec::new());
    let mut entries = vec![0; 512];
    let directory = loop {
        let (value, size, kind) = (u64_at(&file, at), u32_at(&file, at + 8), u32_at(&file, at + 12));
        if size > 0 {
            entries[usize::try_from(value).unwrap() / 128 % 512] = u32::try_from(at / 512).unwrap();
            grains.push(value);
            let end = at + 12 + size as usize;
            at = end.next_multiple_of(512);
            assert!(file[end..at].iter().all(|byte| *byte == 0), "padding of a grain");
            continue;
        }
        assert!(file[at + 16..at + 512].iter().all(|byte| *byte == 0), "padding of a marker");
        at += 512;
        if kind == 2 {
            assert_eq!(value, 1);
            break at;
        }
        assert_eq!((kind, value), (1, 4));
        let found: Vec<_> = (0..512).map(|index| u32_at(&file, at + 4 * index)).collect();
        assert!(found == std::mem::replace(&mut entries, vec![0; 512]), "the table of the grains before it");
        tables.push(u32::try_from(at / 512).unwrap());
        at += 2048;
    };
    assert_eq!(grains, [128, 256, 69 * 2048]);
    // The second table has no grains.
    let found: Vec<_> = (0..128).map(|index| u32_at(&file, directory + 4 * index)).collect();
    assert_eq!(found[..4], [tables[0], 0, tables[1], 0]);
    assert!(found[4..].iter().all(|entry| *entry == 0));
    let footer = directory + 512;
    assert_eq!((u64_at(&file, footer), u32_at(&file, footer + 8), u32_at(&file, footer + 12)), (1, 0, 3));
    let mut want = file[..512].to_vec();
    want[56..64].copy_from_slice(&(directory as u64 / 512).to_le_bytes());
    assert!(file[footer + 512..footer + 1024] == want, "the footer is the header with the directory");
    assert_eq!(file[footer + 1024..], [0; 512], "the end-of-stream marker");
}

#[test]
fn a_stream_is_written_to_a_pipe_and_a_sparse_image_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let file = vmdk(folder.path(), &scattered(9, 2_600_000), VARIANTS[3]);
    let output = piped(folder.path(), "vmdk", &["-o", VARIANTS[3].0, "--uuid", UUID]);
    assert!(output.status.success() && output.stdout == file, "{}", String::from_utf8_lossy(&output.stderr));
    rejected_in_a_pipe(folder.path(), "vmdk", &[]);
}

#[test]
fn a_level_selects_the_compression_of_a_stream() {
    let folder = tempfile::tempdir().unwrap();
    let disk = scattered(3, 900_000);
    let len = |level: &str| {
        let options = ["-o", VARIANTS[3].0, "--uuid", UUID, "--level", level];
        written_in_units(folder.path(), &disk, "vmdk", &options, 64 * KIB).len()
    };
    assert!(len("9") < len("1"));
    let stream = ["-o", "subformat=streamOptimized,level=9", "--uuid", UUID];
    assert_eq!(written_in_units(folder.path(), &disk, "vmdk", &stream, 64 * KIB).len(), len("9"));
}

/// The directory has 2 million entries.
#[test]
fn a_disk_of_64_tib_stays_within_the_memory_limit() {
    let subformats = ["subformat=monolithicSparse", "subformat=streamOptimized"];
    large_disk_stays_within(32, "vmdk", 64 << 10, &subformats);
}

#[test]
fn unwritable_disks_are_rejected_before_an_output_exists() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.raw"), [1]).unwrap();
    // 2^25 tables of 512 grains of 8 KiB.
    let large = std::fs::File::create(folder.path().join("large.raw")).unwrap();
    // Not every file system has files of this length.
    if large.set_len((1 << 47) + 512).is_ok() {
        for subformat in ["grain=8K", "subformat=streamOptimized,grain=8K"] {
            let case = ["large.raw", "b.vmdk", "-o", subformat];
            rejected(folder.path(), &[(&case, "[vmdk.write.disk-too-large]")]);
        }
    }
    rejected(
        folder.path(),
        &[
            (&["a.raw", "b.vmdk", "-o", "subformat=vmfs"], "expected subformat=monolithicSparse|"),
            (&["a.raw", "b.vmdk", "-o", "grain=4K"], "grains have a power of two from 8K to 1M bytes"),
            (&["a.raw", "b.vmdk", "-o", "level=3"], "level requires subformat=streamOptimized"),
            (&["a.raw", "b.vmdk", "--level", "3"], "level requires subformat=streamOptimized"),
            (&["a.raw", "b.vmdk", "--bitmap"], "--bitmap is for a RAW file"),
        ],
    );
}

#[test]
fn announced_length_is_an_upper_bound() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk_of(6 * MIB, &[(0, Noise::new(1).bytes(MIB)), (5 * MIB, vec![1])]);
    std::fs::write(folder.path().join("a.raw"), disk).unwrap();
    for (variant, _) in VARIANTS {
        let (most, len) = announced(folder.path(), "vmdk", variant);
        assert!(len <= most && most <= 8 << 20, "{variant}: {len} of {most}");
    }
}

/// The device is filled with noise before, and is longer than the image.
#[test]
fn images_on_a_device_are_read_by_qemu_img() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.raw"), scattered(6, 5 * MIB)).unwrap();
    let Some((output, _)) = on_a_device(folder.path(), "vmdk", VARIANTS[0].0, 9 * MIB) else { return };
    assert!(output.status.success(), "{}", printed(&output));
}
