//! `imgprep check`: no good image gets an error, every broken one is reported under its rule and offset.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use testdata_gen::{Cell, GoodImage, Noise, Qcow2, anomalous, broken, good, sample, write_files};

use crate::support::program::{command, imgprep, root, said};

fn check(folder: &Path, args: &[&str]) -> Output {
    imgprep(folder, &[&["check"], args].concat())
}

fn json_of(folder: &Path, args: &[&str]) -> (Value, Option<i32>) {
    let output = check(folder, &[&["--output", "json"], args].concat());
    let json =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&output)));
    (json, output.status.code())
}

fn violations(json: &Value) -> Vec<&Value> {
    json["judgements"].as_array().into_iter().flatten().collect()
}

fn rules(json: &Value, severity: &str) -> Vec<String> {
    let of = |found: &&Value| found["severity"] == severity;
    violations(json).into_iter().filter(of).map(|found| found["rule"].as_str().unwrap().to_string()).collect()
}

/// Every rule that was reported for a file in these tests.
fn fired(json: &Value, all: &mut BTreeSet<String>) {
    all.extend(violations(json).iter().map(|found| found["rule"].as_str().unwrap().to_string()));
}

/// A QCOW2 with so many entries that point behind the end of the file, none beside another.
pub(crate) fn pointing_nowhere(count: u64) -> Vec<u8> {
    let cells = (0..count).map(|index| (2 * index, Cell::Data(vec![1; 4096]))).collect();
    let mut written = Qcow2 { cells, ..Qcow2::new(12, 4 << 20) }.write();
    for (index, at) in written.entries {
        let entry = (1u64 << 63 | ((1 << 30) + (index << 12))).to_be_bytes();
        written.file[usize::try_from(at).unwrap()..][..8].copy_from_slice(&entry);
    }
    written.file
}

#[test]
fn good_images_have_no_errors() {
    let folder = tempfile::tempdir().unwrap();
    // These disks begin like other images on purpose: `hostile_files` has that rule.
    let mut wrong = Vec::new();
    let nested = ["qed-over-raw-like-qcow2", "vhd-fixed-of-a-dynamic"];
    // These are read by the remaining footer: the missing one indicates a cut.
    let cut = ["vhd-end-without-cookie", "vhd-end-missing", "vhd-end-cut", "vhd-end-followed"];
    // It has an invalid line on purpose.
    let lines = ["vmdk-text-odd"];
    // The vendor's reader refuses it.
    let finished = ["zvhd2-zlib-finished"];
    let is_sound = |image: &GoodImage| {
        let name = &&*image.name;
        !nested.contains(name) && !cut.contains(name) && !lines.contains(name) && !finished.contains(name)
    };
    for image in good().into_iter().filter(is_sound) {
        let path = write_files(&image.files, folder.path()).unwrap().display().to_string();
        for follow in ["none", "beside"] {
            let (json, code) = json_of(folder.path(), &["--deep", "--follow", follow, &path]);
            let errors = rules(&json, "error");
            // Names of files that are not followed are errors, independent of the contents of these files.
            let is_named =
                |rule: &String| matches!(rule.as_str(), "safety/backing-file" | "safety/data-file");
            let (named, others): (Vec<_>, Vec<_>) = errors.into_iter().partition(is_named);
            let want = if follow == "none" && !named.is_empty() { 2 } else { 0 };
            if !others.is_empty() || code != Some(want) || (want == 0 && !named.is_empty()) {
                wrong.push(format!("{} --follow {follow}: exit {code:?}, {others:?}", image.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for name in ["mixed.zvhd", "sector.zvhd", "wide.zvhd", "zeros.zvhd", "zeros.zvhd2", "zeros-zlib.zvhd2"] {
        let path = root().join("tests/data/vendor").join(name).display().to_string();
        let (json, code) = json_of(folder.path(), &["--deep", &path]);
        assert_eq!((code, violations(&json).len()), (Some(0), 0), "{name}: {json:#}");
    }
}

/// The rule of `check`, which follows no names, for an image that is broken only if names are followed.
fn by_name(code: &str) -> &'static [&'static str] {
    match code {
        "open.name.missing" | "open.name.bad" | "open.chain.cycle" => {
            &["safety/backing-file", "safety/data-file", "safety/extent-path"]
        }
        _ if code.starts_with("open.parent.") => {
            &["safety/backing-file", "safety/data-file", "safety/extent-path"]
        }
        "open.name.protocol" | "open.gate.outside" => &["safety/outside-path"],
        _ if code.ends_with(".encrypted") => &["safety/encrypted"],
        _ => &[],
    }
}

#[test]
fn every_broken_image_is_reported_under_its_rule_and_offset() {
    let folder = tempfile::tempdir().unwrap();
    let all = broken();
    assert!(all.len() >= 60, "{}", all.len());
    let mut wrong = Vec::new();
    for image in all {
        let path = write_files(&image.files, folder.path()).unwrap().display().to_string();
        let named = by_name(image.code);
        // Without `--follow` what is wrong in another file is not seen: it is named.
        let is_told = ["none", "beside"].iter().any(|follow| {
            let (json, code) = json_of(folder.path(), &["--deep", "--follow", follow, &path]);
            let is_it = |found: &Value| {
                found["code"] == image.code && image.at.is_none_or(|at| found["offset"] == json!(at))
            };
            let by_rule = |found: &Value| named.contains(&found["rule"].as_str().unwrap());
            let found = violations(&json);
            found.iter().any(|found| by_rule(found) || (is_it(found) && code == Some(2)))
        });
        if !is_told {
            wrong.push(format!("{} ({} {:?})", image.name, image.code, image.at));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A file of the declared length without contents.
fn sparse(path: &Path, len: u64) {
    File::create(path).unwrap().set_len(len).unwrap();
}

const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// Lengths of files at their bounds, by files that are really so long.
#[test]
fn file_lengths_around_their_limits() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("disk.raw");
    // On, before and behind the bound: whether the rule fires.
    let cases = [
        ("import", "system", "size/file", 128 * GIB, [false, false, true]),
        ("import", "system", "size/file-exact", 128_000_000_000, [false, false, true]),
        ("import", "system", "size/file-exact", 128 * GIB, [true, true, false]),
        ("fast-raw", "data", "size/file", TIB, [false, false, true]),
        ("import", "system", "size/disk", TIB, [false, false, true]),
        ("import", "data", "size/disk", 2 * TIB, [false, false, true]),
        ("fast-raw", "data", "size/disk", TIB, [false, false, true]),
        ("import", "system", "size/disk-large", 128 * GIB, [false, false, true]),
        ("import", "system", "size/disk-small", GIB, [true, false, false]),
        ("import", "system", "size/whole-gib", 40 * GIB, [true, false, true]),
        ("import", "system", "after/replicate", 128 * GIB, [false, false, true]),
    ];
    for (route, disk, rule, bound, want) in cases {
        for (len, want) in [bound - 1, bound, bound + 1].into_iter().zip(want) {
            sparse(&raw, len);
            let args = ["--profile", "huawei-ims", "--route", route, "--disk", disk, "disk.raw"];
            let (json, _) = json_of(folder.path(), &args);
            let found = violations(&json).iter().any(|found| found["rule"] == rule);
            assert_eq!(found, want, "{route} {disk} {rule} at {len}: {json:#}");
        }
    }
}

/// Virtual sizes at their bounds: QCOW2 files of a few KiB.
#[test]
fn virtual_sizes_around_their_limits() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("import", "system", "size/disk", TIB, [false, false, true]),
        ("import", "data", "size/disk", 2 * TIB, [false, false, true]),
        ("import", "system", "size/disk-large", 128 * GIB, [false, false, true]),
        ("import", "system", "size/disk-small", GIB, [true, false, false]),
        ("import", "data", "after/export", 128 * GIB, [false, false, true]),
    ];
    for (route, disk, rule, bound, want) in cases {
        for (size, want) in [bound - 1, bound, bound + 1].into_iter().zip(want) {
            std::fs::write(folder.path().join("a.qcow2"), Qcow2::new(16, size).write().file).unwrap();
            let args = ["--profile", "otc", "--route", route, "--disk", disk, "a.qcow2"];
            let (json, code) = json_of(folder.path(), &args);
            let found = violations(&json).into_iter().find(|found| found["rule"] == rule);
            assert_eq!(found.is_some(), want, "{rule} at {size}: {json:#}");
            let is_error = found.is_some_and(|found| found["severity"] == "error");
            assert_eq!(code, Some(if is_error { 2 } else { 0 }), "{rule} at {size}");
            assert!(!rules(&json, "error").contains(&"size/file".into()), "the file is small");
        }
    }
}

/// Files that `testdata-gen` does not make: each named after its defect, with its rule.
#[test]
fn every_rule_is_reported_for_hostile_files() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let mut all = BTreeSet::new();
    let mut told = |name: &str, args: &[&str], rule: &str, code: i32| {
        let (json, exit) = json_of(folder, &[args, &[name]].concat());
        assert!(violations(&json).iter().any(|found| found["rule"] == rule), "{name} {rule}: {json:#}");
        assert_eq!(exit, Some(code), "{name} {rule}: {json:#}");
        fired(&json, &mut all);
    };
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    let with = |at: usize, magic: &[u8], len: usize| {
        let mut bytes = vec![0; len];
        bytes[at..at + magic.len()].copy_from_slice(magic);
        bytes
    };
    let mut polyglot = Qcow2::new(16, 1 << 20).write().file;
    let tail = polyglot.len() - 512;
    polyglot[tail..tail + 8].copy_from_slice(b"conectix");
    write("polyglot", &polyglot);
    told("polyglot", &[], "format/ambiguous", 2);
    write("archive.gz", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    told("archive.gz", &[], "format/no-disk", 2);
    told("archive.gz", &["--profile", "otc"], "format/accepted", 2);
    write("it's.hdd", &with(0, b"WithoutFreeSpace", 4096));
    told("it's.hdd", &[], "format/unread", 2);
    told("it's.hdd", &["--profile", "otc"], "format/accepted", 2);
    write("cd.iso", &with(32768, b"\x01CD001\x01", 40000));
    told("cd.iso", &["--profile", "otc"], "import/iso", 2);
    write("4kn.vhdx", &testdata_gen::vhdx_of_large_sectors());
    told("4kn.vhdx", &["--profile", "otc"], "import/sector-size", 2);
    let split = b"# Disk DescriptorFile\nversion=1\nCID=00000001\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\nRW 2048 FLAT \"a-flat.vmdk\" 0\n";
    write("split.vmdk", split);
    told("split.vmdk", &[], "structure/not-opened", 0);
    write("empty.raw", &[]);
    told("empty.raw", &[], "format/empty", 2);
    // A QCOW2 whose disk begins like another image.
    let inner = Qcow2::new(16, 1 << 20).write().file;
    let nested =
        Qcow2 { cells: [(0, Cell::Data(inner[..65536].to_vec()))].into(), ..Qcow2::new(16, 1 << 20) };
    write("nested.qcow2", &nested.write().file);
    told("nested.qcow2", &[], "safety/nested-format", 2);
    write("raw.img", &inner);
    told("raw.img", &["--from", "raw"], "safety/nested-format", 2);
    std::os::unix::fs::symlink("nested.qcow2", folder.join("link.qcow2")).unwrap();
    told("link.qcow2", &[], "safety/symlink", 2);
    let over = |backing: &str, format: Option<&str>| {
        let recipe = Qcow2::new(16, 1 << 20);
        Qcow2 { backing: Some((backing.into(), format.map(str::to_string))), ..recipe }.write().file
    };
    write("guessed.qcow2", &over("base", None));
    told("guessed.qcow2", &[], "safety/backing-format", 2);
    told("guessed.qcow2", &["--profile", "otc"], "import/snapshot", 2);
    write(
        "finished.zvhd2",
        &testdata_gen::zvhd2_of_disk(&[1; 4096], testdata_gen::ZvhdCompression::ZlibFinished),
    );
    told("finished.zvhd2", &[], "structure/vendor-layout", 2);
    write("linked.qcow2", &over("link.qcow2", Some("qcow2")));
    told("linked.qcow2", &[], "safety/symlink", 2);
    write("my disk.raw", &with(0, b"x", 4096));
    told("my disk.raw", &["--profile", "otc"], "import/name", 2);
    write("a-flat.vmdk", &with(0, b"x", 4096));
    told("a-flat.vmdk", &[], "format/extension", 2);
    told("a-flat.vmdk", &["--profile", "otc", "--from", "raw"], "import/flat-vmdk", 2);
    write("locked.qcow2", &Qcow2 { crypt: 2, ..Qcow2::new(16, 1 << 20) }.write().file);
    told("locked.qcow2", &["--profile", "otc"], "import/encrypted", 2);
    write("bare.raw", &with(0, b"x", 4096));
    told("bare.raw", &["--profile", "otc", "--route", "fast-raw"], "import/bitmap-missing", 2);
    write("bare.mf", &[]);
    told("bare.raw", &["--profile", "otc", "--route", "fast-raw"], "import/bitmap-stale", 2);
    write("bare.mf", &[1; 4096]);
    told("bare.raw", &["--profile", "otc", "--route", "fast-raw"], "import/min-disk", 0);
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(9);
    File::open(folder.join("bare.mf")).unwrap().set_modified(old).unwrap();
    told("bare.raw", &["--profile", "otc", "--route", "fast-raw"], "import/bitmap-stale", 2);
    let bitmap = imgprep(folder, &["bitmap", "bare.raw", "--force", "--bitmap-block", "512"]);
    assert!(bitmap.status.success(), "{}", said(&bitmap));
    let named = ["--profile", "otc", "--route", "fast-raw", "--bitmap-block", "512"];
    told("bare.raw", &named, "import/min-disk", 0);
    write("bare.mf", &[0; 4096]);
    told("bare.raw", &named, "import/bitmap-contents", 2);
    write("bare.mf", &[1; 4095]);
    told("bare.raw", &named, "import/bitmap-contents", 2);
    sparse(&folder.join("large.raw"), 2 * TIB + 1);
    told("large.raw", &["--profile", "otc"], "after/export", 2);
    sparse(&folder.join("odd.raw"), 128 * GIB - 1);
    told("odd.raw", &["--profile", "otc"], "size/file-exact", 0);
    sparse(&folder.join("wide.raw"), 129 * GIB);
    told("wide.raw", &["--profile", "otc", "--route", "import"], "size/disk-large", 2);
    // Reference counts: block 0 of the refcount table.
    let counted = |edit: fn(&mut [u8])| {
        let mut file =
            Qcow2 { cells: [(0, Cell::Data(vec![1; 65536]))].into(), ..Qcow2::new(16, 1 << 20) }.write().file;
        let at = |file: &[u8], at: usize| u64::from_be_bytes(file[at..at + 8].try_into().unwrap()) as usize;
        let table = at(&file, 48);
        let block = at(&file, table);
        edit(&mut file[block..block + 65536]);
        file
    };
    write("leak.qcow2", &counted(|block| block[2000..2002].copy_from_slice(&[0, 1])));
    let mut longer = std::fs::read(folder.join("leak.qcow2")).unwrap();
    longer.resize(1001 << 16, 0);
    write("leak.qcow2", &longer);
    told("leak.qcow2", &[], "structure/leak", 3);
    told("leak.qcow2", &["--deny", "structure/leak"], "structure/leak", 2);
    write("low.qcow2", &counted(|block| block[..2].copy_from_slice(&[0, 0])));
    told("low.qcow2", &[], "structure/refcount", 2);
    write("copied.qcow2", &counted(|block| block[6..8].copy_from_slice(&[0, 2])));
    told("copied.qcow2", &[], "structure/copied", 2);
    let mut unaligned = counted(|_| {});
    let table = u64::from_be_bytes(unaligned[48..56].try_into().unwrap()) as usize;
    unaligned[table + 6] = 2;
    write("unaligned.qcow2", &unaligned);
    told("unaligned.qcow2", &[], "structure/unchecked", 2);
    write("dirty.qcow2", &Qcow2 { incompatible: 1, ..Qcow2::new(16, 1 << 20) }.write().file);
    told("dirty.qcow2", &[], "structure/dirty", 0);
    told("dirty.qcow2", &["--deny", "warnings"], "structure/dirty", 3);
    let mut snapshots = Qcow2::new(16, 1 << 20);
    snapshots.snapshots = vec![("1".into(), "one".into(), [].into(), 1 << 20)];
    let written = snapshots.write();
    let mut file = written.file;
    let at = written.snapshot_table as usize;
    file[at + 6] = 2;
    write("snapshot.qcow2", &file);
    told("snapshot.qcow2", &[], "structure/snapshot", 2);
    let mut directory = vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 24];
    directory.extend((1u64 << 40).to_be_bytes());
    let marked = Qcow2 { extensions: vec![(0x2385_2875, directory)], ..Qcow2::new(16, 1 << 20) };
    let mut file = marked.write().file;
    file[95] = 1;
    write("bitmap.qcow2", &file);
    told("bitmap.qcow2", &[], "structure/bitmap", 2);
    told("bitmap.qcow2", &[], "structure/note", 2);
    for image in broken() {
        let path = write_files(&image.files, folder).unwrap().display().to_string();
        fired(&json_of(folder, &["--deep", &path]).0, &mut all);
        if image.code == "open.chain.cycle" {
            fired(&json_of(folder, &["--follow", "beside", &path]).0, &mut all);
        }
    }
    for image in anomalous() {
        let path = write_files(&image.files, folder).unwrap().display().to_string();
        let (json, _) = json_of(folder, &["--follow", "beside", &path]);
        let is_it =
            |found: &&Value| found["code"] == image.code && image.at.is_none_or(|at| found["offset"] == at);
        assert!(violations(&json).iter().any(is_it), "{}: {json:#}", image.name);
        fired(&json, &mut all);
    }
    let listed = said(&check(folder, &["--rules"]));
    let silent: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|id| !all.contains(*id))
        .collect();
    assert!(silent.is_empty(), "never reported: {silent:?}");
}

/// A disk of 4 MiB with an MBR and these bytes at the start of its two partitions, at 1 and 2 MiB.
fn partitioned(first: &[u8], second: &[u8]) -> Vec<u8> {
    let mut disk = vec![0; 4 << 20];
    disk[..2].copy_from_slice(&[0xeb, 0x63]);
    for (at, sector) in [(446, 2048u32), (462, 4096)] {
        disk[at + 4] = 0x83;
        disk[at + 8..at + 12].copy_from_slice(&sector.to_le_bytes());
        disk[at + 12..at + 16].copy_from_slice(&2048u32.to_le_bytes());
    }
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    disk[1 << 20..(1 << 20) + first.len()].copy_from_slice(first);
    disk[2 << 20..(2 << 20) + second.len()].copy_from_slice(second);
    disk
}

/// An image hidden in a partition is reported with its disk offset, for every format.
#[test]
fn contents_of_partitions_are_judged() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let inner = Qcow2::new(16, 1 << 20).write().file;
    let bitlocker = b"\xeb\x58\x90-FVE-FS-\0\x02";
    let luks = b"LUKS\xba\xbe\0\x02";
    let cases: [(&str, &[u8], &str, &str, i32); 5] = [
        ("hidden", &inner[..4096], "safety/nested-format", "partition 2 begins like a qcow2 image", 2),
        ("vmdk", b"KDMV\x01\0\0\0", "safety/nested-format", "partition 2 begins like a vmdk image", 2),
        ("luks", luks, "safety/encrypted", "partition 2 is encrypted with LUKS2", 0),
        ("bitlocker", bitlocker, "safety/encrypted", "partition 2 is encrypted with BitLocker", 0),
        ("plain", b"x", "", "", 0),
    ];
    for (name, start, rule, fact, exit) in cases {
        let mut boot = start.to_vec();
        // A volume of Windows has the signature of a boot sector.
        boot.resize(512.max(boot.len()), 0);
        boot[510..512].copy_from_slice(&[0x55, 0xaa]);
        let disk = partitioned(b"", &boot);
        let qcow2 = Qcow2::new(16, disk.len() as u64).with_disk(&disk, |_, data| Cell::Compressed(data));
        std::fs::write(folder.join(format!("{name}.raw")), &disk).unwrap();
        std::fs::write(folder.join(format!("{name}.qcow2")), qcow2.write().file).unwrap();
        for file in [format!("{name}.raw"), format!("{name}.qcow2")] {
            let (json, code) = json_of(folder, &[&file]);
            let of_safety: Vec<_> = violations(&json)
                .into_iter()
                .filter(|found| found["rule"].as_str().unwrap().starts_with("safety/"))
                .collect();
            assert_eq!(of_safety.len(), usize::from(!rule.is_empty()), "{file}: {json:#}");
            for found in of_safety {
                assert_eq!((found["rule"].as_str(), &found["disk"]["start"]), (Some(rule), &json!(2 << 20)));
                assert!(found["fact"].as_str().unwrap().starts_with(fact), "{found:#}");
            }
            assert_eq!(code, Some(exit), "{file}: {json:#}");
            let (json, _) = json_of(folder, &["--profile", "otc", &file]);
            let is_locked = rules(&json, "error").contains(&"import/encrypted".into());
            assert_eq!(is_locked, rule == "safety/encrypted", "{file}: {json:#}");
            let boots = |found: &&Value| {
                found["rule"] == "import/boot"
                    && found["fact"] == "an MBR with boot code: register it as BIOS"
            };
            assert!(violations(&json).iter().any(boots), "{file}: {json:#}");
        }
    }
}

/// A truncated RAW is recognised by its partitions only.
#[test]
fn disk_that_ends_before_its_partitions_is_reported_as_truncated() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let whole = partitioned(b"x", b"y");
    let cut = &whole[..(2 << 20) + 4096];
    std::fs::write(folder.join("whole.raw"), &whole).unwrap();
    std::fs::write(folder.join("cut.raw"), cut).unwrap();
    let qcow2 = Qcow2::new(16, cut.len() as u64).with_disk(cut, |_, data| Cell::Compressed(data));
    std::fs::write(folder.join("cut.qcow2"), qcow2.write().file).unwrap();
    for (name, code, at) in [
        ("cut.raw", "raw.partition-past-end", json!(462)),
        ("cut.qcow2", "disk.partition-past-end", Value::Null),
    ] {
        let (json, exit) = json_of(folder, &["--profile", "otc", name]);
        let is_it = |found: &&Value| {
            found["rule"] == "structure/cut" && found["code"] == code && found["offset"] == at
        };
        assert!(violations(&json).iter().any(is_it), "{name}: {json:#}");
        assert_eq!(exit, Some(2), "{name}: {json:#}");
        let reasons = json["routes"].as_array().unwrap().iter().map(|route| &route["reason"]);
        for reason in reasons {
            assert!(
                reason.as_str().unwrap().starts_with("the disk is incomplete (structure/cut): "),
                "{reason}"
            );
        }
    }
    assert_eq!(rules(&json_of(folder, &["whole.raw"]).0, "error"), Vec::<String>::new());
}

/// Without its backing file the boot sector is unknown.
#[test]
fn incomplete_disk_is_not_reported_as_bootable() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::write(folder.join("base.raw"), partitioned(b"", b"")).unwrap();
    let backing = Some(("base.raw".to_string(), Some("raw".to_string())));
    let over = Qcow2 { backing, ..Qcow2::new(16, 4 << 20) };
    std::fs::write(folder.join("over.qcow2"), over.write().file).unwrap();
    let boots = |follow: &str| {
        let (json, _) = json_of(folder, &["--profile", "otc", "--follow", follow, "over.qcow2"]);
        violations(&json).iter().any(|found| found["rule"] == "import/boot")
    };
    assert_eq!((boots("none"), boots("beside")), (false, true));
}

/// Bits that a reader may ignore are reported, by the names that the image stores.
#[test]
fn unknown_optional_features_of_a_qcow2_are_reported() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let entry =
        |set: u8, bit: u8, name: &str| [&[set, bit][..], name.as_bytes(), &vec![0; 46 - name.len()]].concat();
    let names = [entry(0, 5, "wrong set"), entry(1, 5, "fast scan"), entry(2, 63, "change log")].concat();
    let recipe = Qcow2 { extensions: vec![(0x6803_f857, names)], ..Qcow2::new(16, 1 << 20) };
    let mut file = recipe.write().file;
    std::fs::write(folder.join("a.qcow2"), &file).unwrap();
    assert!(violations(&json_of(folder, &["a.qcow2"]).0).is_empty(), "a table of names says nothing");
    // Bit 5 of the compatible ones, 63 and 7 of the autoclear ones, and those that are known.
    (file[87], file[88], file[95]) = (0x21, 0x80, 0x81);
    std::fs::write(folder.join("a.qcow2"), &file).unwrap();
    let (json, code) = json_of(folder, &["a.qcow2"]);
    let told: Vec<_> = violations(&json)
        .into_iter()
        .filter(|found| found["rule"] == "safety/optional-feature")
        .map(|found| {
            (
                found["severity"].as_str().unwrap(),
                found["offset"].as_u64().unwrap(),
                found["fact"].as_str().unwrap(),
            )
        })
        .collect();
    let want = [
        ("warning", 88, "unknown autoclear features: bit 7, change log"),
        ("note", 80, "unknown compatible features: fast scan"),
    ];
    assert_eq!((told, code), (want.to_vec(), Some(0)), "{json:#}");
}

/// A QCOW2 of 1 MiB in clusters of 64 KiB with one of data, over this backing file.
fn layer(backing: Option<&str>) -> Qcow2 {
    let cells = [(3, Cell::Data(vec![1; 65536]))].into();
    let backing = backing.map(|name| (name.to_string(), Some("qcow2".to_string())));
    Qcow2 { backing, cells, ..Qcow2::new(16, 1 << 20) }
}

/// With `--follow` every layer is judged, and each violation names its file.
#[test]
fn every_layer_of_a_chain_is_checked() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::create_dir(folder.join("in")).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join("in").join(name), bytes).unwrap();
    let written = layer(None).write();
    let mut base = written.file;
    let entry = usize::try_from(written.entries[&3]).unwrap();
    base[entry..entry + 8].copy_from_slice(&(1u64 << 63 | 1 << 40).to_be_bytes());
    write("base.qcow2", &base);
    write("mid.qcow2", &Qcow2 { incompatible: 1, ..layer(Some("base.qcow2")) }.write().file);
    write("top.qcow2", &layer(Some("mid.qcow2")).write().file);
    let of = |json: &Value| -> BTreeSet<(String, Option<String>)> {
        let word = |value: &Value| value.as_str().map(String::from);
        violations(json).iter().map(|found| (word(&found["rule"]).unwrap(), word(&found["file"]))).collect()
    };
    let (json, code) = json_of(folder, &["in/top.qcow2"]);
    assert_eq!((of(&json), code), ([("safety/backing-file".to_string(), None)].into(), Some(2)));
    let (json, code) = json_of(folder, &["--follow", "beside", "in/top.qcow2"]);
    for (rule, file) in [
        ("safety/backing-file", None),
        ("safety/backing-file", Some("in/mid.qcow2")),
        ("structure/dirty", Some("in/mid.qcow2")),
        ("structure/past-end", Some("in/base.qcow2")),
        ("structure/leak", Some("in/base.qcow2")),
    ] {
        assert!(of(&json).contains(&(rule.into(), file.map(String::from))), "{rule} {file:?}: {json:#}");
    }
    assert_eq!((code, &json["corruptions"]), (Some(2), &json!(0)), "the numbers are the top's");
    let past = violations(&json).into_iter().find(|found| found["code"] == "qcow2.l2.past-end").unwrap();
    assert_eq!((&past["offset"], &past["disk"]["start"]), (&json!(entry), &json!(3 << 16)), "{past:#}");
    let sarif = check(folder, &["--follow", "beside", "--output", "sarif", "in/top.qcow2"]);
    let sarif: Value = serde_json::from_slice(&sarif.stdout).unwrap();
    let uris: BTreeSet<&str> = sarif["runs"][0]["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap())
        .collect();
    assert_eq!(uris, ["in/base.qcow2", "in/mid.qcow2", "in/top.qcow2"].into());
    let text = said(&check(folder, &["--follow", "beside", "in/top.qcow2"]));
    assert!(
        text.contains("[structure/dirty, qcow2.header.dirty, in in/mid.qcow2, file offset 72]"),
        "{text}"
    );
    let lines = said(&check(folder, &["--follow", "beside", "--output", "github", "in/top.qcow2"]));
    assert!(lines.contains("::warning file=in/mid.qcow2,line=1,title=structure/dirty::"), "{lines}");
}

/// With `--deep` the payloads of every layer are decompressed.
#[test]
fn deep_decompresses_the_payloads_of_lower_layers() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let cells = [(5, Cell::Compressed(vec![7; 65536]))].into();
    let written = Qcow2 { cells, ..layer(None) }.write();
    let mut base = written.file;
    base[usize::try_from(written.places[&5]).unwrap()..][..8].fill(0xff);
    std::fs::write(folder.join("base.qcow2"), &base).unwrap();
    std::fs::write(folder.join("top.qcow2"), layer(Some("base.qcow2")).write().file).unwrap();
    for (args, want) in
        [(&["--follow", "beside"][..], 0), (&["--follow", "beside", "--deep"], 1), (&["--deep"], 0)]
    {
        let (json, _) = json_of(folder, &[args, &["top.qcow2"]].concat());
        let is_it = |found: &&Value| found["rule"] == "structure/payload" && found["file"] == "base.qcow2";
        assert_eq!(violations(&json).into_iter().filter(is_it).count(), want, "{args:?}: {json:#}");
    }
}

/// Files that this program reads safely and other programs read differently.
#[test]
fn contradicting_vmdk_is_reported_under_a_safety_rule() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let cases = [
        ("vmdk-footer-descriptor", "safety/footer-differs", "error", 2),
        ("vmdk-footer-overhead", "safety/footer-differs", "warning", 0),
        ("vmdk-stream-footer-capacity", "safety/footer-differs", "error", 2),
        ("vmdk-descriptor-odd-line", "safety/descriptor-line", "error", 2),
        ("vmdk-descriptor-almost-an-extent", "safety/descriptor-line", "error", 2),
        ("vmdk-descriptor-behind-end", "structure/header", "warning", 0),
        ("vmdk-descriptor-cut", "structure/header", "error", 2),
    ];
    let odd = anomalous().into_iter().map(|image| (image.name, image.files, image.at));
    let broken = broken().into_iter().map(|image| (image.name, image.files, image.at));
    let images: Vec<_> = odd.chain(broken).collect();
    for (name, rule, severity, exit) in cases {
        let (_, files, at) = images.iter().find(|image| image.0 == name).unwrap();
        let path = write_files(files, folder).unwrap().display().to_string();
        let (json, code) = json_of(folder, &["--follow", "beside", &path]);
        let is_it = |found: &&Value| {
            found["rule"] == rule && found["severity"] == severity && found["offset"] == json!(at)
        };
        assert!(violations(&json).iter().any(is_it), "{name}: {json:#}");
        assert_eq!(code, Some(exit), "{name}: {json:#}");
    }
}

#[test]
fn header_that_declares_huge_tables_needs_little_memory() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let base =
        Qcow2 { cells: [(0, Cell::Data(vec![1; 65536]))].into(), ..Qcow2::new(16, 1 << 20) }.write().file;
    let edits: &[(&str, &[(usize, &[u8])])] = &[
        ("16 EiB of disk", &[(24, &[0xff; 8])]),
        ("2^32 L1 entries", &[(36, &[0xff; 4])]),
        ("2^32 clusters of refcount table", &[(56, &[0xff; 4])]),
        ("2^32 snapshots", &[(60, &[0xff; 4])]),
        ("a refcount table at 2^63", &[(48, &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0])]),
        ("64 KiB of all ones", &[(4096, &[0xff; 4096])]),
        ("a snapshot table over everything", &[(60, &[0, 0, 255, 255, 0, 0, 0, 0, 0, 1, 0, 0])]),
    ];
    for (name, edit) in edits {
        for len in [base.len() as u64, 1 << 42] {
            let mut file = base.clone();
            for (at, bytes) in *edit {
                file[*at..at + bytes.len()].copy_from_slice(bytes);
            }
            std::fs::write(folder.join("bomb.qcow2"), &file).unwrap();
            File::options().write(true).open(folder.join("bomb.qcow2")).unwrap().set_len(len).unwrap();
            // Not more than the mapping of the file and 400 MiB, of which the program's own code is the most;
            // not more than 20 s of processor time, also on the slowest of machines.
            let limit = len / 1024 + (400 << 10);
            let program = command(folder, &[]).get_program().to_os_string();
            let script = format!(
                "ulimit -v {limit}; ulimit -t 20; exec \"$0\" check --deep -j 1 --output json bomb.qcow2"
            );
            let output = std::process::Command::new("bash")
                .args(["-c", &script])
                .arg(program)
                .current_dir(folder)
                .output()
                .unwrap();
            let json: Value = serde_json::from_slice(&output.stdout)
                .unwrap_or_else(|error| panic!("{name} in {len} bytes: {error}: {}", said(&output)));
            assert!(output.status.code().is_some(), "{name} in {len} bytes: {json:#}");
        }
    }
}

#[test]
fn many_files_and_folders_at_once_in_order_with_one_summary() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::create_dir_all(folder.join("images/deeper")).unwrap();
    let image = Qcow2::new(16, 1 << 20).write().file;
    for n in 0..20 {
        std::fs::write(folder.join(format!("images/{n:02}.qcow2")), &image).unwrap();
    }
    std::fs::write(folder.join("images/deeper/noext"), &image).unwrap();
    std::fs::write(folder.join("images/README.md"), "no image").unwrap();
    std::fs::write(folder.join("images/07.qcow2"), &image[..90]).unwrap();
    let mut outputs = Vec::new();
    for threads in ["1", "2", "7"] {
        let output = check(folder, &["-j", threads, "images", "gone.raw"]);
        assert_eq!(output.status.code(), Some(2));
        outputs.push(said(&output));
    }
    assert!(outputs.iter().all(|output| *output == outputs[0]));
    let names: Vec<&str> = outputs[0]
        .lines()
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split(':').next())
        .collect();
    assert_eq!(names.len(), 23, "{}", outputs[0]);
    assert_eq!((names[0], names[7], names[21]), ("images/00.qcow2", "images/07.qcow2", "gone.raw"));
    assert!(
        outputs[0]
            .ends_with("22 files: 20 fine, 0 with leaks or denied warnings, 1 with errors, 1 not checked\n")
    );
    let (json, _) = json_of(folder, &["images"]);
    assert_eq!(json["files"].as_array().unwrap().len(), 21);
    let output = check(folder, &["gone.raw"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
}

#[test]
fn configuration_is_found_in_parent_folders_and_options_override_it() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::create_dir_all(folder.join("a/b")).unwrap();
    let inside = folder.join("a/b");
    std::fs::write(inside.join("my disk.raw"), vec![1; 4096]).unwrap();
    assert_eq!(check(folder, &["--config-init"]).status.code(), Some(0));
    let again = check(folder, &["--config-init"]);
    assert_eq!(again.status.code(), Some(1), "{}", said(&again));
    let config = |text: &str| std::fs::write(folder.join("imgprep.toml"), text).unwrap();
    config("[check]\nprofile = \"otc\"\nallow = [\"size/*\"]\ndeny = [\"warnings\"]\n");
    let (json, code) = json_of(&inside, &["my disk.raw"]);
    assert_eq!((rules(&json, "error"), code), (vec!["import/name".to_string()], Some(2)));
    assert!(!violations(&json).iter().any(|found| found["rule"].as_str().unwrap().starts_with("size/")));
    let (json, code) = json_of(&inside, &["--warn", "import/name", "my disk.raw"]);
    assert_eq!((rules(&json, "warning"), code), (vec!["import/name".to_string()], Some(3)));
    config("[check]\nprofil = \"otc\"\n");
    let output = check(&inside, &["my disk.raw"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("imgprep.toml:2:1: "), "{}", said(&output));
    config("[check]\ndeny = [\"no/rule\"]\n");
    assert_eq!(check(&inside, &["my disk.raw"]).status.code(), Some(1));
    config("");
    let text = std::fs::read_to_string(root().join("crates/policy/profiles/otc.toml")).unwrap();
    std::fs::write(folder.join("mine.toml"), text.replace("name = \"otc\"", "name = \"mine\"")).unwrap();
    let (json, _) = json_of(&inside, &["--profile-file", "../../mine.toml", "my disk.raw"]);
    assert_eq!(json["routes"].as_array().unwrap().len(), 3);
    for wrong in [
        &["--profile", "mars"][..],
        &["--profile", "otc", "--route", "up"],
        &["--deny", "x/y"],
        &["--route", "import"],
    ] {
        let output = check(&inside, &[wrong, &["my disk.raw"]].concat());
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    }
    assert_eq!(check(&inside, &[]).status.code(), Some(1));
}

#[test]
fn rules_are_listed_and_explained() {
    let folder = tempfile::tempdir().unwrap();
    let listed = said(&check(folder.path(), &["--rules"]));
    assert!(listed.lines().count() > 40);
    for line in listed.lines() {
        let id = line.split_whitespace().next().unwrap();
        let output = check(folder.path(), &["--explain", id]);
        assert!(output.status.success() && said(&output).starts_with(id), "{id}");
    }
    let output = check(folder.path(), &["--explain", "size/fil"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("did you mean size/file?"), "{}", said(&output));
}

/// The commands that `check` gives are pasted into a shell, and the route is open afterwards.
#[test]
fn commands_of_the_routes_work() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let name = "it's my $disk.qcow2";
    std::fs::write(folder.join(name), &sample().files[0].bytes).unwrap();
    let program = command(folder, &[]).get_program().to_os_string();
    let bin = Path::new(&program).parent().unwrap().display().to_string();
    let path = format!("{bin}:{}", std::env::var("PATH").unwrap());
    for route in ["import", "fast-zvhd2"] {
        let (json, _) = json_of(folder, &["--profile", "huawei-ims", name]);
        let routes = json["routes"].as_array().unwrap();
        let line = routes.iter().find(|found| found["id"] == route).unwrap()["command"].as_str().unwrap();
        let before = crate::support::program::names(folder);
        let output = std::process::Command::new("bash")
            .args(["-c", line])
            .current_dir(folder)
            .env("PATH", &path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{line}: {}", said(&output));
        let made =
            crate::support::program::names(folder).into_iter().find(|name| !before.contains(name)).unwrap();
        let (json, code) = json_of(folder, &["--profile", "huawei-ims", "--route", route, &made]);
        assert_eq!(code, Some(0), "{line}: {json:#}");
        let ready = json["routes"].as_array().unwrap().iter().find(|found| found["id"] == route).unwrap();
        assert_eq!(ready["verdict"], "ready", "{line}");
        std::fs::write(folder.join(name), &sample().files[0].bytes).unwrap();
    }
}

#[test]
fn sarif_matches_its_schema() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    for image in broken() {
        write_files(&image.files, folder).unwrap();
    }
    let output = check(folder, &["--profile", "otc", "--output", "sarif", ".", "gone.raw"]);
    assert_eq!(output.status.code(), Some(2));
    let log: Value = serde_json::from_slice(&output.stdout).unwrap();
    let schema = std::fs::read(root().join("tests/data/sarif/sarif-schema-2.1.0.json")).unwrap();
    let mut schema: Value = serde_json::from_slice(&schema).unwrap();
    // Its pattern has a bracket that only the loosest of regular expressions take; no language is given here.
    for owner in ["run", "toolComponent"] {
        schema["definitions"][owner]["properties"]["language"] = json!({});
    }
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> =
        validator.iter_errors(&log).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert!(results.len() > 100);
    let region = |result: &Value| result["locations"][0]["physicalLocation"]["region"].clone();
    assert!(results.iter().all(|result| region(result)["startLine"] == 1));
    assert!(results.iter().any(|result| region(result)["byteOffset"].is_u64()));
    let prints: BTreeSet<&str> = results
        .iter()
        .map(|result| result["partialFingerprints"]["imgprepFinding/v1"].as_str().unwrap())
        .collect();
    assert_eq!(prints.len(), results.len(), "fingerprints are unique");
    let again = check(folder, &["--profile", "otc", "--output", "sarif", "-j", "1", ".", "gone.raw"]);
    assert!(again.stdout == output.stdout, "and stable");
}

#[test]
fn annotations_are_one_line_each() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::write(folder.join("a,b:c%.qcow2"), &Qcow2::new(16, 1 << 20).write().file[..90]).unwrap();
    let text = said(&check(folder, &["--output", "github", "a,b:c%.qcow2"]));
    assert_eq!(text.lines().count(), 1);
    assert!(
        text.starts_with("::error file=a%2Cb%3Ac%25.qcow2,line=1,title=structure/cut::the header needs"),
        "{text}"
    );
}

/// The walk reports such an entry with the lost range of the disk; the count of uses does not report it again.
#[test]
fn entry_past_the_end_is_reported_once() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::write(temp.path().join("many.qcow2"), pointing_nowhere(9)).unwrap();
    let (json, _) = json_of(temp.path(), &["many.qcow2"]);
    let told = violations(&json).iter().filter(|found| found["rule"] == "structure/past-end").count();
    assert_eq!(told, 9, "{json:#}");
}

/// Omitted findings of a rule are one entry with their number in every output.
#[test]
fn omitted_findings_are_counted_in_every_output() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::write(folder.join("many.qcow2"), pointing_nowhere(107)).unwrap();
    let of =
        |output: &str| String::from_utf8(check(folder, &["--output", output, "many.qcow2"]).stdout).unwrap();
    let json: Value = serde_json::from_str(&of("json")).unwrap();
    let more = json["more"]["structure/past-end"].as_u64().unwrap();
    let kept = violations(&json).iter().filter(|found| found["rule"] == "structure/past-end").count() as u64;
    assert_eq!((kept, json["counts"]["errors"].as_u64() > Some(kept)), (100, true));
    let says = format!("and {more} more under this rule");
    let sarif: Value = serde_json::from_str(&of("sarif")).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let is_it =
        |result: &&Value| result["message"]["text"] == says && result["ruleId"] == "structure/past-end";
    let told: Vec<_> = results.iter().filter(is_it).map(|result| result["level"].as_str()).collect();
    assert_eq!(told, [Some("error")]);
    let junit = quick_junit::Report::deserialize_from_str(&of("junit")).unwrap();
    let text = format!("{junit:?}");
    // As many clusters leak as entries point elsewhere.
    let alike = json["more"].as_object().unwrap().values().filter(|count| **count == more).count();
    assert_eq!(text.matches(&says).count(), alike, "once, in the text of its rule");
    let line = format!("::error file=many.qcow2,line=1,title=structure/past-end::{says}\n");
    assert_eq!(of("github").matches(&line).count(), 1, "{line}");
    // For people ten are enough, with the advice once.
    let text = of("text");
    assert!(
        text.contains(&format!("  error: and {} more [structure/past-end]\n", more + kept - 10)),
        "{text}"
    );
    assert_eq!(text.matches("[structure/past-end, ").count(), 10, "{text}");
    assert_eq!(text.matches("imgprep convert --salvage").count(), 1, "{text}");
}

/// Space that is taken and not used is a leak in every format that has such, and nothing worse.
#[test]
fn leaks_alone_exit_3_in_every_format() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let mut formats = BTreeSet::new();
    for image in anomalous().into_iter().filter(|image| image.code.ends_with("check.leak")) {
        let path = write_files(&image.files, folder).unwrap().display().to_string();
        let (json, code) = json_of(folder, &["--follow", "beside", &path]);
        let is_it = |found: &&Value| found["rule"] == "structure/leak" && found["code"] == image.code;
        assert!(violations(&json).iter().any(is_it), "{}: {json:#}", image.name);
        assert_eq!(code, Some(3), "{}: {json:#}", image.name);
        formats.insert(image.code.split('.').next().unwrap().to_string());
    }
    assert_eq!(formats, ["qcow", "qed", "vdi", "vhd", "vhdx", "vmdk"].map(String::from).into());
}

/// What is known and not read is judged like everything else, in a run of many files, too, each with a command
/// to go on with.
#[test]
fn a_format_without_a_reader_is_reported() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let write = |name: &str, at: usize, magic: &[u8]| {
        let mut bytes = vec![0; 40960];
        bytes[at..at + magic.len()].copy_from_slice(magic);
        std::fs::write(folder.join(name), bytes).unwrap();
    };
    let mut tar = vec![0; 512];
    tar[..8].copy_from_slice(b"disk.ovf");
    tar[124..135].copy_from_slice(b"00000000000");
    tar[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = tar.iter().map(|byte| u32::from(*byte)).sum::<u32>() + 8 * 32;
    tar[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let cases: [(&str, usize, &[u8], &str, &str, &str); 6] = [
        (
            "a b.hdd",
            0,
            b"WithoutFreeSpace",
            "parallels",
            "format/unread",
            "qemu-img convert -O raw 'a b.hdd' 'a b.hdd.raw'",
        ),
        (
            "a.dmg",
            40448,
            b"koly\0\0\0\x04\0\0\x02\0",
            "dmg",
            "format/unread",
            "qemu-img convert -O raw a.dmg a.dmg.raw",
        ),
        ("a.gz", 0, &[0x1f, 0x8b, 8], "gzip", "format/no-disk", "gzip -dc a.gz > a"),
        ("a.iso", 32768, b"\x01CD001\x01", "iso9660", "format/no-disk", ""),
        ("a.ova", 0, &tar, "ova", "format/no-disk", "tar xf a.ova"),
        ("a.xz", 0, b"\xfd7zXZ\0", "xz", "format/no-disk", "xz -dc a.xz > a"),
    ];
    for (name, at, magic, format, rule, remedy) in cases {
        write(name, at, magic);
        let (json, code) = json_of(folder, &[name]);
        let found = violations(&json);
        assert_eq!((found.len(), code), (1, Some(2)), "{json:#}");
        assert_eq!(
            (found[0]["rule"].as_str(), found[0]["remedy"].as_str().unwrap_or_default()),
            (Some(rule), remedy)
        );
        assert!(found[0]["offset"].is_u64(), "{json:#}");
        let kind = if format == "iso9660" { "iso" } else { format };
        assert_eq!((json["format"].as_str(), json.get("error")), (Some(kind), None), "{json:#}");
    }
    std::fs::write(folder.join("z.qcow2"), Qcow2::new(16, 1 << 20).write().file).unwrap();
    let text = said(&check(folder, &[".", "a.gz", "a.xz"]));
    assert!(
        text.ends_with("7 files: 1 fine, 0 with leaks or denied warnings, 6 with errors, 0 not checked\n"),
        "{text}"
    );
    assert_eq!(check(folder, &["--allow", "format/unread", "a.dmg"]).status.code(), Some(0));
}

/// A file in use, one that is no file, standard output that is closed.
#[test]
fn check_exits_1_if_a_file_cannot_be_checked() {
    let temp = tempfile::tempdir().unwrap();
    let output = check(temp.path(), &["/dev/null"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let (json, code) = json_of(temp.path(), &["gone.raw"]);
    assert_eq!((code, json["error"]["class"].as_str()), (Some(1), Some("io")));
}

/// Damaged payloads are seen with `--deep` only, in ZVHD's one stream, too.
#[test]
fn deep_decompresses_every_payload() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    for image in
        good().into_iter().filter(|image| image.format.starts_with("zvhd") && !image.name.contains("zeros"))
    {
        if image.name == "zvhd2-zlib-finished" {
            continue; // an error without `--deep`, too
        }
        let path = write_files(&image.files, folder).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.write_all_at(&Noise::new(3).bytes(64), 4096 + 48 + 10).unwrap();
        let path = path.display().to_string();
        assert_eq!(json_of(folder, &[&path]).1, Some(0), "{}", image.name);
        let (json, code) = json_of(folder, &["--deep", &path]);
        assert_eq!(
            (rules(&json, "error")[0].as_str(), code),
            ("structure/payload", Some(2)),
            "{}",
            image.name
        );
        assert_eq!(violations(&json)[0]["offset"], 4096 + 48, "{}", image.name);
    }
}

/// A ZVHD2 of two records, and the offset of its last page.
fn zvhd2() -> (Vec<u8>, usize) {
    let image = good().into_iter().find(|image| image.name == "zvhd2-zstd").expect("it is there");
    let bytes = image.files[0].bytes.clone();
    let last = bytes.len() - 4096;
    (bytes, last)
}

fn number(bytes: &[u8], at: usize) -> usize {
    usize::try_from(u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())).unwrap()
}

/// Puts the right checksum into a header page.
fn seal(page: &mut [u8]) {
    page[64..68].fill(0);
    let sum: u32 = page[..512].iter().map(|byte| u32::from(*byte)).sum();
    page[64..68].copy_from_slice(&(!sum).to_le_bytes());
}

/// What the vendor's reader relies on, and reading the disk does not.
#[test]
fn zvhd2_structure_rules_are_reported() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let (good, last) = zvhd2();
    let (index, count) = (number(&good, last + 96), number(&good, last + 136) & 0xffff_ffff);
    let both = |edit: &dyn Fn(&mut [u8])| {
        let mut file = good.clone();
        for page in [0, last] {
            edit(&mut file[page..page + 4096]);
            seal(&mut file[page..page + 4096]);
        }
        file
    };
    let with = |at: usize, byte: u8| {
        let mut file = good.clone();
        file[at] = byte;
        file
    };
    // A page of nothing before the second record, with all offsets moved.
    let mut gap = good.clone();
    let second = number(&good, index + 16);
    gap.splice(second..second, [0; 4096]);
    for rank in 1..count {
        let at = index + 4096 + rank * 16;
        let moved = number(&gap, at) as u64 + 4096;
        gap[at..at + 8].copy_from_slice(&moved.to_le_bytes());
    }
    for field in [96, 104] {
        let at = last + 4096 + field;
        let moved = number(&gap, at) as u64 + 4096;
        gap[at..at + 8].copy_from_slice(&moved.to_le_bytes());
    }
    seal(&mut gap[last + 4096..]);
    let cases = [
        (
            "current size",
            both(&|page| page[48..56].copy_from_slice(&(5u64 << 30).to_le_bytes())),
            "zvhd.header.current-size",
            2,
            last + 48,
        ),
        ("disk type", both(&|page| page[60] = 3), "zvhd.header.disk-type", 0, last + 60),
        (
            "application",
            both(&|page| page[28..32].copy_from_slice(b"vpc ")),
            "zvhd.header.application",
            0,
            last + 28,
        ),
        ("page behind the records", with(index - 4096, b'Z'), "zvhd.header.middle", 2, index - 4096),
        (
            "index behind its end",
            with(index + count * 16 + 100, 1),
            "zvhd.index.rest",
            0,
            index + count * 16 + 100,
        ),
        ("gap between records", gap, "zvhd.record.gap", 2, second + 4096),
    ];
    for (name, file, code, exit, at) in cases {
        std::fs::write(folder.join("a.zvhd2"), file).unwrap();
        let (json, got) = json_of(folder, &["a.zvhd2"]);
        let is_it = |found: &&Value| found["code"] == code && found["offset"] == at;
        assert!(violations(&json).iter().any(is_it), "{name}: {json:#}");
        assert_eq!(got, Some(exit), "{name}: {json:#}");
    }
    std::fs::write(folder.join("a.zvhd2"), good).unwrap();
    assert!(violations(&json_of(folder, &["--deep", "a.zvhd2"]).0).is_empty());
}

/// An interrupted check is reported as such.
#[test]
fn interrupted_check_does_not_pass_the_image() {
    let temp = tempfile::tempdir().unwrap();
    let image = testdata_gen::good().into_iter().find(|image| image.name.starts_with("qcow2-")).unwrap();
    let path = testdata_gen::write_files(&image.files, temp.path()).unwrap();
    let options = imgprep::CheckOptions {
        open: imgprep::OpenOptions::default(),
        profile: None,
        intent: imgprep::policy::CheckIntent::default(),
        depth: imgprep::Depth::Tables,
        bitmap: None,
    };
    let levels = imgprep::policy::Levels::default();
    crate::support::library::on_one_thread(|run| {
        assert_eq!(imgprep::check_file(&path, &options, run).outcome(&levels), imgprep::Outcome::Fine);
        run.interrupt.raise();
        let checked = imgprep::check_file(&path, &options, run);
        assert_eq!(checked.error.as_ref().map(imgprep::Error::code), Some("engine.interrupted"));
        assert_eq!(checked.outcome(&levels), imgprep::Outcome::Undone);
    });
}
