//! Outputs that share blocks with their sources, on file systems that can and on such that cannot.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use imgprep_io::{OutputFile, OutputOptions, SourceFile, SourceOptions};
use imgprep_map::{ReadAt, Sink, WriteError};
use testdata_gen::Noise;

use crate::support::mounted::Mounted;
use crate::support::program::{command, has_strace, has_tool, imgprep, printed, tool};

const CLUSTER: usize = 64 << 10;
const BLOCK: usize = 4096;

/// Noise that ends within a block. In its second half one cluster in five is zero, and of one cluster every other
/// block.
fn disk() -> Vec<u8> {
    let mut disk = Noise::new(1).bytes(8 << 20);
    for hole in (64..128).step_by(5) {
        disk[hole * CLUSTER..][..CLUSTER].fill(0);
    }
    for hole in (80 * CLUSTER + BLOCK..81 * CLUSTER).step_by(2 * BLOCK) {
        disk[hole..][..BLOCK].fill(0);
    }
    disk.extend(Noise::new(2).bytes(1536));
    disk
}

/// A file with holes where the disk is zero.
fn write_sparse(path: &Path, disk: &[u8]) {
    let file = File::create(path).unwrap();
    file.set_len(disk.len() as u64).unwrap();
    for (index, block) in disk.chunks(BLOCK).enumerate() {
        if block.iter().any(|byte| *byte != 0) {
            file.write_all_at(block, (index * BLOCK) as u64).unwrap();
        }
    }
    file.sync_all().unwrap();
}

/// Blocks of a file that another file has, too.
fn shared_blocks(path: &Path) -> u64 {
    let output = Command::new("filefrag").args(["-v", "-b4096"]).arg(path).output().unwrap();
    assert!(output.status.success(), "{}", printed(&output));
    // number: logical..: physical..: length: [expected:] flags
    let len = |line: &str| line.split(':').nth(3).unwrap().trim().parse::<u64>().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().filter(|line| line.contains("shared")).map(len).sum()
}

fn convert(folder: &Path, source: &str, output: &str) {
    let done = imgprep(folder, &["convert", source, output, "-q"]);
    assert_eq!(done.status.code(), Some(0), "{source}: {}", printed(&done));
}

/// All is shared but the last, short block and the cluster of which every other block is zero; and a write to the output
/// is no write to the source.
fn blocks_are_shared_on(mkfs: &str) {
    let folder = tempfile::tempdir().unwrap();
    let Some(mounted) = Mounted::new(folder.path(), mkfs).filter(|_| has_tool("filefrag")) else { return };
    let at = &mounted.0;
    let disk = disk();
    write_sparse(&at.join("a.raw"), &disk);
    let mut sources = vec!["a.raw"];
    if has_tool("qemu-img") {
        tool(at, "qemu-img", &["convert", "-f", "raw", "-O", "qcow2", "a.raw", "a.qcow2"]);
        sources.push("a.qcow2");
    }
    let data = disk.chunks(BLOCK).filter(|block| block.iter().any(|byte| *byte != 0)).count() as u64;
    let alone = CLUSTER / BLOCK / 2;
    for source in sources {
        let before = std::fs::read(at.join(source)).unwrap();
        let output = at.join(format!("{source}.raw"));
        convert(at, source, output.to_str().unwrap());
        assert!(std::fs::read(&output).unwrap() == disk, "{source}");
        let shared = shared_blocks(&output);
        assert_eq!(data - shared, alone as u64 + 1, "{source}: blocks that are not shared");
        let file = OpenOptions::new().write(true).open(&output).unwrap();
        file.write_all_at(&vec![0xa5; 3 * CLUSTER], 1000).unwrap();
        file.sync_all().unwrap();
        assert!(std::fs::read(at.join(source)).unwrap() == before, "{source}");
        assert!(shared_blocks(&output) < shared, "{source}");
        std::fs::remove_file(&output).unwrap();
    }
}

#[test]
fn blocks_are_shared_on_xfs() {
    blocks_are_shared_on("mkfs.xfs");
}

#[test]
fn blocks_are_shared_on_btrfs() {
    blocks_are_shared_on("mkfs.btrfs");
}

/// Where the place in the source and in the output are not the same within a block, all is written.
#[test]
fn data_at_another_offset_within_its_block_is_copied() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mounted) = Mounted::new(folder.path(), "mkfs.xfs") else { return };
    let at = &mounted.0;
    let bytes = Noise::new(3).bytes(4 << 20);
    std::fs::write(at.join("source"), &bytes).unwrap();
    let source = SourceFile::open(&at.join("source"), SourceOptions::default()).unwrap();
    for (from, to) in [(0, 0), (0, 512), (512, 512), (700, 0), (100, 8292), (BLOCK, 3 * BLOCK)] {
        let path = at.join(format!("from-{from}-to-{to}"));
        let output = OutputFile::create(&path, OutputOptions::default()).unwrap();
        let mapped = source.mapped(from as u64..bytes.len() as u64 - 3).unwrap();
        // In the middle of others, as a record is written.
        output.write_at(to as u64, &[mapped, &[1, 2, 3], &mapped[..100], mapped]).unwrap();
        output.publish().unwrap();
        let expected = [&vec![0; to], mapped, &[1, 2, 3], &mapped[..100], mapped].concat();
        assert!(std::fs::read(&path).unwrap() == expected, "{from} {to}");
        std::fs::remove_file(&path).unwrap();
    }
}

/// A range that the source lost cannot be shared, and neither be written: the source is to blame, as where nothing is
/// ever shared.
#[test]
fn source_that_shrinks_before_sharing_blocks_is_a_source_error() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mounted) = Mounted::new(folder.path(), "mkfs.xfs") else { return };
    let path = mounted.0.join("source");
    std::fs::write(&path, Noise::new(4).bytes(1 << 20)).unwrap();
    let source = SourceFile::open(&path, SourceOptions::default()).unwrap();
    let mapped = source.mapped(0..1 << 20).unwrap();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(512 << 10).unwrap();
    let output = OutputFile::create(&mounted.0.join("output"), OutputOptions::default()).unwrap();
    output.write_at(0, &[&mapped[..512 << 10]]).unwrap();
    let error = output.write_at(512 << 10, &[&mapped[512 << 10..]]).unwrap_err();
    assert_eq!(error, WriteError::SourceFault { at: 512 << 10 });
    assert!(source.unchanged().is_err());
}

/// How often a conversion asked for shared blocks.
fn asked(folder: &Path, source: &str, output: &str) -> usize {
    let program = command(folder, &["convert", source, output, "-q"]);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "trace", "-e", "trace=ioctl"]);
    strace.arg(program.get_program()).args(program.get_args());
    let traced = strace.current_dir(folder).output().unwrap();
    assert!(traced.status.success(), "{}", printed(&traced));
    let trace = std::fs::read_to_string(folder.join("trace")).unwrap();
    trace.lines().filter(|line| line.contains("FICLONERANGE")).count()
}

#[test]
fn file_system_that_cannot_share_blocks_is_asked_once() {
    let folder = tempfile::tempdir().unwrap();
    let Some(memory) = Mounted::in_memory(folder.path()).filter(|_| has_strace()) else { return };
    let disk = disk();
    write_sparse(&memory.0.join("a.raw"), &disk);
    write_sparse(&folder.path().join("b.raw"), &disk);
    // Within it, and from another one.
    for source in ["at-tmpfs/a.raw", "b.raw"] {
        let output = memory.0.join("out.raw");
        assert_eq!(asked(folder.path(), source, output.to_str().unwrap()), 1, "{source}");
        assert!(std::fs::read(&output).unwrap() == disk, "{source}");
        std::fs::remove_file(&output).unwrap();
    }
}
