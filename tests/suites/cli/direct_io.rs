//! Outputs that are written with direct I/O have the bytes and the holes of those that go through the page cache.

use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use testdata_gen::Noise;

use crate::support::loop_device::Loop;
use crate::support::mounted::Mounted;
use crate::support::program::{command, has_strace, has_tool, imgprep, printed, skip, tool};

const CLUSTER: usize = 64 << 10;
const PAGE: usize = 4096;

/// Noise with holes of a cluster and of a page, whose last sector is in the middle of a page.
fn disk() -> Vec<u8> {
    let mut disk = Noise::new(1).bytes(9 << 20);
    for hole in (64..144).step_by(5) {
        disk[hole * CLUSTER..][..CLUSTER].fill(0);
    }
    for hole in (80 * CLUSTER..81 * CLUSTER).step_by(3 * PAGE) {
        disk[hole..][..PAGE].fill(0);
    }
    disk.extend(Noise::new(2).bytes(1536));
    disk
}

/// Each format, with each way of storing blocks.
const OUTPUTS: &[&[&str]] = &[
    &["out.raw"],
    &["out.qcow2"],
    &["out.qcow2", "-o", "cluster_size=512"],
    &["out.qcow2", "--level", "1"],
    &["out.qcow2", "--zlib"],
    &["out.qcow"],
    &["out.qed"],
    &["out.vdi"],
    &["out.vdi", "-o", "static=on"],
    &["out.vhd"],
    &["out.vhd", "-o", "subformat=fixed"],
    &["out.vhdx"],
    &["out.vhdx", "-o", "block_size=32M"],
    &["out.vhdx", "-o", "subformat=fixed"],
    &["out.vmdk"],
    &["out.vmdk", "-o", "subformat=streamOptimized"],
    &["out.vmdk", "-o", "subformat=monolithicFlat"],
    &["out.vmdk", "-o", "subformat=twoGbMaxExtentSparse"],
    &["out.vmdk", "-o", "subformat=twoGbMaxExtentFlat"],
    &["out.zvhd"],
    &["out.zvhd2"],
    &["out.zvhd2", "--zlib"],
];

/// Converts `source` in `folder` to an output in a folder of its own, and returns the files of the output by name.
fn converted(folder: &Path, source: &str, output: &[&str], cache: &str) -> Vec<(String, Vec<u8>, u64)> {
    let to = folder.join(format!("{cache}-of-{source}"));
    let _ = std::fs::remove_dir_all(&to);
    std::fs::create_dir(&to).unwrap();
    let out = to.join(output[0]);
    let uuid = "0123456789abcdef0123456789abcdef";
    let fixed =
        ["convert", source, out.to_str().unwrap(), "--uuid", uuid, "--cache", cache, "--verify", "-q"];
    let done = imgprep(folder, &[&fixed, &output[1..]].concat());
    assert!(done.status.success(), "{output:?}: {}", printed(&done));
    let mut files: Vec<_> = std::fs::read_dir(&to)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let blocks = entry.metadata().unwrap().blocks();
            (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap(), blocks)
        })
        .collect();
    files.sort();
    files
}

#[test]
fn every_format_has_the_same_bytes_and_holes() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.raw"), disk()).unwrap();
    // A source of compressed blocks, and one whose blocks begin 512 bytes after a page.
    for source in ["b.zvhd2", "c.vhd"] {
        let made = imgprep(folder.path(), &["convert", "a.raw", source, "-q"]);
        assert!(made.status.success(), "{}", printed(&made));
    }
    for output in OUTPUTS {
        for source in ["a.raw", "b.zvhd2", "c.vhd"] {
            let buffered = converted(folder.path(), source, output, "buffered");
            let direct = converted(folder.path(), source, output, "direct");
            let same = buffered.iter().zip(&direct).all(|(a, b)| a.0 == b.0 && a.1 == b.1);
            assert!(same && buffered.len() == direct.len(), "{output:?} of {source}");
            let blocks = |files: &[(String, Vec<u8>, u64)]| files.iter().map(|file| file.2).sum::<u64>();
            let (theirs, ours) = (blocks(&buffered), blocks(&direct));
            // Extent tables of the file system itself count as well.
            assert!(
                ours <= theirs + 64,
                "{output:?} of {source}: {ours} sectors, {theirs} without direct I/O"
            );
        }
    }
}

/// Whether a conversion opens its output for direct I/O.
fn is_direct(folder: &Path, args: &[&str]) -> bool {
    let program = command(folder, &[&["convert", "--force", "-q"], args].concat());
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "trace", "-e", "trace=openat,pwritev,pwrite64", "-y"]);
    let run =
        strace.arg(program.get_program()).args(program.get_args()).current_dir(folder).output().unwrap();
    assert!(run.status.success(), "{args:?}: {}", printed(&run));
    std::fs::read_to_string(folder.join("trace")).unwrap().contains("O_DIRECT")
}

#[test]
fn direct_io_is_chosen_for_large_synced_outputs() {
    if !has_strace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let large = Noise::new(3).bytes(64 << 20);
    std::fs::write(folder.path().join("large.raw"), &large).unwrap();
    std::fs::write(folder.path().join("small.raw"), &large[..large.len() - 512]).unwrap();
    // Which mode the tests use as a whole does not matter here.
    for (args, expected) in [
        (&["large.raw", "o.raw", "--cache", "auto"][..], true),
        (&["large.raw", "o.qcow2", "--cache", "auto"], true),
        (&["large.raw", "o.raw", "--cache", "auto", "--no-sync"], false),
        (&["large.raw", "o.raw", "--cache", "buffered"], false),
        (&["small.raw", "o.raw", "--cache", "auto"], false),
        (&["small.raw", "o.raw", "--cache", "direct", "--no-sync"], true),
    ] {
        assert_eq!(is_direct(folder.path(), args), expected, "{args:?}");
    }
}

/// The pages of a file that are in the page cache.
fn cached_pages(path: &Path) -> u64 {
    let args = ["--noheadings", "--output", "PAGES"];
    let output = Command::new("fincore").args(args).arg(path).output().unwrap();
    printed(&output).trim().parse().unwrap()
}

#[test]
fn the_page_cache_is_left_as_it_was() {
    if !has_tool("fincore") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("a.raw"), Noise::new(4).bytes(16 << 20)).unwrap();
    std::fs::File::open(at("a.raw")).unwrap().sync_all().unwrap();
    let before = cached_pages(&at("a.raw"));
    let done = imgprep(folder.path(), &["convert", "a.raw", "o.raw", "--cache", "direct", "--verify", "-q"]);
    assert!(done.status.success(), "{}", printed(&done));
    assert_eq!(cached_pages(&at("a.raw")), before);
    if before == 0 || cached_pages(&at("o.raw")) == 4096 {
        return skip("page-cache-control", "outputs that do not enter the page cache");
    }
    // The format of the output is detected before it is verified: that takes its first and last bytes.
    assert!(cached_pages(&at("o.raw")) <= 2);
}

/// A device with sectors of 4096 bytes, and the file behind it.
fn large_sectors(folder: &Path, len: u64) -> Option<(Loop, PathBuf)> {
    let backing = folder.join("sectors-of-4096");
    std::fs::write(&backing, Noise::new(5).bytes(1 << 20)).unwrap();
    std::fs::OpenOptions::new().write(true).open(&backing).unwrap().set_len(len).unwrap();
    Some((Loop::with_sectors_of(4096, &backing)?, backing))
}

#[test]
fn devices_with_sectors_of_4096_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk();
    std::fs::write(folder.path().join("a.raw"), &disk).unwrap();
    let Some((device, backing)) = large_sectors(folder.path(), 16 << 20) else { return };
    let args = ["convert", "a.raw", &device.0, "-O", "raw", "--force", "--cache", "direct", "--verify", "-q"];
    let done = imgprep(folder.path(), &args);
    assert!(done.status.success(), "{}", printed(&done));
    drop(device);
    let mut found = vec![0; disk.len()];
    std::fs::File::open(backing).unwrap().read_exact_at(&mut found, 0).unwrap();
    assert!(found == disk);
}

#[test]
fn file_systems_with_sectors_of_4096_bytes() {
    if !has_tool("mkfs.ext4") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let Some((device, _)) = large_sectors(folder.path(), 256 << 20) else { return };
    tool(folder.path(), "mkfs.ext4", &["-q", "-F", &device.0]);
    let Some(mounted) = Mounted::mount(folder.path(), "mkfs.ext4", &[&device.0]) else { return };
    let disk = disk();
    std::fs::write(mounted.0.join("a.raw"), &disk).unwrap();
    for output in OUTPUTS {
        let buffered = converted(&mounted.0, "a.raw", output, "buffered");
        let direct = converted(&mounted.0, "a.raw", output, "direct");
        assert!(buffered.iter().zip(&direct).all(|(a, b)| a.0 == b.0 && a.1 == b.1), "{output:?}");
    }
}

#[test]
fn file_systems_in_memory() {
    let Ok(folder) = tempfile::tempdir_in("/dev/shm") else {
        return skip("dev-shm", "outputs on tmpfs");
    };
    std::fs::write(folder.path().join("a.raw"), disk()).unwrap();
    for output in OUTPUTS {
        let buffered = converted(folder.path(), "a.raw", output, "buffered");
        let direct = converted(folder.path(), "a.raw", output, "direct");
        assert!(buffered.iter().zip(&direct).all(|(a, b)| a.0 == b.0 && a.1 == b.1), "{output:?}");
    }
}
