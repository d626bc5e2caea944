//! One disk through every pair of formats and variants.

use imgprep::{
    Disk, MemoryOutput, NamedReader, OpenOptions, ParseOptions, SizeChoice, Target, by_name, open_source,
};

/// All formats that consist of one file, with the options that change their structure.
const VARIANTS: &[(&str, &[&str])] = &[
    ("raw", &[]),
    ("zvhd", &["level=1"]),
    ("zvhd2", &["level=1"]),
    ("zvhd2", &["compression_type=zlib", "level=1"]),
    ("qcow2", &[]),
    ("qcow2", &["compat=0.10", "cluster_size=4k"]),
    ("qcow2", &["compression_type=zlib", "level=1"]),
    ("qcow2", &["compression_type=zstd", "level=1", "cluster_size=512"]),
    ("qcow", &[]),
    ("qcow", &["level=1"]),
    ("qed", &[]),
    ("vdi", &[]),
    ("vdi", &["static=on"]),
    ("vhd", &["block_size=512K"]),
    ("vhd", &["subformat=fixed"]),
    ("vhdx", &["block_size=1M"]),
    ("vhdx", &["block_size=4M", "logical_sector_size=4096"]),
    ("vhdx", &["subformat=fixed", "block_size=1M"]),
    ("vmdk", &[]),
    ("vmdk", &["subformat=streamOptimized", "level=1"]),
];

/// Whole grains and sectors of 4096 bytes: text, noise, single bytes, and zeros of every length between them.
fn disk() -> Vec<u8> {
    let mut disk = vec![0; (7 << 20) + (64 << 10)];
    let mut state = 1_u32;
    for byte in &mut disk[100_000..700_000] {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = (state >> 24) as u8;
    }
    disk[2 << 20..][..300_000].fill(b'x');
    for at in [0, (3 << 20) - 1, 5 << 20, (7 << 20) + (64 << 10) - 1] {
        disk[at] = 1;
    }
    disk
}

fn open(name: &str, bytes: Vec<u8>) -> Disk {
    let parse = ParseOptions { size: SizeChoice::Original, ..ParseOptions::default() };
    let options = OpenOptions { from: by_name(name), parse, ..OpenOptions::default() };
    let file = NamedReader::new("image", bytes);
    Disk::from_chain(open_source("image".into(), file, &options).unwrap())
}

fn written(disk: &Disk, (name, options): (&str, &[&str])) -> Vec<u8> {
    let target = Target::parse(name, options.iter().copied()).unwrap();
    let output = MemoryOutput::new();
    disk.convert(target).uuid([7; 16]).unix_time(1_000_000_000).write_to(&output).unwrap();
    output.to_vec()
}

/// The second image is the one that is written of the RAW: the contents are the same, and no zeros are stored.
#[test]
fn every_pair_of_variants_produces_the_same_image_as_from_raw() {
    let raw = disk();
    let direct: Vec<_> =
        VARIANTS.iter().map(|variant| written(&open("raw", raw.clone()), *variant)).collect();
    for (from, image) in VARIANTS.iter().zip(&direct) {
        let disk = open(from.0, image.clone());
        assert_eq!(disk.size(), raw.len() as u64, "{from:?}");
        for (to, want) in VARIANTS.iter().zip(&direct) {
            assert!(written(&disk, *to) == *want, "{from:?} to {to:?}");
        }
    }
}
