//! Detection as a user meets it: one made file of every kind, the right name, the right way on, no output.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use testdata_gen::{sample, write_files};

use crate::support::program::{has_tool, imgprep, names, printed, skip, tool};

fn with(len: usize, parts: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; len];
    for (at, part) in parts {
        bytes[*at..*at + part.len()].copy_from_slice(part);
    }
    bytes
}

/// A tar of one member, with the checksum of its header.
fn tar(member: &str, magic: &[u8]) -> Vec<u8> {
    let mut header = with(512, &[(0, member.as_bytes()), (124, b"00000001000\0"), (257, magic)]);
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header.resize(4096, 0);
    header
}

fn zip() -> Vec<u8> {
    with(4096, &[(0, b"PK\x03\x04\x14\0\0\0\x08\0"), (26, &[5])])
}

/// A boot record with one active partition of this type, first sector and length.
fn mbr(kind: u8, first: u32, count: u32) -> Vec<u8> {
    let entry = [&[0x80, 0, 0, 0, kind, 0, 0, 0][..], &first.to_le_bytes(), &count.to_le_bytes()].concat();
    with(512, &[(0, &[0xfa, 0x33, 0xc0]), (446, &entry), (510, &[0x55, 0xaa])])
}

const ISO: (usize, &[u8]) = (32768, b"\x01CD001\x01");
const KOLY: &[u8] = b"koly\0\0\0\x04\0\0\x02\0";

fn json(folder: &Path, args: &[&str]) -> Value {
    let output = imgprep(folder, &[args, &["--output", "json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", printed(&output)))
}

#[test]
fn every_foreign_kind_of_file_is_named_and_rejected_with_advice() {
    let cpio = [&b"070701"[..], &[b'0'; 120]].concat();
    let lzma = [&[0x5d, 0, 0, 0x80, 0][..], &[0xff; 8], &[0; 100]].concat();
    let udf = with(1 << 16, &[(32768, b"\0BEA01\x01"), (34816, b"\0NSR02\x01")]);
    let hybrid = with(1 << 20, &[(0, &mbr(0x17, 64, 1000)), ISO]);
    let cd = b"\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\x02\0\x01";
    let head = |magic: &[u8]| with(70_000, &[(0, magic)]);
    let kinds: Vec<(&str, Vec<u8>, &str, &str)> = vec![
        ("gzip", head(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]), "detect.no-disk", "gzip -dc f.img > f.img.raw"),
        ("xz", head(b"\xfd7zXZ\0\0\x04"), "detect.no-disk", "xz -dc f.img > f.img.raw"),
        ("zstd", head(&[0x28, 0xb5, 0x2f, 0xfd, 4]), "detect.no-disk", "zstd -dc f.img > f.img.raw"),
        ("bzip2", head(b"BZh91AY&SY"), "detect.no-disk", "bzip2 -dc f.img > f.img.raw"),
        ("lz4", head(&[0x04, 0x22, 0x4d, 0x18, 0x64, 0x40]), "detect.no-disk", "lz4 -dc f.img > f.img.raw"),
        ("lzma", lzma, "detect.no-disk", "xz -dc --format=lzma f.img > f.img.raw"),
        ("lzip", head(b"LZIP\x01\x0c"), "detect.no-disk", "lzip -dc f.img > f.img.raw"),
        ("lzop", head(b"\x89LZO\0\r\n\x1a\n"), "detect.no-disk", "lzop -dc < f.img > f.img.raw"),
        ("compress", head(&[0x1f, 0x9d, 0x90, 0x61, 0xc4]), "detect.no-disk", "gzip -dc f.img > f.img.raw"),
        ("zip", zip(), "detect.no-disk", "unzip f.img"),
        ("7z", head(b"7z\xbc\xaf\x27\x1c\0"), "detect.no-disk", "7z x f.img"),
        ("rar", head(b"Rar!\x1a\x07\x01\0"), "detect.no-disk", "unrar x f.img"),
        ("tar", tar("disk.raw", b"ustar\0"), "detect.no-disk", "tar xf f.img"),
        ("tar", tar("disk.raw", b""), "detect.no-disk", "tar xf f.img"),
        ("ova", tar("machine.ovf", b"ustar\0"), "detect.no-disk", "tar xf f.img"),
        ("xva", tar("ova.xml", b"ustar\0"), "detect.no-disk", "tar xf f.img"),
        ("cpio", cpio, "detect.no-disk", "cpio -idm -F f.img"),
        ("ar", head(b"!<arch>\n"), "detect.no-disk", "ar x f.img"),
        ("cab", head(b"MSCF"), "detect.no-disk", "cabextract f.img"),
        ("wim", head(b"MSWIM"), "detect.no-disk", "wimlib-imagex info f.img"),
        ("iso9660", with(1 << 20, &[ISO]), "detect.no-disk", ""),
        ("iso9660", hybrid, "detect.no-disk", ""),
        ("udf", udf, "detect.no-disk", ""),
        ("cd-sectors", head(cd), "detect.no-disk", "bchunk f.img f.img.cue f.img.track"),
        ("android-sparse", head(b"\x3a\xff\x26\xed\x01"), "detect.no-disk", "simg2img f.img f.img.raw"),
        ("sparseimage", head(b"sprs"), "detect.no-disk", "hdiutil convert f.img -format UDTO -o f.img.raw"),
        ("ewf", head(b"EVF\x09\x0d\x0a\xff"), "detect.no-disk", "ewfexport -f raw -t f.img.raw f.img"),
        ("partclone", head(b"partclone-image"), "detect.no-disk", "partclone.restore"),
        ("partimage", head(b"PaRtImAgE-VoLuMe"), "detect.no-disk", ""),
        ("vma", head(b"VMA\0\0\0\0\x01"), "detect.no-disk", "vma extract f.img f.img.extracted"),
        ("qemu-state", head(b"QEVM\0\0\0\x03"), "detect.no-disk", ""),
        ("vmware-state", head(b"\xd2\xbe\xd2\xbe"), "detect.no-disk", ""),
        ("virtualbox-state", head(b"\x7fVirtualBox SavedState V2.0"), "detect.no-disk", ""),
        (
            "git-lfs",
            b"version https://git-lfs.github.com/spec/v1\n".to_vec(),
            "detect.no-disk",
            "git lfs pull",
        ),
        ("html", b"<!DOCTYPE html><title>404</title>".to_vec(), "detect.no-disk", ""),
        ("xml", b"<?xml version=\"1.0\"?><Envelope>".to_vec(), "detect.no-disk", ""),
        ("vmx", b".encoding = \"UTF-8\"\n".to_vec(), "detect.no-disk", ""),
        (
            "parallels",
            head(b"WithoutFreeSpace"),
            "detect.unsupported",
            "qemu-img convert -O raw f.img f.img.raw",
        ),
        (
            "parallels",
            head(b"WithouFreSpacExt"),
            "detect.unsupported",
            "qemu-img convert -O raw f.img f.img.raw",
        ),
        (
            "bochs",
            head(b"Bochs Virtual HD Image"),
            "detect.unsupported",
            "qemu-img convert -O raw f.img f.img.raw",
        ),
        (
            "cloop",
            head(b"#!/bin/sh\n#V2.0 Format\n"),
            "detect.unsupported",
            "qemu-img convert -O raw f.img f.img.raw",
        ),
        (
            "dmg",
            with(70_000, &[(70_000 - 512, KOLY)]),
            "detect.unsupported",
            "qemu-img convert -O raw f.img f.img.raw",
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes, code, remedy) in kinds {
        std::fs::write(folder.path().join("f.img"), bytes).unwrap();
        for args in [
            &["info", "f.img"][..],
            &["map", "f.img"],
            &["convert", "f.img", "out.raw"],
            &["bitmap", "f.img"],
        ] {
            let output = imgprep(folder.path(), args);
            assert_eq!(output.status.code(), Some(1), "{name}: {}", printed(&output));
            assert!(printed(&output).contains(code), "{name}: {}", printed(&output));
            assert!(printed(&output).contains(name), "{name}: {}", printed(&output));
            assert!(printed(&output).contains(remedy), "{name}: {remedy}: {}", printed(&output));
        }
        let reported = json(folder.path(), &["info", "f.img"]);
        assert_eq!(reported["error"]["code"], code, "{name}: {reported}");
        assert_eq!(reported["matches"][0]["format"], name, "{reported}");
        assert_eq!(reported["matches"].as_array().map(Vec::len), Some(1), "{reported}");
        assert_eq!(names(folder.path()), ["f.img"], "{name}");
        let forced = imgprep(folder.path(), &["info", "f.img", "--from", "raw"]);
        assert!(
            forced.status.success() && printed(&forced).contains("detect.looks-like"),
            "{}",
            printed(&forced)
        );
    }
}

#[test]
fn hybrid_iso_is_detected_as_iso_and_its_other_contents_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("f.iso"), with(1 << 20, &[(0, &mbr(0x17, 64, 1000)), ISO])).unwrap();
    let reported = json(folder.path(), &["info", "f.iso"]);
    assert_eq!(reported["matches"][0]["format"], "iso9660");
    assert!(reported["matches"][0]["says"].as_str().unwrap().contains("hybrid"), "{reported}");
    let reported = json(folder.path(), &["info", "f.iso", "--from", "raw"]);
    assert_eq!(
        (&reported["contents"], reported["partitions"].as_array().map(Vec::len)),
        (&"MBR partitions".into(), Some(1))
    );
}

/// What real programs write is known, too.
#[test]
fn files_of_real_programs_are_detected() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("d.ovf"), "<Envelope/>").unwrap();
    std::fs::write(folder.path().join("d.raw"), with(100_000, &[(0, b"some text to compress")])).unwrap();
    for (name, program, args) in [
        ("gzip", "gzip", &["-k", "d.raw"][..]),
        ("xz", "xz", &["-k", "d.raw"]),
        ("lzma", "xz", &["-k", "--format=lzma", "d.raw"]),
        ("zstd", "zstd", &["-q", "d.raw"]),
        ("bzip2", "bzip2", &["-k", "d.raw"]),
        ("lz4", "lz4", &["-q", "d.raw", "d.raw.lz4"]),
        ("lz4", "lz4", &["-q", "-l", "d.raw", "d.raw.old"]),
        ("zip", "zip", &["-q", "d.zip", "d.raw"]),
        ("tar", "tar", &["cf", "d.tar", "d.raw"]),
        ("tar", "tar", &["--format=v7", "-cf", "d.v7", "d.raw"]),
        ("ova", "tar", &["cf", "d.ova", "d.ovf", "d.raw"]),
    ] {
        let Some(program) = found_program(program) else { continue };
        let before = names(folder.path());
        tool(folder.path(), &program, args);
        let made =
            names(folder.path()).into_iter().find(|name| !before.contains(name)).expect("a file was made");
        let reported = json(folder.path(), &["info", &made]);
        assert_eq!(reported["matches"][0]["format"], name, "{made}: {reported}");
        assert_eq!(imgprep(folder.path(), &["convert", &made, "out.raw"]).status.code(), Some(1), "{made}");
    }
    assert!(!folder.path().join("out.raw").exists());
}

#[test]
fn ambiguous_file_is_rejected_unless_from_names_the_format() {
    let folder = tempfile::tempdir().unwrap();
    let image = sample();
    let path = write_files(&image.files, folder.path()).unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    bytes.extend(with(512, &[(0, KOLY)]));
    let trailer = bytes.len() - 512;
    std::fs::write(folder.path().join("two.img"), &bytes).unwrap();
    let output = imgprep(folder.path(), &["info", "two.img"]);
    assert_eq!(output.status.code(), Some(1));
    for want in [
        "qcow2: magic \"QFI\\xfb\", version 3 (8 bytes at 0: 51 46 49 fb 00 00 00 03)".to_string(),
        format!(
            "dmg: trailer \"koly\", version 4 (12 bytes at {trailer}: 6b 6f 6c 79 00 00 00 04 00 00 02 00)"
        ),
        "select the format with: imgprep info --from qcow2 two.img".into(),
        "select the format with: imgprep info --from raw two.img".into(),
    ] {
        assert!(printed(&output).contains(&want), "{want}: {}", printed(&output));
    }
    let reported = json(folder.path(), &["info", "two.img"]);
    assert_eq!(reported["error"]["code"], "detect.ambiguous");
    let found: Vec<_> =
        reported["matches"].as_array().unwrap().iter().map(|found| &found["format"]).collect();
    assert_eq!(found, ["qcow2", "dmg"]);
    for args in [&["map", "two.img"][..], &["convert", "two.img", "out.raw"], &["bitmap", "two.img"]] {
        let output = imgprep(folder.path(), args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let words = printed(&output);
        assert!(
            words.contains("detect.ambiguous") && words.contains("qcow2") && words.contains("dmg"),
            "{words}"
        );
    }
    assert!(!folder.path().join("out.raw").exists());
    let reported = json(folder.path(), &["info", "two.img", "--from", "qcow2"]);
    assert_eq!(
        (&reported["format"], reported["matches"].as_array().map(Vec::len)),
        (&"qcow2".into(), Some(2))
    );
    assert_eq!(reported["findings"][0]["code"], "detect.looks-like");
    for (from, disk) in [("qcow2", &image.disk), ("raw", &bytes)] {
        let output =
            imgprep(folder.path(), &["convert", "two.img", "out.raw", "--from", from, "--force", "-q"]);
        assert!(output.status.success(), "{}", printed(&output));
        assert!(std::fs::read(folder.path().join("out.raw")).unwrap() == *disk, "{from}");
    }
}

#[test]
fn matches_are_listed_for_broken_images_and_in_lists() {
    let folder = tempfile::tempdir().unwrap();
    write_files(&sample().files, folder.path()).unwrap();
    std::fs::write(folder.path().join("bad.qcow2"), with(4096, &[(0, b"QFI\xfb\0\0\0\x03")])).unwrap();
    let reported = json(folder.path(), &["info", "bad.qcow2"]);
    assert_eq!(
        (&reported["matches"][0]["format"], &reported["error"]["class"]),
        (&"qcow2".into(), &"corrupt".into())
    );
    let reported = json(folder.path(), &["info", "bad.qcow2", "sample.qcow2"]);
    assert_eq!(reported["images"][0]["matches"][0]["format"], "qcow2");
    assert_eq!(reported["images"][1]["matches"][0]["bytes"], "51 46 49 fb 00 00 00 03");
}

/// A RAW disk that begins almost like something else is a RAW disk.
#[test]
fn near_misses_of_signatures_are_raw() {
    let folder = tempfile::tempdir().unwrap();
    for start in
        [&[0x1f, 0x8b][..], b"BZh", b"PK\x03\x04", &[0x28, 0xb5, 0x2f, 0xfd, 8], b"7z", b"Rar!", b"koly"]
    {
        let disk = with(1 << 20, &[(0, start), (510, &[0x55, 0xaa])]);
        std::fs::write(folder.path().join("f.img"), &disk).unwrap();
        let reported = json(folder.path(), &["info", "f.img"]);
        assert_eq!(reported["format"], "raw", "{start:02x?}: {reported}");
        assert_eq!(reported["contents"], "a boot sector without partitions");
    }
}

#[test]
fn partitions_are_reported_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let disk = with(4 << 20, &[(0, &mbr(0xef, 2048, 4096)), (1 << 20, b"\xeb\x58\x90-FVE-FS-")]);
    std::fs::write(folder.path().join("f.raw"), &disk).unwrap();
    let output = imgprep(folder.path(), &["convert", "f.raw", "f.zvhd2", "--size", "original", "-q"]);
    assert!(output.status.success(), "{}", printed(&output));
    for file in ["f.raw", "f.zvhd2"] {
        let reported = json(folder.path(), &["info", file]);
        assert_eq!(reported["contents"], "MBR partitions", "{reported}");
        assert_eq!(reported["partition-table"], "mbr");
        assert_eq!(reported["boot"]["efi-system-partition"], true);
        assert_eq!(reported["boot"]["boot-code"], true);
        assert_eq!(reported["encrypted-contents"], serde_json::json!(["BitLocker"]));
        let partition = &reported["partitions"][0];
        assert_eq!((&partition["start"], &partition["length"]), (&(1 << 20).into(), &(2 << 20).into()));
        assert_eq!((&partition["type"], &partition["active"]), (&"0xef".into(), &true.into()));
        let text = printed(&imgprep(folder.path(), &["info", file]));
        assert!(
            text.contains("partition 1:      2 MiB at 1 MiB, EFI system, BitLocker (encrypted), active"),
            "{text}"
        );
    }
}

#[test]
fn truncated_raw_has_a_finding() {
    let folder = tempfile::tempdir().unwrap();
    let disk = with(2 << 20, &[(0, &mbr(0x83, 2048, 4096))]);
    std::fs::write(folder.path().join("f.raw"), &disk).unwrap();
    let reported = json(folder.path(), &["info", "f.raw"]);
    let finding = &reported["findings"][0];
    assert_eq!((&finding["code"], &finding["offset"]), (&"raw.partition-past-end".into(), &446.into()));
    assert_eq!(finding["severity"], "error");
    let output = imgprep(folder.path(), &["convert", "f.raw", "f.zvhd2", "--size", "original", "-q"]);
    assert!(output.status.success(), "{}", printed(&output));
    let reported = json(folder.path(), &["info", "f.zvhd2", "--size", "original"]);
    let finding = &reported["findings"][0];
    assert_eq!((&finding["code"], &finding["offset"]), (&"disk.partition-past-end".into(), &Value::Null));
}

#[test]
fn encrypted_volume_is_reported_and_unopened_chains_have_no_contents() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("f.raw"), with(1 << 20, &[(0, b"LUKS\xba\xbe\0\x02")])).unwrap();
    let reported = json(folder.path(), &["info", "f.raw"]);
    assert_eq!((&reported["encrypted"], &reported["encryption"]), (&true.into(), &"luks".into()));
    assert_eq!(reported["contents"], "bare LUKS2, encrypted, no partitions");
    let images = testdata_gen::good();
    let chain = images.iter().find(|image| image.name == "qcow2-over-raw").unwrap();
    let path = write_files(&chain.files, folder.path()).unwrap().display().to_string();
    assert_eq!(json(folder.path(), &["info", &path])["contents"], Value::Null);
    let reported = json(folder.path(), &["info", &path, "--chain"]);
    assert_eq!(
        (&reported["images"][0]["contents"], &reported["images"][1]["contents"]),
        (&"unknown".into(), &Value::Null)
    );
}

/// Every used L1 entry points at the same table, so the file is small and its tables are not.
#[test]
fn allocation_is_not_counted_for_large_tables_in_a_small_file() {
    let folder = tempfile::tempdir().unwrap();
    for (tables, is_counted) in [(15_u64, true), (17, false)] {
        let size = tables << 29;
        let mut file = with((2 + tables as usize) << 16, &[(0, b"QFI\xfb\0\0\0\x03"), (20, &[0, 0, 0, 16])]);
        file[24..32].copy_from_slice(&size.to_be_bytes());
        file[36..40].copy_from_slice(&u32::try_from(tables).unwrap().to_be_bytes());
        file[40..48].copy_from_slice(&(1_u64 << 16).to_be_bytes());
        file[96..104].copy_from_slice(&[0, 0, 0, 4, 0, 0, 0, 104]);
        for index in 0..tables as usize {
            let at = (1 << 16) + 8 * index;
            file[at..at + 8].copy_from_slice(&((2 + index as u64) << 16).to_be_bytes());
        }
        std::fs::write(folder.path().join("f.qcow2"), &file).unwrap();
        let reported = json(folder.path(), &["info", "f.qcow2"]);
        assert_eq!(reported["virtual-size"], size, "{reported}");
        assert_eq!(reported["allocation"]["zero"].as_u64(), is_counted.then_some(size), "{reported}");
        let text = printed(&imgprep(folder.path(), &["info", "f.qcow2"]));
        let said_so = text.contains("allocation:       not counted (its tables are larger than 1 MiB: ");
        assert_eq!(said_so, !is_counted, "{text}");
    }
}

/// A program by its name, also where only administrators have it on their path.
fn found_program(name: &str) -> Option<String> {
    let places = [name.to_string(), format!("/usr/sbin/{name}"), format!("/sbin/{name}")];
    let found =
        places.into_iter().find(|place| Command::new(place).arg("-V").stdin(Stdio::null()).output().is_ok());
    if found.is_none() {
        skip(name, "what it writes");
    }
    found
}

#[test]
fn file_systems_of_real_programs_are_detected() {
    let folder = tempfile::tempdir().unwrap();
    let made: &[(&str, &[&str], &str)] = &[
        ("mkfs.ext4", &["-q", "-F", "f.raw"], "bare ext4, no partitions"),
        ("mkfs.ext3", &["-q", "-F", "f.raw"], "bare ext3, no partitions"),
        ("mkfs.ext2", &["-q", "-F", "f.raw"], "bare ext2, no partitions"),
        ("mkswap", &["f.raw"], "bare swap, no partitions"),
        ("mkfs.fat", &["-F", "12", "f.raw"], "bare FAT12, no partitions"),
        ("mkfs.fat", &["-F", "16", "f.raw"], "bare FAT16, no partitions"),
        ("mkfs.fat", &["-F", "32", "f.raw"], "bare FAT32, no partitions"),
        ("mkfs.xfs", &["-q", "-f", "f.raw"], "bare XFS, no partitions"),
        ("mkfs.btrfs", &["-q", "-f", "f.raw"], "bare Btrfs, no partitions"),
        ("mkfs.ntfs", &["-q", "-F", "-f", "f.raw"], "bare NTFS, no partitions"),
        ("mkfs.exfat", &["f.raw"], "bare exFAT, no partitions"),
    ];
    for (program, args, want) in made {
        let Some(program) = found_program(program) else { continue };
        let file = std::fs::File::create(folder.path().join("f.raw")).unwrap();
        // The smallest size that each of them accepts.
        file.set_len(if want.contains("XFS") || want.contains("Btrfs") { 512 << 20 } else { 64 << 20 })
            .unwrap();
        let size = if want.contains("FAT12") { 8 << 20 } else { file.metadata().unwrap().len() };
        file.set_len(size).unwrap();
        tool(folder.path(), &program, args);
        assert_eq!(json(folder.path(), &["info", "f.raw"])["contents"], *want);
    }
}

#[test]
fn a_gpt_of_a_real_program_is_read() {
    let Some(sfdisk) = found_program("sfdisk") else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::File::create(folder.path().join("f.raw")).unwrap().set_len(64 << 20).unwrap();
    std::fs::write(folder.path().join("script"), "label: gpt\nsize=16M,type=U,name=esp\ntype=L\n").unwrap();
    let script = std::fs::File::open(folder.path().join("script")).unwrap();
    let done = Command::new(sfdisk).arg("f.raw").current_dir(folder.path()).stdin(script).output().unwrap();
    assert!(done.status.success(), "{}", printed(&done));
    let reported = json(folder.path(), &["info", "f.raw"]);
    assert_eq!(reported["contents"], "GPT partitions");
    assert_eq!(reported["boot"]["efi-system-partition"], true);
    assert_eq!(reported["partitions"][0]["name"], "esp");
    assert_eq!(reported["findings"], serde_json::json!([]));
}

/// QEMU makes FAT file systems of folders, with partitions around them or without.
#[test]
fn file_systems_made_by_qemu_are_detected() {
    if !has_tool("qemu-img") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("files")).unwrap();
    std::fs::write(folder.path().join("files/a.txt"), "a").unwrap();
    let made = |from: &str| {
        tool(folder.path(), "qemu-img", &["convert", "-O", "raw", from, "f.raw"]);
        json(folder.path(), &["info", "f.raw"])
    };
    assert_eq!(made("fat:floppy:files")["contents"], "bare FAT12, no partitions");
    let reported = made("fat:16:files");
    assert_eq!(
        (&reported["contents"], &reported["partitions"][0]["contents"]),
        (&"MBR partitions".into(), &"FAT16".into())
    );
}
