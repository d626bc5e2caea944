//! ZVHD2 written: its bytes, its checksums, and a strict checker.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use imgprep::{
    Checksum, Compression, ConvertOptions, Destination, Existing, Sync, Target, Verify, Zvhd2Target, convert,
};
use serde_json::Value;
use testdata_gen::{Noise, Writer, check_zvhd_strictly, good, seal_zvhd_page, write_files};

use crate::formats::zvhd::files::{BLOCK, PAGE, UUID, disk, number, written};
use crate::support::library;
use crate::support::library::open;
use crate::support::program::{cache_mode, command, imgprep, printed, root};

#[test]
fn the_checksum_is_an_option_of_zvhd2_in_every_command_that_converts() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::create_dir(folder.join("in")).unwrap();
    for path in ["disk.raw", "in/disk.raw"] {
        std::fs::write(folder.join(path), disk()).unwrap();
    }
    let checksums = |path: &str| {
        let file = std::fs::read(folder.join(path)).unwrap();
        check_zvhd_strictly(&file, Writer::Ours).unwrap().checksums
    };
    for (option, want) in [("on", 2), ("off", 0), ("true", 2), ("false", 0)] {
        let option = format!("checksum={option}");
        let args = [
            "convert",
            "disk.raw",
            "a.zvhd2",
            "--force",
            "--no-sync",
            "-q",
            "-o",
            &option,
            "--receipt",
            "r.json",
        ];
        let output = imgprep(folder, &args);
        assert!(output.status.success(), "{}", printed(&output));
        assert_eq!(checksums("a.zvhd2"), want, "{option}");
        let receipt: Value = serde_json::from_slice(&std::fs::read(folder.join("r.json")).unwrap()).unwrap();
        assert_eq!(receipt["output"]["compression"]["checksum"], want > 0, "{option}");
        std::fs::remove_file(folder.join("r.json")).unwrap();
    }
    for (options, words) in [
        ("checksum=maybe", "checksum=on|off"),
        ("checksum=on,checksum=off", "checksum=off"),
        ("compression_type=zlib,checksum=on", "zlib payloads of a ZVHD2 have no checksum"),
    ] {
        let output = imgprep(folder, &["convert", "disk.raw", "b.zvhd2", "-o", options]);
        assert_eq!(output.status.code(), Some(1), "{options}: {}", printed(&output));
        assert!(printed(&output).contains(words), "{options}: {}", printed(&output));
    }
    let output = imgprep(folder, &["batch", "in", "--out", "line", "-o", "checksum=off", "--no-sync"]);
    assert!(output.status.success(), "{}", printed(&output));
    assert_eq!(checksums("line/disk.zvhd2"), 0);
    for (value, want) in [("'on'", 2), ("false", 0)] {
        let out = format!("out-{want}");
        let manifest =
            format!("out = '{out}'\n[[image]]\npath = 'disk.raw'\noptions = {{ checksum = {value} }}\n");
        std::fs::write(folder.join("jobs.toml"), manifest).unwrap();
        let output = imgprep(folder, &["batch", "jobs.toml", "--no-sync"]);
        assert!(output.status.success(), "{}", printed(&output));
        assert_eq!(checksums(&format!("{out}/disk.zvhd2")), want);
    }
}

/// A file of ours that is cut right after the page after its records must not open in the vendor's reader, which
/// believes a last page whose checksum is right.
#[test]
fn page_after_the_records_matches_the_vendor_and_a_cut_there_is_rejected() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    for options in [&[][..], &["--zlib"]] {
        let file = written(folder, &disk(), options);
        let middle = number(&file, file.len() - PAGE + 96, 8) - PAGE;
        let mut want = file[..PAGE].to_vec();
        want[136] = 2;
        assert!(file[middle..middle + PAGE] == want, "data blocks set, the checksum of the first page");
        let mut sealed = want.clone();
        seal_zvhd_page(&mut sealed);
        assert_ne!(sealed, want, "the checksum is stale");
        std::fs::write(folder.join("cut.zvhd2"), &file[..middle + PAGE]).unwrap();
        let error = open(&folder.join("cut.zvhd2"), None).err().unwrap();
        assert_eq!(
            (error.code().id, error.at()),
            ("zvhd.header.checksum", Some(middle as u64 + 64)),
            "{error}"
        );
    }
}

/// Every byte of the header pages, of a record and of the tables, written down.
#[test]
fn zvhd2_has_the_expected_bytes_outside_its_payloads() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::write(temp.path().join("disk.raw"), disk()).unwrap();
    let args = ["convert", "disk.raw", "made.zvhd2", "--no-sync", "-q", "--uuid", UUID, "-o", "checksum=off"];
    // 2000-01-01 and 0x01020304 seconds.
    let output = command(temp.path(), &args).env("SOURCE_DATE_EPOCH", "963593860").output().unwrap();
    assert!(output.status.success(), "{}", printed(&output));
    let file = std::fs::read(temp.path().join("made.zvhd2")).unwrap();
    #[rustfmt::skip]
    let first: [u8; 142] = [
        b'z', b'2', b's', b't', b'r', b'm', 0, 0, // cookie
        2, 0, 0, 0, 0, 0, 1, 0, // features, version
        255, 255, 255, 255, 255, 255, 255, 255, // data offset
        4, 3, 2, 1, b't', b'a', b'p', 0, // time stamp, application
        4, 0, 1, 0, 0, 0, 0, 0, // its version, operating system
        0, 6, 0x40, 0, 0, 0, 0, 0, // original size: 4 MiB + 1536
        0, 0, 0, 0x40, 0, 0, 0, 0, // current size: 1 GiB
        17, 4, 120, 0, 4, 0, 0, 0, // 120 cylinders, 4 heads, 17 sectors; disk type
        0, 0, 0, 0, // checksum, below
        0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff,
        0, 0, 0, 1, // saved, hidden, alignment; ZVHD2 version
        0, 0, 0x20, 0, 3, 0, 0, 0, // block size, block count
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // index and bitmap
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // their sizes
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // segments, data blocks
        0, 1, // a dense index, zstd
    ];
    let mut page = vec![0; PAGE];
    page[..142].copy_from_slice(&first);
    let sum: u32 = page.iter().map(|byte| u32::from(*byte)).sum();
    page[64..68].copy_from_slice(&(!sum).to_le_bytes());
    assert_eq!(file[..PAGE], page, "the first page");

    let (index, bitmap, end) = (4 * PAGE, 4 * PAGE + 524_288, 4 * PAGE + 524_288 + PAGE);
    assert_eq!(file.len(), end + PAGE);
    let mut last = page.clone();
    last[96..104].copy_from_slice(&(index as u64).to_le_bytes());
    last[104..112].copy_from_slice(&(bitmap as u64).to_le_bytes());
    for (at, value) in
        [(112, 524_288u32), (116, 4096), (120, 524_288), (124, 4096), (128, 1), (132, 1), (136, 2)]
    {
        last[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    last[64..68].fill(0);
    let sum: u32 = last.iter().map(|byte| u32::from(*byte)).sum();
    last[64..68].copy_from_slice(&(!sum).to_le_bytes());
    assert_eq!(file[end..], last, "the last page");

    let mut entries = vec![0; 524_288];
    for (rank, block) in [(0, 0u32), (1, 2)] {
        let start = (rank + 1) * PAGE;
        let payload = number(&file, start + 12, 4);
        let mut record = vec![0; PAGE];
        record[..12].copy_from_slice(b"hwstream bg\0");
        record[12..16].copy_from_slice(&(payload as u32).to_le_bytes());
        record[16..20].copy_from_slice(&block.to_le_bytes());
        record[48..48 + payload].copy_from_slice(&file[start + 48..start + 48 + payload]);
        record[PAGE - 4..].copy_from_slice(b"end\0");
        assert_eq!(file[start..start + PAGE], record, "record {rank}");
        let entry = &mut entries[rank * 16..];
        entry[..8].copy_from_slice(&(start as u64).to_le_bytes());
        entry[8..12].copy_from_slice(&block.to_le_bytes());
        entry[12..16].copy_from_slice(&(PAGE as u32).to_le_bytes());
    }
    assert!(file[index..bitmap] == entries, "the index");
    let mut bits = vec![0; PAGE];
    bits[0] = 0b101;
    assert_eq!(file[bitmap..end], bits, "the bitmap");
}

/// The judge of what is written is in the repository, and the vendor's own files satisfy it.
#[test]
fn strict_checker_accepts_vendor_files_and_our_outputs() {
    for name in ["mixed.zvhd", "sector.zvhd", "wide.zvhd", "zeros.zvhd", "zeros.zvhd2", "zeros-zlib.zvhd2"] {
        let file = std::fs::read(root().join("tests/data/vendor").join(name)).unwrap();
        check_zvhd_strictly(&file, Writer::Vendor).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let sizes = [1, 511, 512, 4096, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 3 * BLOCK + 513];
    for (index, size) in sizes.into_iter().enumerate() {
        let mut noise = Noise::new(index as u64).bytes(size);
        // Zeros, text and noise in turn.
        noise.iter_mut().skip(size / 3).take(size / 3).for_each(|byte| *byte = b'x');
        for options in [&[][..], &["--zlib"], &["--level", "1"]] {
            let file = written(folder, &noise, options);
            let image =
                check_zvhd_strictly(&file, Writer::Ours).unwrap_or_else(|error| panic!("{size}: {error}"));
            assert_eq!(image.original_size, size.next_multiple_of(512) as u64);
            let read = image.disk();
            assert!(
                read[..size] == noise && read[size..].iter().all(|byte| *byte == 0),
                "{size} {options:?}"
            );
            assert_eq!(image.uuid[..2], [0x00, 0x11]);
        }
    }
    let file = written(folder, &vec![0; 5 * BLOCK], &[]);
    assert_eq!((file.len(), check_zvhd_strictly(&file, Writer::Ours).unwrap().blocks.len()), (4 * PAGE, 0));
}

/// A disk with more blocks than the format has numbers for.
#[test]
fn disk_too_large_for_zvhd2_is_rejected_before_writing() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let sectors = (1u64 << 44) - 4095;
    std::fs::write(
        folder.join("huge.vmdk"),
        format!(
            "# Disk DescriptorFile\nversion=1\nCID=00000001\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\nRW {sectors} ZERO\n"
        ),
    )
    .unwrap();
    for options in [&[][..], &["--dry-run"]] {
        let args = [&["convert", "huge.vmdk", "huge.zvhd2", "-q"], options].concat();
        let output = imgprep(folder, &args);
        assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
        assert!(printed(&output).contains("[zvhd.write.disk-too-large"), "{}", printed(&output));
        assert_eq!(crate::support::program::names(folder), ["huge.vmdk"]);
    }
}

/// `--verify` reads what lies after the disk's end, too: the cloud's disk has these bytes.
#[test]
fn verify_detects_damaged_padding_of_the_last_block() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let small = disk();
    let mut padded = small.clone();
    padded.resize(3 * BLOCK, 0);
    padded[3 * BLOCK - 1] = 1;
    // Two disks that differ after the end of the small one only: the last record of the other one.
    let record = written(folder, &padded, &[])[2 * PAGE..3 * PAGE].to_vec();
    std::fs::write(folder.join("disk.raw"), &small).unwrap();
    let disk = open(&folder.join("disk.raw"), None).unwrap();
    let options = ConvertOptions {
        target: Target::Zvhd2(Zvhd2Target {
            compression: Compression::Zstd { level: 3, has_checksum: true },
        }),
        existing: Existing::Replace,
        sync: Sync::None,
        cache: cache_mode(),
        verify: Verify::ReadBack,
        checksum: Checksum::Skip,
        bitmap: None,
        uuid: [0; 16],
        unix_time: 0,
    };
    let to = Destination::Path(folder.join("out.zvhd2"));
    let is_done = std::cell::Cell::new(false);
    let run = |damage: bool| {
        is_done.set(false);
        library::on_one_thread(|run| {
            let observe = |_: &imgprep::Progress| {
                if let Some(path) = finished_temporary(folder).filter(|_| damage && !is_done.get()) {
                    use std::os::unix::fs::FileExt;
                    let file = std::fs::File::options().write(true).open(path).unwrap();
                    file.write_all_at(&record, 2 * PAGE as u64).unwrap();
                    is_done.set(true);
                }
            };
            convert(&disk, &to, &options, &imgprep::RunOptions { observe: &observe, ..*run })
        })
    };
    assert!(run(false).unwrap().is_verified);
    std::fs::remove_file(folder.join("out.zvhd2")).unwrap();
    let error = run(true).err();
    assert!(is_done.get(), "the temporary was damaged while it was read back");
    let error = error.expect("damage is seen");
    assert_eq!(error.code().id, "verify.differs", "{error}");
    assert_eq!(error.disk(), Some(2 * BLOCK as u64..3 * BLOCK as u64));
    assert!(!folder.join("out.zvhd2").exists());
}

/// The temporary of `out.zvhd2`, which has no name, once its last page is written: among the open files of this process.
fn finished_temporary(folder: &Path) -> Option<PathBuf> {
    let folder = folder.canonicalize().unwrap();
    let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten().map(|entry| entry.path());
    let is_temporary = |path: &PathBuf| {
        let target = std::fs::read_link(path).unwrap_or_default();
        target.starts_with(&folder) && !target.ends_with("disk.raw") && !target.ends_with("made.zvhd2")
    };
    open.filter(is_temporary).find(|path| {
        let bytes = std::fs::read(path).unwrap_or_default();
        bytes.len() > 2 * PAGE && bytes[bytes.len() - PAGE..].starts_with(b"z2strm")
    })
}

/// Every image of the catalogue, with and without checksums, through the strict checker.
#[test]
fn zvhd2_of_every_format_passes_the_strict_checker() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let mut formats = BTreeSet::new();
    // One of each format: the conformance test has the others.
    for image in good().into_iter().filter(|image| image.disk.len() < 20 << 20) {
        if !formats.insert(image.format) {
            continue;
        }
        let source = write_files(&image.files, folder).unwrap().display().to_string();
        let args =
            ["convert", &source, "o.zvhd2", "--force", "--no-sync", "-q", "--size", "original", "--verify"];
        let output = imgprep(folder, &args);
        assert!(output.status.success(), "{}: {}", image.name, printed(&output));
        let file = std::fs::read(folder.join("o.zvhd2")).unwrap();
        let read = check_zvhd_strictly(&file, Writer::Ours)
            .unwrap_or_else(|error| panic!("{}: {error}", image.name));
        assert!(read.disk()[..image.disk.len()] == image.disk, "{}", image.name);
        assert_eq!(read.checksums, read.blocks.len(), "{}", image.name);
    }
    assert!(formats.len() >= 9, "{formats:?}");
}
