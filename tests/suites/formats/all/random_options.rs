//! Random options of every writer with random disks, read by our own reader and by `qemu-img`.
//!
//! The options come from the table that `-o help` prints: an option without values to try fails the test.

use std::path::Path;

use imgprep::{
    Disk, Existing, MemoryOutput, OpenOptions, Sync, TARGETS, Target, TargetError, TargetFormat,
    TargetOption, by_name, parse_size,
};
use testdata_gen::Noise;

use crate::support::library;
use crate::support::program::{has_tool, imgprep, printed, tool};
use crate::support::written::{qemu_name, scattered};

/// Combinations of options that are written for each format.
const CASES: u64 = 40;

const BACKING: &str = "base.qcow2";

/// Deterministic random numbers.
struct Random(Noise);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        let bytes = self.0.bytes(8);
        u64::from_le_bytes(bytes.try_into().unwrap()) % limit
    }

    fn one<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }

    /// A power of two within these limits, as a user may write it.
    fn power(&mut self, from: u64, to: u64) -> String {
        let (from, to) = (from.ilog2(), to.ilog2());
        let bytes = 1u64 << (u64::from(from) + self.below(u64::from(to - from) + 1));
        match self.below(3) {
            0 if bytes.is_multiple_of(1 << 20) => format!("{}M", bytes >> 20),
            1 if bytes.is_multiple_of(1 << 10) => format!("{}k", bytes >> 10),
            _ => bytes.to_string(),
        }
    }
}

/// A valid value of an option.
fn value(format: &TargetFormat, option: &TargetOption, random: &mut Random) -> String {
    if option.values.contains('|') {
        let values: Vec<_> = option.values.split('|').collect();
        return (*random.one(&values)).to_string();
    }
    match option.key {
        "level" => (1 + random.below(9)).to_string(),
        "hwversion" => (1 + random.below(99)).to_string(),
        "table_size" => random.power(2, 16),
        "align" => random.power(512, 16 << 20),
        "log_size" => format!("{}M", 1 + random.below(9)),
        "backing_file" => BACKING.into(),
        "backing_fmt" => "qcow2".into(),
        _ => {
            let limits = option.about.split_once("a power of two from ");
            let limits = limits.and_then(|(_, limits)| limits.split(';').next()?.split_once(" to "));
            let size = |text: &str| parse_size(text).ok();
            let limits = limits.and_then(|(from, to)| Some((size(from)?, size(to)?)));
            let (from, to) = limits.unwrap_or_else(|| panic!("{}: no values of {option:?}", format.name));
            random.power(from, to)
        }
    }
}

/// Options in a random order, and the target that they select. Combinations that contradict each other are not used.
fn options(format: &TargetFormat, random: &mut Random) -> (Vec<String>, Target) {
    loop {
        let mut options = Vec::new();
        for option in format.options {
            if random.below(2) == 0 {
                let option = format!("{}={}", option.key, value(format, option, random));
                let at = random.below(options.len() as u64 + 1);
                options.insert(usize::try_from(at).unwrap(), option);
            }
        }
        match format.target(options.iter().map(String::as_str)) {
            Ok(target) => return (options, target),
            Err(TargetError::Contradiction(_)) => {}
            // Valid alone, but not together with another option.
            Err(TargetError::Option { .. }) if options.len() > 1 => {}
            Err(error) => panic!("{}: {options:?}: {error}", format.name),
        }
    }
}

/// A disk of any length, from a byte to a few MiB.
fn random_disk(seed: u64, random: &mut Random) -> Vec<u8> {
    let size = match random.below(4) {
        0 => 1 + random.below(2000),
        1 => 512 * (1 + random.below(1000)),
        2 => (1 << 20) + 1 + random.below(3 << 20),
        _ => (64 << 10) * (1 + random.below(70)),
    };
    scattered(seed, usize::try_from(size).unwrap())
}

/// Writes a disk, and with it the backing file that its options may name.
fn write(folder: &Path, disk: &[u8], target: Target, name: &str, threads: usize) {
    let raw = folder.join("a.raw");
    std::fs::write(&raw, disk).unwrap();
    let from_raw = OpenOptions { from: by_name("raw"), ..OpenOptions::default() };
    let disk = Disk::open(&raw, &from_raw).unwrap();
    let conversion = disk.convert(target).existing(Existing::Replace).sync(Sync::None).threads(threads);
    conversion.uuid([7; 16]).unix_time(1_000_000_000).write_to_path(folder.join(name)).unwrap();
}

/// Whether `read` is the disk, padded with zeros.
fn is_padded(read: &[u8], disk: &[u8]) -> bool {
    read.strip_prefix(disk).is_some_and(|padding| padding.iter().all(|byte| *byte == 0))
}

fn is_read_by_qemu_img(folder: &Path, format: &TargetFormat, options: &[String], ours: &[u8], about: &str) {
    let is_of_qemu = !format.name.starts_with("zvhd");
    let has_large_sectors = options.iter().any(|option| option == "logical_sector_size=4096");
    if !is_of_qemu || has_large_sectors || !has_tool("qemu-img") {
        return;
    }
    let (name, theirs) = (format!("a.{}", format.name), qemu_name(format.name));
    // It has no check of the others.
    if ["qcow2", "qed", "vdi", "vhdx", "vmdk"].contains(&theirs) {
        tool(folder, "qemu-img", &["check", "-q", "-f", theirs, &name]);
    }
    tool(folder, "qemu-img", &["convert", "-f", theirs, "-O", "raw", &name, "theirs.raw"]);
    assert!(std::fs::read(folder.join("theirs.raw")).unwrap() == ours, "{about}: qemu-img");
}

fn random_options_are_read_back(name: &str) {
    let format = TargetFormat::by_name(name).unwrap();
    for case in 0..CASES {
        let seed = case * 1000 + name.bytes().map(u64::from).sum::<u64>();
        let mut random = Random(Noise::new(seed));
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let (options, target) = options(format, &mut random);
        let disk = random_disk(seed, &mut random);
        let about = format!("{name}, seed {seed}, {} bytes, {options:?}", disk.len());
        if options.iter().any(|option| option.starts_with("backing_file=")) {
            // The first half is the same, and either may be longer.
            let mut base = random_disk(seed + 1, &mut random);
            let same = disk.len().min(base.len()) / 2;
            base[..same].copy_from_slice(&disk[..same]);
            write(at, &base, Target::from_name("qcow2").unwrap(), BACKING, 1);
        }
        let image = format!("a.{name}");
        write(at, &disk, target, &image, *random.one(&[1, 2, 7]));

        let read = library::open(&at.join(&image), None).unwrap_or_else(|error| panic!("{about}: {error}"));
        let ours = MemoryOutput::new();
        let converted = read.convert(Target::Raw).write_to(&ours);
        converted.unwrap_or_else(|error| panic!("{about}: {error}"));
        let ours = ours.to_vec();
        assert!(is_padded(&ours, &disk), "{about}: our reader");
        let checked = imgprep(at, &["check", "--deep", "--follow", "beside", &image]);
        assert!(checked.status.success(), "{about}: {}", printed(&checked));
        is_read_by_qemu_img(at, format, &options, &ours, &about);
    }
}

#[test]
fn random_options_of_zvhd_are_read_back() {
    random_options_are_read_back("zvhd");
}

#[test]
fn random_options_of_zvhd2_are_read_back() {
    random_options_are_read_back("zvhd2");
}

#[test]
fn random_options_of_qcow2_are_read_back() {
    random_options_are_read_back("qcow2");
}

#[test]
fn random_options_of_vdi_are_read_back() {
    random_options_are_read_back("vdi");
}

#[test]
fn random_options_of_vhd_are_read_back() {
    random_options_are_read_back("vhd");
}

#[test]
fn random_options_of_vhdx_are_read_back() {
    random_options_are_read_back("vhdx");
}

#[test]
fn random_options_of_vmdk_are_read_back() {
    random_options_are_read_back("vmdk");
}

#[test]
fn random_options_of_qed_are_read_back() {
    random_options_are_read_back("qed");
}

#[test]
fn random_options_of_qcow_are_read_back() {
    random_options_are_read_back("qcow");
}

/// RAW has no options. A format that is added needs a test above.
#[test]
fn all_formats_with_options_are_tried() {
    let tried = ["zvhd", "zvhd2", "qcow2", "vdi", "vhd", "vhdx", "vmdk", "qed", "qcow"];
    let with_options = TARGETS.iter().filter(|format| !format.options.is_empty());
    let mut missing = with_options.filter(|format| !tried.contains(&format.name));
    assert!(missing.next().is_none());
}
