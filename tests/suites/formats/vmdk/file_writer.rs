//! VMDK of several files written, and compared by `qemu-img` and our own reader.

use std::collections::BTreeMap;
use std::path::Path;

use testdata_gen::{Noise, disk_of};

use crate::support::program::{bounded, command, has_strace, has_tool, imgprep, names, printed, tool};
use crate::support::written::{announced, piped, rejected, scattered};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const UUID: &str = "00112233-4455-6677-8899-aabbccddeeff";
const SPLIT: u64 = 2047 << 20;
const VARIANTS: [&str; 4] = [
    "subformat=monolithicFlat",
    "subformat=twoGbMaxExtentFlat,adapter_type=lsilogic",
    "subformat=twoGbMaxExtentSparse",
    "subformat=twoGbMaxExtentSparse,grain=8K,hwversion=10",
];

fn converted(folder: &Path, args: &[&str]) {
    let output = imgprep(folder, &[&["convert", "--no-sync", "-q"], args].concat());
    assert!(output.status.success(), "{args:?}: {}", printed(&output));
}

/// The files of a folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    names(folder).into_iter().map(|name| (name.clone(), std::fs::read(folder.join(name)).unwrap())).collect()
}

/// The check has notes about the names of the extents only.
fn is_fine(folder: &Path, name: &str) {
    let output = imgprep(folder, &["check", "--deep", "--follow", "beside", name]);
    let text = printed(&output);
    let others = |line: &&str| line.starts_with("  note: the image names the extent ");
    let findings = text.lines().filter(|line| line.starts_with("  ") && !line.starts_with("    "));
    assert!(
        text.starts_with(&format!("{name}: vmdk, fine")) && findings.clone().all(|line| others(&line)),
        "{text}"
    );
}

/// Writes `a.raw` with 1, 2 and 7 threads, and compares what our reader and `qemu-img` read.
fn written(folder: &Path, disk: &[u8], options: &str) -> BTreeMap<String, Vec<u8>> {
    std::fs::write(folder.join("a.raw"), disk).unwrap();
    let mut all = Vec::new();
    for threads in ["1", "2", "7"] {
        let own = folder.join(threads);
        std::fs::create_dir_all(&own).unwrap();
        let args = ["--from", "raw", "../a.raw", "a.vmdk", "--force", "--verify", "--threads", threads];
        converted(&own, &[&args[..], &["-o", options, "--uuid", UUID]].concat());
        all.push(files(&own));
    }
    assert!(all[0] == all[1] && all[0] == all[2], "{options}: the number of threads changes the files");
    let own = folder.join("1");
    is_fine(&own, "a.vmdk");
    let mut sectors = disk.to_vec();
    sectors.resize(disk.len().next_multiple_of(512), 0);
    converted(&own, &["a.vmdk", "../back.raw", "--force"]);
    assert!(std::fs::read(folder.join("back.raw")).unwrap() == sectors, "{options}: our reader");
    if has_tool("qemu-img") {
        tool(&own, "qemu-img", &["convert", "-f", "vmdk", "-O", "raw", "a.vmdk", "../theirs.raw"]);
        assert!(std::fs::read(folder.join("theirs.raw")).unwrap() == sectors, "{options}: qemu-img");
        tool(&own, "qemu-img", &["check", "-q", "-f", "vmdk", "a.vmdk"]);
    }
    for threads in ["1", "2", "7"] {
        std::fs::remove_dir_all(folder.join(threads)).unwrap();
    }
    all.swap_remove(0)
}

#[test]
fn sizes_around_grains_and_tables_are_read_by_qemu_img() {
    let folder = tempfile::tempdir().unwrap();
    let whole = disk_of(4 * MIB + 8 * KIB, &[(0, Noise::new(4).bytes(4 * MIB + 8 * KIB))]);
    for size in [1, 513, 8 * KIB - 512, 64 * KIB, 64 * KIB + 512, 4 * MIB - 512, 4 * MIB, 4 * MIB + 8 * KIB] {
        for variant in VARIANTS {
            written(folder.path(), &whole[..size], variant);
        }
    }
}

#[test]
fn random_disks_are_read_by_qemu_img() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..5 {
        let word = Noise::new(5000 + seed).bytes(2);
        let size = 1 + usize::from(word[0]) * 40_099 + usize::from(word[1]) * 512;
        for variant in VARIANTS {
            written(folder.path(), &scattered(seed, size), variant);
        }
    }
}

/// Data around both ends of the extents, in a file with holes.
#[test]
fn disks_around_the_size_of_an_extent_are_read_by_qemu_img() {
    if !has_tool("qemu-img") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for (size, extents) in [(SPLIT - 512, 1), (SPLIT, 1), (SPLIT + 512, 2), (2 * SPLIT + 77 * 512, 3)] {
        let disk = std::fs::File::create(at.join("a.raw")).unwrap();
        disk.set_len(size).unwrap();
        for place in [0, SPLIT - 1500, SPLIT - 512, 2 * SPLIT - 700, size - 512] {
            if place < size {
                let len = (size - place).min(3000);
                let bytes = Noise::new(place).bytes(usize::try_from(len).unwrap());
                std::os::unix::fs::FileExt::write_all_at(&disk, &bytes, place).unwrap();
            }
        }
        for (options, kind) in
            [("twoGbMaxExtentSparse", "s"), ("twoGbMaxExtentFlat", "f"), ("monolithicFlat", "")]
        {
            let own = at.join("own");
            std::fs::create_dir(&own).unwrap();
            let subformat = format!("subformat={options}");
            converted(&own, &["--from", "raw", "../a.raw", "a b.vmdk", "--verify", "-o", &subformat]);
            let mut want = vec!["a b.vmdk".to_string()];
            match kind {
                "" => want.push("a b-flat.vmdk".into()),
                _ => want.extend((1..=extents).map(|number| format!("a b-{kind}{number:03}.vmdk"))),
            }
            want.sort();
            assert_eq!(names(&own), want);
            tool(&own, "qemu-img", &["compare", "-q", "-f", "raw", "-F", "vmdk", "../a.raw", "a b.vmdk"]);
            is_fine(&own, "a b.vmdk");
            std::fs::remove_dir_all(&own).unwrap();
        }
    }
}

#[test]
fn the_files_have_the_expected_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk_of(3 * MIB, &[(64 * KIB, vec![7; 5000]), (3 * MIB - 1, vec![9])]);
    let flat = written(folder.path(), &disk, VARIANTS[0]);
    assert!(flat["a-flat.vmdk"] == disk);
    let text = std::str::from_utf8(&flat["a.vmdk"]).unwrap();
    assert!(text.contains("createType=\"monolithicFlat\"\n"), "{text}");
    assert!(text.contains("# Extent description\nRW 6144 FLAT \"a-flat.vmdk\" 0\n\n"), "{text}");
    let split = written(folder.path(), &disk, VARIANTS[2]);
    let text = std::str::from_utf8(&split["a.vmdk"]).unwrap();
    assert!(text.contains("createType=\"twoGbMaxExtentSparse\"\n"), "{text}");
    assert!(text.contains("# Extent description\nRW 6144 SPARSE \"a-s001.vmdk\"\n\n"), "{text}");
    let extent = &split["a-s001.vmdk"];
    // Without an embedded descriptor, the redundant directory is in sector 1 and its table in 2, the other one in 6.
    let header: [(usize, &[u8]); 5] = [
        (0, b"KDMV\x01\0\0\0\x03\0\0\0"),
        (28, &[0; 16]),
        (48, &[1, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0]),
        (512, &[2, 0, 0, 0, 0]),
        (3072, &[7, 0, 0, 0, 0]),
    ];
    for (at, want) in header {
        assert_eq!(&extent[at..at + want.len()], want, "byte {at}");
    }
    assert_eq!(extent.len(), 3 * 64 * KIB);
}

/// Extents of 2047 MiB have their tables in front: the largest number of them, with data at both ends.
#[test]
fn the_largest_disk_of_split_extents_stays_within_the_memory_limit() {
    let folder = tempfile::tempdir().unwrap();
    let disk = std::fs::File::create(folder.path().join("a.raw")).unwrap();
    disk.set_len(480 * SPLIT).unwrap();
    for place in [0, 239 * SPLIT - 5, 480 * SPLIT - 9] {
        std::os::unix::fs::FileExt::write_all_at(&disk, b"data", place).unwrap();
    }
    for subformat in ["subformat=twoGbMaxExtentSparse", "subformat=twoGbMaxExtentFlat"] {
        let args =
            ["convert", "--from", "raw", "a.raw", "a.vmdk", "--memory", "32M", "-q", "--no-sync", "--force"];
        let command = command(folder.path(), &[&args[..], &["-o", subformat, "--verify"]].concat());
        let output = bounded(&command, (32 + 64) << 10).output().unwrap();
        assert!(output.status.success(), "{subformat}: {}", printed(&output));
    }
    assert_eq!(names(folder.path()).len(), 2 + 2 * 480);
}

#[test]
fn unwritable_images_are_rejected_before_an_output_exists() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("a.raw"), [1]).unwrap();
    std::fs::File::create(at.join("large.raw")).unwrap().set_len(480 * SPLIT + 512).unwrap();
    std::fs::write(at.join("b-flat.vmdk"), "an extent").unwrap();
    std::fs::hard_link(at.join("a.raw"), at.join("c-s001.vmdk")).unwrap();
    let (flat, sparse) = (VARIANTS[0], VARIANTS[2]);
    rejected(
        at,
        &[
            (&["large.raw", "b.vmdk", "-o", sparse], "[vmdk.write.disk-too-large]"),
            (&["large.raw", "b.vmdk", "-o", VARIANTS[1]], "[vmdk.write.disk-too-large]"),
            (&["a.raw", "quo\"te.vmdk", "-o", flat], "[vmdk.write.name]"),
            (&["a.raw", "b.vmdk", "-o", flat], "[io.output.exists]"),
            (&["a.raw", "c.vmdk", "-o", sparse, "--force"], "[output.is-source]"),
            (&["a.raw", "b.vmdk", "-o", "subformat=monolithicFlat,grain=8K"], "grain requires a subformat"),
            (&["a.raw", "b.vmdk", "-o", flat, "--bitmap"], "--bitmap is for a RAW file"),
        ],
    );
    assert_eq!(std::fs::read(at.join("b-flat.vmdk")).unwrap(), b"an extent");
    assert_eq!(std::fs::read(at.join("a.raw")).unwrap(), [1]);
    let output = piped(at, "vmdk", &["-o", flat]);
    assert!(
        output.stdout.is_empty() && printed(&output).contains("[convert.needs-file]"),
        "{}",
        printed(&output)
    );
}

#[test]
fn an_image_of_several_files_is_written_to_paths_only() {
    use imgprep::{MemoryOutput, Target};
    let disk = imgprep::open_reader(vec![7; 512]).unwrap();
    let target = Target::parse("vmdk", [VARIANTS[0]]).unwrap();
    let error = disk.convert(target).write_to(MemoryOutput::new()).unwrap_err();
    assert_eq!(error.code().id, "convert.needs-names");
}

/// The old descriptor is never next to the new extents.
#[test]
fn existing_files_are_replaced_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let disk = scattered(2, 300_000);
    std::fs::write(at.join("a.raw"), &disk).unwrap();
    for name in ["a.vmdk", "a-flat.vmdk"] {
        std::fs::write(at.join(name), vec![1; 1_000_000]).unwrap();
    }
    converted(at, &["--from", "raw", "a.raw", "a.vmdk", "--force", "-o", VARIANTS[0]]);
    assert_eq!(
        std::fs::metadata(at.join("a-flat.vmdk")).unwrap().len(),
        disk.len().next_multiple_of(512) as u64
    );
    assert_eq!(names(at), ["a-flat.vmdk", "a.raw", "a.vmdk"]);
}

/// `--verify` reads the extents before they have names.
#[test]
fn a_failed_conversion_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let file = std::fs::File::create(at.join("a.raw")).unwrap();
    file.set_len(8 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &Noise::new(1).bytes(4 * MIB), 0).unwrap();
    for variant in VARIANTS {
        let args = ["convert", "--from", "raw", "a.raw", "a.vmdk", "-q", "-o", variant];
        let mut limited = std::process::Command::new("bash");
        let script = "ulimit -f 1024; trap '' XFSZ; exec \"$@\"";
        let program = command(at, &args);
        limited.args(["-c", script, "bash"]).arg(program.get_program()).args(program.get_args());
        let output = limited.current_dir(at).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{variant}: {}", printed(&output));
        assert_eq!(names(at), ["a.raw"], "{variant}");
    }
}

#[test]
fn announced_length_is_an_upper_bound() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk_of(6 * MIB, &[(0, Noise::new(1).bytes(MIB)), (5 * MIB, vec![1])]);
    std::fs::write(folder.path().join("a.raw"), disk).unwrap();
    for variant in VARIANTS {
        let (most, descriptor) = announced(folder.path(), "vmdk", variant);
        let extents = names(folder.path()).into_iter().filter(|name| name.starts_with("a-"));
        let mut len = descriptor;
        for name in extents {
            len += std::fs::metadata(folder.path().join(&name)).unwrap().len();
            std::fs::remove_file(folder.path().join(&name)).unwrap();
        }
        assert!(len <= most && most <= 8 << 20, "{variant}: {len} of {most}");
    }
}

/// Names appear by `linkat`: a second, hidden name of the extent, its own name, and that of the descriptor.
#[test]
fn a_kill_leaves_no_descriptor_and_the_next_run_succeeds() {
    if !has_strace() {
        return;
    }
    for nth in ["1", "2", "3"] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.raw"), scattered(8, 200_000)).unwrap();
        let args = ["convert", "--from", "raw", "a.raw", "a.vmdk", "-q", "-o", VARIANTS[0]];
        let program = command(folder.path(), &args);
        let mut strace = std::process::Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=linkat"]);
        strace.args(["-e", &format!("inject=linkat:error=EIO:signal=KILL:when={nth}")]);
        strace.arg(program.get_program()).args(program.get_args()).current_dir(folder.path());
        let killed = strace.output().unwrap();
        assert!(!killed.status.success(), "{nth}");
        assert!(!names(folder.path()).contains(&"a.vmdk".to_string()), "{nth}");
        converted(folder.path(), &["--from", "raw", "a.raw", "a.vmdk", "-o", VARIANTS[0]]);
        is_fine(folder.path(), "a.vmdk");
    }
}
