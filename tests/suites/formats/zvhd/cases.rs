//! ZVHD and ZVHD2 compared with the vendor's reader and writer: checksums of blocks, streams that are finished,
//! memory that was never cleared, the page behind the records, and every byte of what is written.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use imgprep::{
    Checksum, Compression, ConvertOptions, Destination, Disk, Existing, Sync, Target, Verify, convert,
};
use serde_json::Value;
use testdata_gen::{
    Noise, Writer, ZvhdCompression, check_zvhd_strictly, compress_zvhd_block, good, seal_zvhd_page,
    write_files, zvhd_finished, zvhd_of, zvhd2_of_disk, zvhd2_of_payloads,
};

use crate::support::library;
use crate::support::library::open;
use crate::support::program::{command, imgprep, root, said};

const PAGE: usize = 4096;
const BLOCK: usize = 2 << 20;
const UUID: &str = "00112233-4455-6677-8899-aabbccddeeff";

/// Three blocks, the middle one of zeros, the last one of 1536 bytes.
fn disk() -> Vec<u8> {
    let mut disk = vec![0; 2 * BLOCK + 1536];
    for (at, byte) in disk[..40].iter_mut().enumerate() {
        *byte = b'a' + (at * at % 23) as u8;
    }
    disk[2 * BLOCK..].fill(7);
    disk[2 * BLOCK + 1535] = 8;
    disk
}

fn written(folder: &Path, disk: &[u8], options: &[&str]) -> Vec<u8> {
    std::fs::write(folder.join("disk.raw"), disk).unwrap();
    let args = ["convert", "disk.raw", "made.zvhd2", "--force", "--no-sync", "-q", "--uuid", UUID];
    let output = imgprep(folder, &[&args[..], options].concat());
    assert!(output.status.success(), "{options:?}: {}", said(&output));
    std::fs::read(folder.join("made.zvhd2")).unwrap()
}

fn to_raw(source: &Path, target: &Path) -> Result<Vec<u8>, imgprep::Error> {
    let disk = open(source, None)?;
    let to = Destination::Path(target.into());
    library::on_one_thread(|run| convert(&disk, &to, &library::to_raw(), run))?;
    Ok(std::fs::read(target).unwrap())
}

fn number(bytes: &[u8], at: usize, len: usize) -> usize {
    bytes[at..at + len].iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte))
}

/// The ranges of the payloads of a ZVHD2, by its index.
fn payloads(file: &[u8]) -> Vec<std::ops::Range<usize>> {
    let last = file.len() - PAGE;
    let (index, blocks) = (number(file, last + 96, 8), number(file, last + 136, 4));
    let records = (0..blocks).map(|rank| number(file, index + rank * 16, 8));
    records.map(|at| at + 48..at + 48 + number(file, at + 12, 4)).collect()
}

/// What `check` prints about `file`, and its exit code.
fn checked(folder: &Path, name: &str, file: &[u8], options: &[&str]) -> (Value, Option<i32>) {
    std::fs::write(folder.join(name), file).unwrap();
    let output = imgprep(folder, &[&["check", "--output", "json", name], options].concat());
    let json =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&output)));
    (json, output.status.code())
}

/// Code, severity, rule and offset of every finding.
fn findings(json: &Value) -> Vec<(&str, &str, &str, Option<u64>)> {
    fn text<'j>(of: &'j Value, key: &str) -> &'j str {
        of[key].as_str().unwrap_or_default()
    }
    let violations = json["judgements"].as_array().unwrap().iter();
    violations
        .map(|it| (text(it, "code"), text(it, "severity"), text(it, "rule"), it["offset"].as_u64()))
        .collect()
}

/// The case: 2,658 of 4,296 flipped bytes gave other bytes and exit 0.
#[test]
fn a_flipped_byte_in_a_zstd_payload_is_never_other_bytes() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let disk = disk();
    let (source, target) = (folder.join("changed.zvhd2"), folder.join("out.raw"));
    let file = written(folder, &disk, &[]);
    assert_eq!(check_zvhd_strictly(&file, Writer::Ours).unwrap().checksums, 2, "both frames have one");
    let mut codes = BTreeSet::new();
    for at in payloads(&file).into_iter().flatten() {
        for flip in [0x01, 0x80, 0xff] {
            let mut changed = file.clone();
            changed[at] ^= flip;
            std::fs::write(&source, &changed).unwrap();
            match to_raw(&source, &target) {
                Ok(read) => assert!(read == disk, "byte {at} ^ {flip:#x}: other bytes"),
                Err(error) => {
                    codes.insert(error.code());
                }
            }
        }
    }
    assert!(codes.contains("codec.unpack.garbage"), "{codes:?}");
    // Without them the vendor's bytes, 4 bytes a block shorter.
    let without = written(folder, &disk, &["-o", "checksum=off"]);
    assert_eq!(check_zvhd_strictly(&without, Writer::Ours).unwrap().checksums, 0);
    let lengths = |file: &[u8]| payloads(file).iter().map(ExactSizeIterator::len).collect::<Vec<_>>();
    assert_eq!(lengths(&file), lengths(&without).iter().map(|len| len + 4).collect::<Vec<_>>());
    for (range, want) in payloads(&without).into_iter().zip([&disk[..BLOCK], &disk[2 * BLOCK..]]) {
        let mut block = want.to_vec();
        block.resize(BLOCK, 0);
        assert!(without[range] == compress_zvhd_block(ZvhdCompression::Zstd, &block));
    }
}

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
        assert!(output.status.success(), "{}", said(&output));
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
        assert_eq!(output.status.code(), Some(1), "{options}: {}", said(&output));
        assert!(said(&output).contains(words), "{options}: {}", said(&output));
    }
    let output = imgprep(folder, &["batch", "in", "--out", "line", "-o", "checksum=off", "--no-sync"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(checksums("line/disk.zvhd2"), 0);
    for (value, want) in [("'on'", 2), ("false", 0)] {
        let out = format!("out-{want}");
        let manifest =
            format!("out = '{out}'\n[[image]]\npath = 'disk.raw'\noptions = {{ checksum = {value} }}\n");
        std::fs::write(folder.join("jobs.toml"), manifest).unwrap();
        let output = imgprep(folder, &["batch", "jobs.toml", "--no-sync"]);
        assert!(output.status.success(), "{}", said(&output));
        assert_eq!(checksums(&format!("{out}/disk.zvhd2")), want);
    }
}

/// The vendor's reader rejects both and this program reads them; the remedy of `check` repairs them.
#[test]
fn finished_zlib_streams_are_an_error_of_check_and_convert_repairs_them() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let disk = disk();
    let files = [
        ("finished.zvhd2", zvhd2_of_disk(&disk, ZvhdCompression::ZlibFinished), Some(PAGE as u64 + 48)),
        ("stream.zvhd", zvhd_finished(&disk), None),
        // Only the second payload is finished.
        ("half.zvhd2", half_finished(&disk), Some(2 * PAGE as u64 + 48)),
    ];
    for (name, file, at) in files {
        for depth in [&[][..], &["--deep"]] {
            let (json, code) = checked(folder, name, &file, depth);
            let first = findings(&json)[0];
            assert_eq!(first.0, "zvhd.payload.finished", "{name} {depth:?}: {json:#}");
            assert_eq!((first.1, first.2), ("error", "structure/vendor-layout"), "{name} {depth:?}");
            assert_eq!(code, Some(2), "{name} {depth:?}");
            assert!(at.is_none() || first.3 == at, "{name} {depth:?}: {json:#}");
        }
        let (json, _) = checked(folder, name, &file, &["--for", "huawei-ims"]);
        let routes = json["routes"].as_array().unwrap();
        assert!(routes.iter().all(|route| route["verdict"] != "ready"), "{name}: {json:#}");
        let route = routes.iter().find(|route| route["id"] == "import").unwrap();
        heals(folder, name, route["command"].as_str().unwrap(), &disk);
        let remedy = json["judgements"][0]["remedy"].as_str().unwrap();
        heals(folder, name, remedy, &disk);
        assert!(to_raw(&folder.join(name), &folder.join("out.raw")).unwrap() == disk, "{name} is still read");
    }
}

fn half_finished(disk: &[u8]) -> Vec<u8> {
    let mut last = disk[2 * BLOCK..].to_vec();
    last.resize(BLOCK, 0);
    let payloads = [
        (0, compress_zvhd_block(ZvhdCompression::Zlib, &disk[..BLOCK])),
        (2, compress_zvhd_block(ZvhdCompression::ZlibFinished, &last)),
    ];
    zvhd2_of_payloads(disk.len() as u64, ZvhdCompression::Zlib, &payloads)
}

/// Runs a remedy as it is printed: its file is accepted and has the same disk; the image is as it was.
fn heals(folder: &Path, name: &str, remedy: &str, disk: &[u8]) {
    let before = std::fs::read(folder.join(name)).unwrap();
    let words: Vec<_> = remedy.split(' ').collect();
    assert_eq!(words[..3], ["imgprep", "convert", name], "{remedy}");
    let output = imgprep(folder, &[&words[1..], &["--no-sync", "--force"]].concat());
    assert!(output.status.success(), "{remedy}: {}", said(&output));
    assert!(std::fs::read(folder.join(name)).unwrap() == before, "{remedy}: the image changed");
    let made = std::fs::read(folder.join(words[3])).unwrap();
    let image = check_zvhd_strictly(&made, Writer::Ours).unwrap_or_else(|error| panic!("{remedy}: {error}"));
    // Read at its current size, so the new disk has that.
    for (number, block) in &image.blocks {
        let start = *number as usize * BLOCK;
        let end = (start + BLOCK).min(disk.len());
        assert!(block[..end - start] == disk[start..end], "{remedy}: block {number}");
    }
    assert_eq!(image.blocks.len(), 2, "{remedy}");
    let (json, code) = checked(folder, words[3], &made, &["--deep", "--for", "huawei-ims", "--disk", "data"]);
    assert_eq!(code, Some(0), "{remedy}: {json:#}");
}

/// A payload that ends otherwise than in a sync flush is decompressed before it is judged.
#[test]
fn zlib_stream_neither_flushed_nor_finished_gives_no_finding() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let disk = disk();
    let mut file = zvhd2_of_disk(&disk, ZvhdCompression::ZlibFinished);
    for range in payloads(&file) {
        // Without its Adler-32 the stream is complete and not finished: the vendor's inflate has all bytes and no end.
        let (at, len) = (range.start - 48 + 12, range.len() - 4);
        file[at..at + 4].copy_from_slice(&(len as u32).to_le_bytes());
    }
    for depth in [&[][..], &["--deep"]] {
        let (json, code) = checked(folder, "open.zvhd2", &file, depth);
        assert_eq!((findings(&json).len(), code), (0, Some(0)), "{depth:?}: {json:#}");
    }
    assert!(to_raw(&folder.join("open.zvhd2"), &folder.join("out.raw")).unwrap() == disk);
}

/// Memory that the vendor's writer never clears is not reported.
#[test]
fn unused_index_entries_and_bytes_behind_a_header_are_no_error() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let disk = disk();
    for (name, mut file) in [
        ("dirty.zvhd2", zvhd2_of_disk(&disk, ZvhdCompression::Zstd)),
        ("dirty-zlib.zvhd2", zvhd2_of_disk(&disk, ZvhdCompression::Zlib)),
        ("dirty.zvhd", zvhd_of(&disk)),
    ] {
        let last = file.len() - PAGE;
        let mut noise = Noise::new(9).bytes(PAGE - 512);
        noise.iter_mut().for_each(|byte| *byte |= 1);
        for page in [0, last] {
            file[page + 512..page + PAGE].copy_from_slice(&noise);
        }
        let mut want = Vec::new();
        if Path::new(&name).extension().is_some_and(|end| end == "zvhd2") {
            let index = number(&file, last + 96, 8);
            file[index + 32..index + 64].fill(0xab);
            file[index - PAGE + 512..index].copy_from_slice(&noise);
            want.push(("zvhd.index.rest", "note", "structure/note", Some(index as u64 + 32)));
        }
        let (json, code) = checked(folder, name, &file, &["--deep"]);
        assert_eq!((findings(&json), code), (want, Some(0)), "{name}");
        let (json, code) = checked(folder, name, &file, &["--for", "huawei-ims", "--disk", "data"]);
        assert_eq!(code, Some(0), "{name}: {json:#}");
        assert!(to_raw(&folder.join(name), &folder.join("out.raw")).unwrap() == disk, "{name}");
        let vendor = check_zvhd_strictly(&file, Writer::Vendor);
        assert!(
            vendor.is_err_and(|error| error.contains("geometry")),
            "{name}: the recipe has none, all else is right"
        );
    }
}

/// A file of ours that is cut right behind the page after its records must not open in the vendor's reader, which
/// believes a last page whose checksum is right.
#[test]
fn page_behind_the_records_matches_the_vendor_and_a_cut_there_is_rejected() {
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
        assert_eq!((error.code(), error.at()), ("zvhd.header.checksum", Some(middle as u64 + 64)), "{error}");
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
    assert!(output.status.success(), "{}", said(&output));
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

/// Fields that stand in both header pages are compared with each other, and other versions are rejected.
#[test]
fn contradicting_header_pages_and_unknown_versions_are_rejected() {
    let temp = tempfile::tempdir().unwrap();
    let good = zvhd2_of_disk(&disk(), ZvhdCompression::Zstd);
    let last = good.len() - PAGE;
    let with = |pages: &[usize], at: usize, value: u8| {
        let mut file = good.clone();
        for page in pages {
            file[page + at] ^= value;
            seal_zvhd_page(&mut file[*page..*page + PAGE]);
        }
        file
    };
    let cases = [
        ("another uuid in the first page", with(&[0], 68, 1), "zvhd.header.field", 68),
        ("another original size", with(&[0], 42, 1), "zvhd.header.field", 40),
        ("another current size", with(&[0], 52, 1), "zvhd.header.field", 48),
        ("another version in the first page", with(&[0], 87, 1), "zvhd.header.field", 87),
        ("another block size", with(&[0], 91, 1), "zvhd.header.field", 88),
        ("another block count", with(&[0], 92, 1), "zvhd.header.field", 92),
        ("another compression", with(&[0], 141, 1), "zvhd.header.field", 141),
        ("version 3", with(&[0, last], 87, 2), "zvhd.header.version", last + 87),
        ("version 0", with(&[0, last], 87, 1), "zvhd.header.version", last + 87),
        ("a current size below the original one", with(&[0, last], 51, 0x40), "zvhd.header.field", last + 48),
        ("another index segment size", with(&[last], 120, 1), "zvhd.header.field", last + 120),
        ("another bitmap segment size", with(&[last], 124, 1), "zvhd.header.field", last + 124),
        ("other index segments", with(&[last], 128, 1), "zvhd.header.field", last + 128),
        ("other bitmap segments", with(&[last], 132, 1), "zvhd.header.field", last + 132),
        ("another index size", with(&[last], 112, 1), "zvhd.header.field", last + 112),
        ("another bitmap size", with(&[last], 116, 1), "zvhd.header.field", last + 116),
        ("another bitmap offset", with(&[last], 104, 1), "zvhd.header.field", last + 104),
    ];
    let path = temp.path().join("a.zvhd2");
    for (name, file, code, at) in cases {
        std::fs::write(&path, file).unwrap();
        let error = open(&path, None).err().unwrap_or_else(|| panic!("{name}: it opens"));
        assert_eq!((error.code(), error.at()), (code, Some(at as u64)), "{name}: {error}");
    }
    for (name, file, expected) in [
        ("one.zvhd2", &good[..PAGE], "12288"),
        ("two.zvhd2", &good[..2 * PAGE], "12288"),
        ("one.zvhd", &zvhd_of(&disk())[..PAGE], "8192"),
    ] {
        std::fs::write(temp.path().join(name), file).unwrap();
        let error = open(&temp.path().join(name), None).err().unwrap();
        let len = file.len() as u64;
        assert_eq!((error.code(), error.at()), ("zvhd.file.too-short", Some(len)), "{name}: {error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

/// Early tools did not compute the checksum again when they set the hidden flag.
#[test]
fn a_checksum_from_before_the_hidden_flag_was_set_is_accepted() {
    let temp = tempfile::tempdir().unwrap();
    let disk = disk();
    let hidden = |good: &[u8], version: u32, application: &[u8; 4]| {
        let mut file = good.to_vec();
        for page in [0, good.len() - PAGE] {
            file[page + 28..page + 32].copy_from_slice(application);
            file[page + 32..page + 36].copy_from_slice(&version.to_le_bytes());
            seal_zvhd_page(&mut file[page..page + PAGE]);
            file[page + 85] = 1;
        }
        file
    };
    for (name, good) in [("a.zvhd2", zvhd2_of_disk(&disk, ZvhdCompression::Zstd)), ("a.zvhd", zvhd_of(&disk))]
    {
        let (path, target) = (temp.path().join(name), temp.path().join("out.raw"));
        for version in [0x0000_0001, 0x0001_0001] {
            std::fs::write(&path, hidden(&good, version, b"tap\0")).unwrap();
            assert!(to_raw(&path, &target).unwrap() == disk, "{name} {version:#x}");
        }
        for (version, application) in [(0x0001_0004, b"tap\0"), (0x0001_0001, b"vpc ")] {
            std::fs::write(&path, hidden(&good, version, application)).unwrap();
            let error = open(&path, None).err().unwrap();
            assert_eq!(error.code(), "zvhd.header.checksum", "{name} {version:#x}: {error}");
        }
    }
}

/// What `check` finds in files that the vendor's reader would refuse, misread, or read with a shrug.
#[test]
fn images_unreadable_by_the_vendor_are_errors_and_other_anomalies_are_less() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let disk = disk();
    let mut last = disk[2 * BLOCK..].to_vec();
    last.resize(BLOCK, 0);
    let first = &disk[..BLOCK];
    let of = |payload: Vec<u8>| {
        let rest = (2, compress_zvhd_block(ZvhdCompression::Zstd, &last));
        zvhd2_of_payloads(disk.len() as u64, ZvhdCompression::Zstd, &[(0, payload), rest])
    };
    let halves = [&first[..BLOCK / 2], &first[BLOCK / 2..]];
    let two_frames = halves.map(|half| compress_zvhd_block(ZvhdCompression::ZstdChecked, half)).concat();
    // RFC 8878 3.1.2: a skippable frame, of more than the vendor's buffer.
    let skipped = (4u32 << 20) + 8192;
    let mut large = [&0x184d_2a50u32.to_le_bytes()[..], &skipped.to_le_bytes()].concat();
    large.resize(8 + skipped as usize, 0);
    large.extend(compress_zvhd_block(ZvhdCompression::Zstd, first));
    let zeros = zvhd2_of_payloads(
        disk.len() as u64,
        ZvhdCompression::Zstd,
        &[
            (0, compress_zvhd_block(ZvhdCompression::Zstd, first)),
            (1, compress_zvhd_block(ZvhdCompression::Zstd, &vec![0; BLOCK])),
            (2, compress_zvhd_block(ZvhdCompression::Zstd, &last)),
        ],
    );
    let sized = |current: u64| {
        let mut file = zvhd2_of_disk(&disk, ZvhdCompression::Zstd);
        for page in [0, file.len() - PAGE] {
            file[page + 48..page + 56].copy_from_slice(&current.to_le_bytes());
            seal_zvhd_page(&mut file[page..page + PAGE]);
        }
        file
    };
    let size_at = sized(1 << 30).len() as u64 - 4096 + 48;
    let at = PAGE as u64;
    let cases = [
        (
            "two frames",
            of(two_frames),
            ("zvhd.payload.frames", "note", "structure/note", Some(at + 48)),
            0,
            true,
        ),
        (
            "a block of zeros",
            zeros,
            ("zvhd.payload.zeros", "warning", "structure/payload", Some(2 * at + 48)),
            0,
            true,
        ),
        (
            "a long record",
            of(large),
            ("zvhd.record.size", "error", "structure/vendor-layout", Some(at)),
            2,
            false,
        ),
        (
            "no whole blocks",
            sized((1 << 30) + 4096),
            ("zvhd.header.current-size", "error", "structure/vendor-layout", Some(size_at)),
            2,
            false,
        ),
        (
            "no whole GiB",
            sized(3 << 29),
            ("zvhd.header.current-size", "error", "structure/vendor-layout", Some(size_at)),
            2,
            false,
        ),
    ];
    for (name, file, want, exit, is_ready) in cases {
        let options = ["--deep", "--for", "huawei-ims", "--disk", "data"];
        let (json, code) = checked(folder, "a.zvhd2", &file, &options);
        assert!(findings(&json).contains(&want), "{name}: {json:#}");
        assert_eq!(code, Some(exit), "{name}: {json:#}");
        let is_open = json["routes"].as_array().unwrap().iter().any(|route| route["verdict"] == "ready");
        assert_eq!(is_open, is_ready, "{name}: {json:#}");
        assert!(
            to_raw(&folder.join("a.zvhd2"), &folder.join("out.raw")).unwrap() == disk,
            "{name}: still read"
        );
        if !is_ready {
            heals(folder, "a.zvhd2", json["judgements"][0]["remedy"].as_str().unwrap(), &disk);
        }
    }
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
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains("[zvhd.write.disk-too-large"), "{}", said(&output));
        assert_eq!(crate::support::program::names(folder), ["huge.vmdk"]);
    }
}

/// A ZVHD with more records than the tables' budget.
#[test]
fn zvhd_with_too_many_records_is_rejected() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a.zvhd");
    std::fs::write(&path, zvhd_of(&disk())).unwrap();
    let mut options = imgprep::OpenOptions::default();
    options.parse.limits.resident_bytes = 24;
    let error = Disk::open(&path, &options).err().unwrap();
    assert_eq!((error.code(), error.at()), ("zvhd.limit.records", Some(2 * PAGE as u64)), "{error}");
    options.parse.limits.resident_bytes = 48;
    assert!(Disk::open(&path, &options).is_ok());
}

/// `--verify` reads what lies behind the disk's end, too: the cloud's disk has these bytes.
#[test]
fn verify_detects_damaged_padding_of_the_last_block() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let small = disk();
    let mut padded = small.clone();
    padded.resize(3 * BLOCK, 0);
    padded[3 * BLOCK - 1] = 1;
    // Two disks that differ behind the end of the small one only: the last record of the other one.
    let record = written(folder, &padded, &[])[2 * PAGE..3 * PAGE].to_vec();
    std::fs::write(folder.join("disk.raw"), &small).unwrap();
    let disk = open(&folder.join("disk.raw"), None).unwrap();
    let options = ConvertOptions {
        target: Target::Zvhd2(Compression::Zstd { level: 3, has_checksum: true }),
        existing: Existing::Replace,
        sync: Sync::None,
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
    assert_eq!(error.code(), "verify.differs", "{error}");
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
        assert!(output.status.success(), "{}: {}", image.name, said(&output));
        let file = std::fs::read(folder.join("o.zvhd2")).unwrap();
        let read = check_zvhd_strictly(&file, Writer::Ours)
            .unwrap_or_else(|error| panic!("{}: {error}", image.name));
        assert!(read.disk()[..image.disk.len()] == image.disk, "{}", image.name);
        assert_eq!(read.checksums, read.blocks.len(), "{}", image.name);
    }
    assert!(formats.len() >= 9, "{formats:?}");
}
