//! Names and ids inside images: which are followed, which are rejected, and how.

use std::fs::{create_dir, write};
use std::os::unix::fs::symlink;
use std::path::Path;

use imgprep::{Disk, FollowPolicy, Limits, OpenOptions, ParseOptions};
use testdata_gen::{Cell, GoodImage, Qcow2, broken, good, write_files};

use crate::support::program::{imgprep, printed};

/// A QCOW2 of 128 KiB whose second cluster is full of `fill`, over `backing`.
fn layer(fill: u8, backing: Option<(&str, Option<&str>)>) -> Vec<u8> {
    let mut recipe = Qcow2::new(16, 2 << 16);
    recipe.cells.insert(1, Cell::Data(vec![fill; 1 << 16]));
    recipe.backing = backing.map(|(name, format)| (name.into(), format.map(str::to_string)));
    recipe.write().file
}

/// A QCOW2 that stores nothing, over `backing`.
pub(super) fn thin(backing: &str, format: &str, size: u64) -> Vec<u8> {
    let backing = Some((backing.to_string(), Some(format.to_string())));
    Qcow2 { backing, ..Qcow2::new(16, size) }.write().file
}

pub(super) fn image(name: &str) -> GoodImage {
    good().into_iter().find(|image| image.name == name).expect("it is there")
}

/// Converts `source` with these options, and must succeed; the disk.
pub(super) fn disk(folder: &Path, source: &str, options: &[&str]) -> Vec<u8> {
    let args = [&["convert", source, "out.raw", "--force", "--no-sync", "-q"], options].concat();
    let output = imgprep(folder, &args);
    assert!(output.status.success(), "{source} {options:?}: {}", printed(&output));
    std::fs::read(folder.join("out.raw")).unwrap()
}

/// Converts `source` with these options, which must be rejected with this code and without an output.
#[track_caller]
pub(super) fn refused(folder: &Path, source: &str, options: &[&str], code: &str) -> String {
    let args = [&["convert", source, "refused.raw", "--no-sync", "-q"], options].concat();
    let output = imgprep(folder, &args);
    let printed = printed(&output);
    assert_eq!(output.status.code(), Some(1), "{source} {options:?}: {printed}");
    assert!(printed.contains(&format!("[{code}")), "{source} {options:?}: {printed}");
    assert!(!folder.join("refused.raw").exists());
    printed
}

#[test]
fn chains_may_mix_formats() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    // QCOW2 over QCOW2 over a differencing VDI over VDI; the middle is known by its name, the base is not.
    let chain = image("vdi-over-vdi");
    write_files(&chain.files, folder).unwrap();
    write(folder.join("middle.qcow2"), thin("vdi-over-vdi.vdi", "vdi", 600_000)).unwrap();
    write(folder.join("top.qcow2"), thin("middle.qcow2", "qcow2", 600_000)).unwrap();
    assert!(disk(folder, "top.qcow2", &["--verify"]) == chain.disk);
    // QCOW2 over ZVHD2: a format of records below one of clusters.
    let compressed = image("zvhd2-zstd");
    write_files(&compressed.files, folder).unwrap();
    let size = compressed.disk.len() as u64;
    write(folder.join("over-zvhd2.qcow2"), thin("zvhd2-zstd.zvhd2", "zvhd2", size)).unwrap();
    assert!(disk(folder, "over-zvhd2.qcow2", &[]) == compressed.disk);
    // QCOW2 over QCOW2 over RAW.
    write(folder.join("base"), vec![1; 2 << 16]).unwrap();
    write(folder.join("lower.qcow2"), layer(2, Some(("base", Some("raw"))))).unwrap();
    write(folder.join("upper.qcow2"), thin("lower.qcow2", "qcow2", 2 << 16)).unwrap();
    assert!(disk(folder, "upper.qcow2", &[]) == [vec![1; 1 << 16], vec![2; 1 << 16]].concat());
}

#[test]
fn declared_backing_format_is_used_and_an_unknown_one_is_rejected() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    write(folder.join("base"), layer(3, None)).unwrap();
    // Declared RAW: read as RAW, although it begins like another format.
    write(folder.join("raw.qcow2"), thin("base", "raw", 2 << 16)).unwrap();
    assert!(disk(folder, "raw.qcow2", &[]).starts_with(b"QFI\xfb"));
    // Not declared: probed.
    let backing = Some(("base".into(), None));
    let quiet = Qcow2 { backing, ..Qcow2::new(16, 2 << 16) };
    write(folder.join("quiet.qcow2"), quiet.write().file).unwrap();
    assert!(disk(folder, "quiet.qcow2", &[])[1 << 16..] == vec![3; 1 << 16]);
    write(folder.join("floppy.qcow2"), thin("base", "floppy", 2 << 16)).unwrap();
    refused(folder, "floppy.qcow2", &[], "open.parent.format");
}

#[test]
fn cycles_of_every_length_and_format_are_rejected() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    write(folder.join("self.qcow2"), layer(1, Some(("self.qcow2", Some("qcow2"))))).unwrap();
    refused(folder, "self.qcow2", &[], "open.chain.cycle");
    for (name, below) in [("a", "b.qcow2"), ("b", "c.qcow2"), ("c", "a.qcow2")] {
        write(folder.join(format!("{name}.qcow2")), layer(1, Some((below, Some("qcow2"))))).unwrap();
    }
    refused(folder, "a.qcow2", &[], "open.chain.cycle");
    // Another name for the same file is the same file.
    write(folder.join("named.qcow2"), layer(1, Some(("hard", Some("qcow2"))))).unwrap();
    std::fs::hard_link(folder.join("named.qcow2"), folder.join("hard")).unwrap();
    refused(folder, "named.qcow2", &[], "open.chain.cycle");
    write(folder.join("linked.qcow2"), layer(1, Some(("soft", Some("qcow2"))))).unwrap();
    symlink("linked.qcow2", folder.join("soft")).unwrap();
    refused(folder, "linked.qcow2", &["--follow", "any"], "open.chain.cycle");
    // A description ends where nothing is opened, cycle or not.
    assert!(imgprep(folder, &["info", "a.qcow2"]).status.success());
    assert_eq!(imgprep(folder, &["info", "a.qcow2", "--follow", "beside"]).status.code(), Some(1));
}

#[test]
fn a_chain_ends_at_its_limit() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    write(folder.join("0.qcow2"), layer(0, None)).unwrap();
    for n in 1..300 {
        write(folder.join(format!("{n}.qcow2")), thin(&format!("{}.qcow2", n - 1), "qcow2", 2 << 16))
            .unwrap();
    }
    let open = |name: &str, chain_depth| {
        let limits = Limits { chain_depth, ..Limits::default() };
        let parse = ParseOptions { limits, ..ParseOptions::default() };
        Disk::open(
            &folder.join(name),
            &OpenOptions { parse, follow: FollowPolicy::Beside, ..OpenOptions::default() },
        )
    };
    assert_eq!(open("2.qcow2", 3).unwrap().layers().len(), 3);
    assert_eq!(open("3.qcow2", 3).err().unwrap().code().id, "open.chain.depth");
    assert_eq!(open("0.qcow2", 1).unwrap().layers().len(), 1);
    // The default limit.
    disk(folder, "255.qcow2", &[]);
    refused(folder, "256.qcow2", &[], "open.chain.depth");
    // The same for parents that are not named.
    let chain = image("vdi-chain-of-three");
    write_files(&chain.files, folder).unwrap();
    assert_eq!(open("vdi-chain-of-three.vdi", 3).unwrap().layers().len(), 3);
    assert_eq!(open("vdi-chain-of-three.vdi", 2).err().unwrap().code().id, "open.chain.depth");
}

#[test]
fn backing_names_that_are_not_file_names_are_never_opened() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    write(folder.join("base.raw"), vec![1; 2 << 16]).unwrap();
    let backing = [
        "json:{\"driver\":\"file\",\"filename\":\"base.raw\"}",
        "nbd://127.0.0.1/disk",
        "nbd:127.0.0.1:10809",
        "file:base.raw",
        "file:///etc/passwd",
        "http://127.0.0.1/base.raw",
        "fat:rw:.",
    ];
    for name in backing {
        write(folder.join("top.qcow2"), layer(1, Some((name, Some("raw"))))).unwrap();
        for follow in ["none", "beside", "any"] {
            let printed = refused(folder, "top.qcow2", &["--follow", follow], "open.name.protocol");
            let scheme = name.split(':').next().unwrap();
            assert!(printed.contains(&format!("a {scheme}: address")), "{printed}");
        }
        // A data file's name is as good as a backing file's.
        let data = Qcow2 { data_file: Some((name.into(), true)), ..Qcow2::new(16, 2 << 16) };
        write(folder.join("data.qcow2"), data.write().file).unwrap();
        refused(folder, "data.qcow2", &["--follow", "any"], "open.name.protocol");
        assert!(imgprep(folder, &["info", "data.qcow2"]).status.success(), "{name}");
    }
    for name in ["a\0b", "\0", "\u{1b}[2J"] {
        write(folder.join("top.qcow2"), layer(1, Some((name, Some("raw"))))).unwrap();
        let code = if name.contains('\0') { "open.name.invalid" } else { "open.name.missing" };
        let printed = refused(folder, "top.qcow2", &[], code);
        assert!(!printed.contains('\u{1b}'), "a name reaches the terminal as it is: {printed:?}");
    }
}

#[test]
fn each_follow_policy_opens_its_files_only() {
    let temp = tempfile::tempdir().unwrap();
    let (root, folder) = (temp.path(), temp.path().join("images"));
    create_dir(&folder).unwrap();
    create_dir(folder.join("below")).unwrap();
    for name in ["outside.raw", "images/beside.raw", "images/below/base.raw"] {
        write(root.join(name), vec![7; 2 << 16]).unwrap();
    }
    let absolute = root.join("outside.raw").display().to_string();
    let back = "../images/beside.raw";
    for (name, is_beside) in [
        ("beside.raw", true),
        ("./beside.raw", true),
        (back, true),
        ("below/../beside.raw", true),
        ("../outside.raw", false),
        ("below/base.raw", false),
        (&absolute, false),
    ] {
        write(folder.join("top.qcow2"), layer(1, Some((name, Some("raw"))))).unwrap();
        let printed = refused(&folder, "top.qcow2", &["--follow", "none"], "open.follow.denied");
        assert!(printed.contains(name), "{printed}");
        if is_beside {
            disk(&folder, "top.qcow2", &[]);
        } else {
            let printed = refused(&folder, "top.qcow2", &[], "open.follow.outside");
            assert!(printed.contains("--follow any"), "{printed}");
        }
        assert!(disk(&folder, "top.qcow2", &["--follow", "any"])[..1 << 16] == vec![7; 1 << 16]);
        // From another working folder, names are still relative to the image.
        disk(root, "images/top.qcow2", &["--follow", "any"]);
        // `info` opens no other file and names those that it would need.
        let output = imgprep(&folder, &["info", "top.qcow2", "--output", "json"]);
        let info: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(info["backing-filename"], name);
    }
    write(folder.join("top.qcow2"), layer(1, Some(("gone.raw", Some("raw"))))).unwrap();
    refused(&folder, "top.qcow2", &["--follow", "any"], "open.name.missing");
    assert!(imgprep(&folder, &["info", "top.qcow2"]).status.success());
}

#[test]
fn links_are_judged_by_their_targets() {
    let temp = tempfile::tempdir().unwrap();
    let (root, folder) = (temp.path(), temp.path().join("images"));
    create_dir(&folder).unwrap();
    write(root.join("secret"), vec![7; 2 << 16]).unwrap();
    write(folder.join("base"), vec![8; 2 << 16]).unwrap();
    symlink("../secret", folder.join("out")).unwrap();
    symlink("base", folder.join("in")).unwrap();
    symlink("../images/in", folder.join("in-twice")).unwrap();
    symlink("dangling", folder.join("nowhere")).unwrap();
    symlink("loop", folder.join("loop")).unwrap();
    for (name, code) in [
        ("out", Some("open.follow.outside")),
        ("in", None),
        ("in-twice", None),
        ("nowhere", Some("open.name.missing")),
        ("loop", Some("open.name.missing")),
    ] {
        write(folder.join("top.qcow2"), layer(1, Some((name, Some("raw"))))).unwrap();
        match code {
            Some(code) => drop(refused(&folder, "top.qcow2", &[], code)),
            None => assert!(disk(&folder, "top.qcow2", &[])[..1 << 16] == vec![8; 1 << 16]),
        }
        // A data file is subject to the same policy.
        let data = Qcow2 { data_file: Some((name.into(), true)), ..Qcow2::new(16, 2 << 16) };
        write(folder.join("data.qcow2"), data.write().file).unwrap();
        match code {
            Some(code) => drop(refused(&folder, "data.qcow2", &[], code)),
            None => drop(disk(&folder, "data.qcow2", &[])),
        }
    }
    write(folder.join("top.qcow2"), layer(1, Some(("out", Some("raw"))))).unwrap();
    assert!(disk(&folder, "top.qcow2", &["--follow", "any"])[..1 << 16] == vec![7; 1 << 16]);
}

/// Only where an identity can tell it from a namesake is a file taken for one that is named
/// with another machine's folder.
#[test]
fn foreign_absolute_path_is_not_resolved_without_an_id() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    write(folder.join("base.raw"), vec![1; 2 << 16]).unwrap();
    for name in ["C:\\images\\base.raw", "/srv/images/base.raw", "\\\\server\\share\\base.raw"] {
        write(folder.join("top.qcow2"), layer(1, Some((name, Some("raw"))))).unwrap();
        for (follow, code) in [("beside", "open.follow.outside"), ("any", "open.name.missing")] {
            refused(folder, "top.qcow2", &["--follow", follow], code);
        }
    }
    write(folder.join("top.qcow2"), layer(1, Some((".\\base.raw", Some("raw"))))).unwrap();
    disk(folder, "top.qcow2", &[]);
}

#[test]
fn broken_chains_are_described_without_their_parents() {
    let temp = tempfile::tempdir().unwrap();
    for image in broken().into_iter().filter(|image| image.code.starts_with("open.")) {
        let path = write_files(&image.files, temp.path()).unwrap().display().to_string();
        let output = imgprep(temp.path(), &["info", &path]);
        assert!(output.status.success(), "{}: {}", image.name, printed(&output));
        assert!(printed(&output).contains("not opened"), "{}: {}", image.name, printed(&output));
    }
}

/// A descriptor that was moved with its data, and still names the place on the machine that it came from.
#[test]
fn extents_with_foreign_paths_are_found_beside_the_descriptor() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let bytes = testdata_gen::Noise::new(3).bytes(64 << 10);
    write(folder.join("disk-flat.vmdk"), &bytes).unwrap();
    let descriptor = |lines: &[&str]| {
        let head =
            "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType=\"vmfs\"\n";
        write(folder.join("disk.vmdk"), format!("{head}{}\n", lines.join("\n"))).unwrap();
    };
    for name in ["C:\\VMs\\disk-flat.vmdk", "/vmfs/volumes/x/disk-flat.vmdk"] {
        descriptor(&[&format!("RW 128 VMFS \"{name}\"")]);
        assert!(disk(folder, "disk.vmdk", &[]) == bytes, "{name}");
        let info = printed(&imgprep(folder, &["info", "disk.vmdk", "--follow", "beside"]));
        assert!(info.contains("open.extent.beside") && info.contains("is read instead"), "{info}");
        refused(folder, "disk.vmdk", &["--follow", "none"], "open.follow.denied");
    }
    // Two files of one name: they cannot be distinguished.
    descriptor(&["RW 128 VMFS \"/a/disk-flat.vmdk\"", "RW 128 VMFS \"/b/disk-flat.vmdk\""]);
    refused(folder, "disk.vmdk", &[], "open.extent.same-name");
    descriptor(&["RW 128 VMFS \"/a/gone.vmdk\""]);
    refused(folder, "disk.vmdk", &[], "open.follow.outside");
}

/// A page that is gone reads as zeros, and zeros make a header that is wrong in some way: that is not the image's fault.
#[test]
fn file_that_shrinks_while_it_is_opened_is_an_io_error() {
    let temp = tempfile::tempdir().unwrap();
    let image = testdata_gen::good().into_iter().find(|image| image.format == "vhdx").unwrap();
    let path = testdata_gen::write_files(&image.files, temp.path()).unwrap();
    let file = imgprep::SourceFile::open(&path, imgprep::SourceOptions::default()).unwrap();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(65536).unwrap();
    let error = imgprep::open_source("a.vhdx".into(), file, &imgprep::OpenOptions::default()).unwrap_err();
    assert_eq!((error.class(), error.code().id), (imgprep::Class::Io, "io.read.changed"), "{error}");
    assert!(error.at().is_some(), "{error}");
}
