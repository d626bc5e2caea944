//! `imgprep check`: no good image gets an error, every broken one is reported under its rule and offset.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use serde_json::{Value, json};
use testdata_gen::{Cell, GoodImage, Qcow2, anomalous, broken, good, write_files};

use crate::support::checks::{check, fired, json_of, rules, violations};
use crate::support::program::{imgprep, printed, root};

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
        "open.name.missing" | "open.name.invalid" | "open.chain.cycle" => {
            &["safety/backing-file", "safety/data-file", "safety/extent-path"]
        }
        _ if code.starts_with("open.parent.") => {
            &["safety/backing-file", "safety/data-file", "safety/extent-path"]
        }
        "open.name.protocol" | "open.follow.outside" => &["safety/outside-path"],
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
        let is_reported = ["none", "beside"].iter().any(|follow| {
            let (json, code) = json_of(folder.path(), &["--deep", "--follow", follow, &path]);
            let is_it = |found: &Value| {
                found["code"] == image.code && image.at.is_none_or(|at| found["offset"] == json!(at))
            };
            let by_rule = |found: &Value| named.contains(&found["rule"].as_str().unwrap());
            let found = violations(&json);
            found.iter().any(|found| by_rule(found) || (is_it(found) && code == Some(2)))
        });
        if !is_reported {
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
    // On, before and after the bound: whether the rule fires.
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
    let mut checks = Checks { folder: temp.path(), fired: BTreeSet::new() };
    foreign_formats(&mut checks);
    names_and_nested_formats(&mut checks);
    imports(&mut checks);
    reference_counts(&mut checks);
    qcow2_structures(&mut checks);
    broken_and_anomalous_images(&mut checks);
    let listed = printed(&check(temp.path(), &["--rules"]));
    let silent: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|id| !checks.fired.contains(*id))
        .collect();
    assert!(silent.is_empty(), "never reported: {silent:?}");
}

/// Checks of files in one folder, and the rules that they reported.
struct Checks<'f> {
    folder: &'f Path,
    fired: BTreeSet<String>,
}

impl Checks<'_> {
    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.folder.join(name), bytes).unwrap();
    }

    /// Checks a file, which must be reported under this rule with this exit code.
    fn reports(&mut self, name: &str, args: &[&str], rule: &str, code: i32) {
        let (json, exit) = json_of(self.folder, &[args, &[name]].concat());
        assert!(violations(&json).iter().any(|found| found["rule"] == rule), "{name} {rule}: {json:#}");
        assert_eq!(exit, Some(code), "{name} {rule}: {json:#}");
        fired(&json, &mut self.fired);
    }
}

/// Zeros with these bytes at `at`.
fn bytes_at(at: usize, magic: &[u8], len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    bytes[at..at + magic.len()].copy_from_slice(magic);
    bytes
}

fn foreign_formats(checks: &mut Checks<'_>) {
    let mut polyglot = Qcow2::new(16, 1 << 20).write().file;
    let tail = polyglot.len() - 512;
    polyglot[tail..tail + 8].copy_from_slice(b"conectix");
    checks.write("polyglot", &polyglot);
    checks.reports("polyglot", &[], "format/ambiguous", 2);
    checks.write("archive.gz", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    checks.reports("archive.gz", &[], "format/no-disk", 2);
    checks.reports("archive.gz", &["--profile", "otc"], "format/accepted", 2);
    checks.write("it's.hdd", &bytes_at(0, b"WithoutFreeSpace", 4096));
    checks.reports("it's.hdd", &[], "format/unread", 2);
    checks.reports("it's.hdd", &["--profile", "otc"], "format/accepted", 2);
    checks.write("cd.iso", &bytes_at(32768, b"\x01CD001\x01", 40000));
    checks.reports("cd.iso", &["--profile", "otc"], "import/iso", 2);
    checks.write("4kn.vhdx", &testdata_gen::vhdx_of_large_sectors());
    checks.reports("4kn.vhdx", &["--profile", "otc"], "import/sector-size", 2);
    let split = b"# Disk DescriptorFile\nversion=1\nCID=00000001\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\nRW 2048 FLAT \"a-flat.vmdk\" 0\n";
    checks.write("split.vmdk", split);
    checks.reports("split.vmdk", &[], "structure/not-opened", 0);
    checks.write("empty.raw", &[]);
    checks.reports("empty.raw", &[], "format/empty", 2);
}

fn names_and_nested_formats(checks: &mut Checks<'_>) {
    // A QCOW2 whose disk begins like another image.
    let inner = Qcow2::new(16, 1 << 20).write().file;
    let nested =
        Qcow2 { cells: [(0, Cell::Data(inner[..65536].to_vec()))].into(), ..Qcow2::new(16, 1 << 20) };
    checks.write("nested.qcow2", &nested.write().file);
    checks.reports("nested.qcow2", &[], "safety/nested-format", 2);
    checks.write("raw.img", &inner);
    checks.reports("raw.img", &["--from", "raw"], "safety/nested-format", 2);
    std::os::unix::fs::symlink("nested.qcow2", checks.folder.join("link.qcow2")).unwrap();
    checks.reports("link.qcow2", &[], "safety/symlink", 2);
    let over = |backing: &str, format: Option<&str>| {
        let recipe = Qcow2::new(16, 1 << 20);
        Qcow2 { backing: Some((backing.into(), format.map(str::to_string))), ..recipe }.write().file
    };
    checks.write("guessed.qcow2", &over("base", None));
    checks.reports("guessed.qcow2", &[], "safety/backing-format", 2);
    checks.reports("guessed.qcow2", &["--profile", "otc"], "import/snapshot", 2);
    checks.write(
        "finished.zvhd2",
        &testdata_gen::zvhd2_of_disk(&[1; 4096], testdata_gen::ZvhdCompression::ZlibFinished),
    );
    checks.reports("finished.zvhd2", &[], "structure/vendor-layout", 2);
    checks.write("linked.qcow2", &over("link.qcow2", Some("qcow2")));
    checks.reports("linked.qcow2", &[], "safety/symlink", 2);
}

fn imports(checks: &mut Checks<'_>) {
    checks.write("my disk.raw", &bytes_at(0, b"x", 4096));
    checks.reports("my disk.raw", &["--profile", "otc"], "import/name", 2);
    checks.write("a-flat.vmdk", &bytes_at(0, b"x", 4096));
    checks.reports("a-flat.vmdk", &[], "format/extension", 2);
    checks.reports("a-flat.vmdk", &["--profile", "otc", "--from", "raw"], "import/flat-vmdk", 2);
    checks.write("locked.qcow2", &Qcow2 { crypt: 2, ..Qcow2::new(16, 1 << 20) }.write().file);
    checks.reports("locked.qcow2", &["--profile", "otc"], "import/encrypted", 2);
    checks.write("bare.raw", &bytes_at(0, b"x", 4096));
    checks.reports("bare.raw", &["--profile", "otc", "--route", "fast-raw"], "import/bitmap-missing", 2);
    checks.write("bare.mf", &[]);
    checks.reports("bare.raw", &["--profile", "otc", "--route", "fast-raw"], "import/bitmap-stale", 2);
    checks.write("bare.mf", &[1; 4096]);
    checks.reports("bare.raw", &["--profile", "otc", "--route", "fast-raw"], "import/min-disk", 0);
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(9);
    File::open(checks.folder.join("bare.mf")).unwrap().set_modified(old).unwrap();
    checks.reports("bare.raw", &["--profile", "otc", "--route", "fast-raw"], "import/bitmap-stale", 2);
    let bitmap = imgprep(checks.folder, &["bitmap", "bare.raw", "--force", "--bitmap-block", "512"]);
    assert!(bitmap.status.success(), "{}", printed(&bitmap));
    let named = ["--profile", "otc", "--route", "fast-raw", "--bitmap-block", "512"];
    checks.reports("bare.raw", &named, "import/min-disk", 0);
    checks.write("bare.mf", &[0; 4096]);
    checks.reports("bare.raw", &named, "import/bitmap-contents", 2);
    checks.write("bare.mf", &[1; 4095]);
    checks.reports("bare.raw", &named, "import/bitmap-contents", 2);
    sparse(&checks.folder.join("large.raw"), 2 * TIB + 1);
    checks.reports("large.raw", &["--profile", "otc"], "after/export", 2);
    sparse(&checks.folder.join("odd.raw"), 128 * GIB - 1);
    checks.reports("odd.raw", &["--profile", "otc"], "size/file-exact", 0);
    sparse(&checks.folder.join("wide.raw"), 129 * GIB);
    checks.reports("wide.raw", &["--profile", "otc", "--route", "import"], "size/disk-large", 2);
}

fn reference_counts(checks: &mut Checks<'_>) {
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
    checks.write("leak.qcow2", &counted(|block| block[2000..2002].copy_from_slice(&[0, 1])));
    let mut longer = std::fs::read(checks.folder.join("leak.qcow2")).unwrap();
    longer.resize(1001 << 16, 0);
    checks.write("leak.qcow2", &longer);
    checks.reports("leak.qcow2", &[], "structure/leak", 3);
    checks.reports("leak.qcow2", &["--deny", "structure/leak"], "structure/leak", 2);
    checks.write("low.qcow2", &counted(|block| block[..2].copy_from_slice(&[0, 0])));
    checks.reports("low.qcow2", &[], "structure/refcount", 2);
    checks.write("copied.qcow2", &counted(|block| block[6..8].copy_from_slice(&[0, 2])));
    checks.reports("copied.qcow2", &[], "structure/copied", 2);
    let mut unaligned = counted(|_| {});
    let table = u64::from_be_bytes(unaligned[48..56].try_into().unwrap()) as usize;
    unaligned[table + 6] = 2;
    checks.write("unaligned.qcow2", &unaligned);
    checks.reports("unaligned.qcow2", &[], "structure/unchecked", 2);
}

fn qcow2_structures(checks: &mut Checks<'_>) {
    checks.write("dirty.qcow2", &Qcow2 { incompatible: 1, ..Qcow2::new(16, 1 << 20) }.write().file);
    checks.reports("dirty.qcow2", &[], "structure/dirty", 0);
    checks.reports("dirty.qcow2", &["--deny", "warnings"], "structure/dirty", 3);
    let mut snapshots = Qcow2::new(16, 1 << 20);
    snapshots.snapshots = vec![("1".into(), "one".into(), [].into(), 1 << 20)];
    let written = snapshots.write();
    let mut file = written.file;
    let at = written.snapshot_table as usize;
    file[at + 6] = 2;
    checks.write("snapshot.qcow2", &file);
    checks.reports("snapshot.qcow2", &[], "structure/snapshot", 2);
    let mut directory = vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 24];
    directory.extend((1u64 << 40).to_be_bytes());
    let marked = Qcow2 { extensions: vec![(0x2385_2875, directory)], ..Qcow2::new(16, 1 << 20) };
    let mut file = marked.write().file;
    file[95] = 1;
    checks.write("bitmap.qcow2", &file);
    checks.reports("bitmap.qcow2", &[], "structure/bitmap", 2);
    checks.reports("bitmap.qcow2", &[], "structure/note", 2);
}

fn broken_and_anomalous_images(checks: &mut Checks<'_>) {
    let folder = checks.folder;
    for image in broken() {
        let path = write_files(&image.files, folder).unwrap().display().to_string();
        fired(&json_of(folder, &["--deep", &path]).0, &mut checks.fired);
        if image.code == "open.chain.cycle" {
            fired(&json_of(folder, &["--follow", "beside", &path]).0, &mut checks.fired);
        }
    }
    for image in anomalous() {
        let path = write_files(&image.files, folder).unwrap().display().to_string();
        let (json, _) = json_of(folder, &["--follow", "beside", &path]);
        let is_it =
            |found: &&Value| found["code"] == image.code && image.at.is_none_or(|at| found["offset"] == at);
        assert!(violations(&json).iter().any(is_it), "{}: {json:#}", image.name);
        fired(&json, &mut checks.fired);
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
        ("vmdk-descriptor-after-end", "structure/header", "warning", 0),
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
fn rules_are_listed_and_explained() {
    let folder = tempfile::tempdir().unwrap();
    let listed = printed(&check(folder.path(), &["--rules"]));
    assert!(listed.lines().count() > 40);
    for line in listed.lines() {
        let id = line.split_whitespace().next().unwrap();
        let output = check(folder.path(), &["--explain", id]);
        assert!(output.status.success() && printed(&output).starts_with(id), "{id}");
    }
    let output = check(folder.path(), &["--explain", "size/fil"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(printed(&output).contains("did you mean size/file?"), "{}", printed(&output));
}
