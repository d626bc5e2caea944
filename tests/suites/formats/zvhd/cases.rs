//! ZVHD and ZVHD2 from reports of users: damaged payloads, finished streams, contradicting pages.

use std::collections::BTreeSet;
use std::path::Path;

use imgprep::Disk;
use testdata_gen::{
    Writer, ZvhdCompression, check_zvhd_strictly, compress_zvhd_block, seal_zvhd_page, zvhd_finished,
    zvhd_of, zvhd2_of_disk, zvhd2_of_payloads,
};

use crate::formats::zvhd::files::{BLOCK, PAGE, checked, disk, findings, payloads, to_raw, written};
use crate::support::program::{imgprep, printed};

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
                    codes.insert(error.code().id);
                }
            }
        }
    }
    assert!(codes.contains("codec.decompress.garbage"), "{codes:?}");
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
    assert!(output.status.success(), "{remedy}: {}", printed(&output));
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

/// A ZVHD with more records than the tables' budget.
#[test]
fn zvhd_with_too_many_records_is_rejected() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a.zvhd");
    std::fs::write(&path, zvhd_of(&disk())).unwrap();
    let mut options = imgprep::OpenOptions::default();
    options.parse.limits.resident_bytes = 24;
    let error = Disk::open(&path, &options).err().unwrap();
    assert_eq!((error.code().id, error.at()), ("zvhd.limit.records", Some(2 * PAGE as u64)), "{error}");
    options.parse.limits.resident_bytes = 48;
    assert!(Disk::open(&path, &options).is_ok());
}
