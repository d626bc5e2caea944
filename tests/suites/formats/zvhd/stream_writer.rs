//! ZVHD written: one zlib stream, compressed in parallel.

use std::path::Path;

use testdata_gen::{Noise, Writer, check_zvhd_strictly, disk_of};

use crate::formats::zvhd::files::{BLOCK, PAGE, UUID};
use crate::support::program::{bounded, command, has_tool, imgprep, printed, tool};
use crate::support::written::{announced, convert, piped, rejected, scattered};

/// Writes a disk with 1, 2 and 7 threads; the strict checker decompresses it as one stream, our reader reads it back.
fn zvhd(folder: &Path, disk: &[u8], level: &str) -> Vec<u8> {
    std::fs::write(folder.join("a.raw"), disk).unwrap();
    let options = ["--uuid", UUID, "--level", level];
    convert(folder, &[&["a.raw", "a.zvhd", "--verify"], &options[..]].concat());
    let file = std::fs::read(folder.join("a.zvhd")).unwrap();
    let mut page = file.clone();
    // The time stamp and the checksum over it.
    let masked = |file: &mut Vec<u8>| {
        let last = file.len() - PAGE;
        for at in [24, 64] {
            file[at..at + 4].fill(0);
            file[last + at..last + at + 4].fill(0);
        }
    };
    masked(&mut page);
    for threads in ["1", "2", "7"] {
        convert(folder, &[&["a.raw", "b.zvhd", "--threads", threads], &options[..]].concat());
        let mut again = std::fs::read(folder.join("b.zvhd")).unwrap();
        masked(&mut again);
        assert!(again == page, "level {level}: {threads} threads");
    }
    let mut sectors = disk.to_vec();
    sectors.resize(disk.len().next_multiple_of(512), 0);
    let image = check_zvhd_strictly(&file, Writer::Ours).unwrap_or_else(|error| panic!("{error}"));
    assert!(image.disk() == sectors, "level {level}: the strict checker");
    convert(folder, &["a.zvhd", "back.raw", "--size", "original"]);
    assert!(std::fs::read(folder.join("back.raw")).unwrap() == sectors, "level {level}: our reader");
    let checked = imgprep(folder, &["check", "--deep", "a.zvhd"]);
    assert_eq!(printed(&checked), "a.zvhd: zvhd, fine\n");
    file
}

#[test]
fn sizes_around_blocks_are_one_stream() {
    let folder = tempfile::tempdir().unwrap();
    let noise = Noise::new(5).bytes(2 * BLOCK + 512);
    for size in [1, 511, 512, 513, BLOCK - 512, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 512] {
        zvhd(folder.path(), &noise[..size], "1");
    }
    assert_eq!(zvhd(folder.path(), &[0; 4096], "6").len(), 2 * PAGE, "a disk of zeros is two header pages");
}

#[test]
fn random_disks_are_one_stream_at_every_level() {
    let folder = tempfile::tempdir().unwrap();
    for level in 1..=9 {
        zvhd(folder.path(), &scattered(level, 5 * BLOCK + 999 * level as usize), &level.to_string());
    }
}

/// Blocks of zeros are left out, and the header of the stream is in the first record only, wherever that is.
#[test]
fn first_record_starts_the_stream() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk_of(5 * BLOCK, &[(BLOCK + 5, vec![1; 9]), (4 * BLOCK - 1, vec![2; 2])]);
    let file = zvhd(folder.path(), &disk, "6");
    assert_eq!(file.len(), 5 * PAGE);
    let payload = |record: usize| &file[record * PAGE + 48..];
    assert_eq!(payload(1)[..2], [0x78, 0x9c]);
    assert_ne!(payload(2)[..2], [0x78, 0x9c]);
    let numbers = [1, 2, 3].map(|record| file[record * PAGE + 16]);
    assert_eq!(numbers, [1, 3, 4]);
    let len = u32::from_le_bytes(*file[PAGE + 12..].first_chunk().unwrap()) as usize;
    assert_eq!(payload(1)[len - 4..len], [0, 0, 0xff, 0xff], "a sync flush");
}

#[test]
fn a_stream_is_written_to_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let disk = scattered(3, 3 * BLOCK + 700);
    std::fs::write(folder.path().join("a.raw"), &disk).unwrap();
    let output = piped(folder.path(), "zvhd", &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let image = check_zvhd_strictly(&output.stdout, Writer::Ours).unwrap();
    assert!(image.disk().starts_with(&disk));
}

#[test]
fn announced_length_is_an_upper_bound() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk_of(4 * BLOCK, &[(0, Noise::new(2).bytes(BLOCK)), (3 * BLOCK, vec![1])]);
    std::fs::write(folder.path().join("a.raw"), disk).unwrap();
    let (most, len) = announced(folder.path(), "zvhd", "level=9");
    // A RAW of zeros could contain data anywhere: 4 blocks.
    assert!(len <= most && most < 10 << 20, "{len} of {most}");
}

#[test]
fn invalid_options_are_rejected_before_an_output_exists() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.raw"), [1]).unwrap();
    rejected(
        folder.path(),
        &[
            (&["a.raw", "b.zvhd", "-o", "level=10"], "level 10: zlib has levels 1 to 9"),
            (&["a.raw", "b.zvhd", "-o", "compression_type=zstd"], "zvhd has level=N"),
            (&["a.raw", "b.zvhd", "--bitmap"], "--bitmap is for a RAW file"),
        ],
    );
}

/// `qemu-img` does not read ZVHD: it compares the QCOW2 that is made of it.
#[test]
fn a_disk_of_64_tib_stays_within_the_memory_limit() {
    if !has_tool("qemu-img") || !has_tool("qemu-io") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    tool(folder, "qemu-img", &["create", "-q", "-f", "qcow2", "-o", "cluster_size=2M", "a.qcow2", "64T"]);
    let last = format!("write -P 3 {} 512", (64_u64 << 40) - 512);
    for write in ["write -P 1 0 4M", "write -P 2 32T 1k", &last] {
        tool(folder, "qemu-io", &["-c", write, "a.qcow2"]);
    }
    for args in [["a.qcow2", "b.zvhd"], ["b.zvhd", "c.qcow2"]] {
        let args = [&["convert", "--memory", "32M", "-q", "--size", "original"], &args[..]].concat();
        let output = bounded(&command(folder, &args), (32 + 64) << 10).output().unwrap();
        assert!(output.status.success(), "{}", printed(&output));
    }
    tool(folder, "qemu-img", &["compare", "-q", "a.qcow2", "c.qcow2"]);
}
