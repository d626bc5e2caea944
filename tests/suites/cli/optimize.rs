//! `imgprep optimize`: the same disk in a smaller file.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use serde_json::Value;
use testdata_gen::{Cell, Noise, Qcow2, disk_of};

use super::schemas::Schema;
use crate::support::program::{command, has_tool, imgprep, names, printed, tool};
use crate::support::written::convert;

const MIB: usize = 1 << 20;

/// Data, zeros and data again, all of them stored.
fn disk() -> Vec<u8> {
    disk_of(
        8 * MIB + 512,
        &[(0, Noise::new(3).bytes(MIB)), (5 * MIB + 4096, vec![7; 4096]), (8 * MIB, vec![1])],
    )
}

fn taken(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().blocks() * 512
}

fn optimized(folder: &Path, args: &[&str]) -> Value {
    let output = imgprep(folder, &[&["optimize", "--output", "json"], args].concat());
    assert!(output.status.success(), "{args:?}: {}", printed(&output));
    Schema::of("optimize").holds(&output.stdout, &format!("{args:?}"));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn rejected(folder: &Path, args: &[&str], want: &str) {
    let before: Vec<_> =
        names(folder).into_iter().map(|name| (std::fs::read(folder.join(&name)).ok(), name)).collect();
    let output = imgprep(folder, &[&["optimize"], args].concat());
    assert_eq!(output.status.code(), Some(1), "{args:?}: {}", printed(&output));
    assert!(printed(&output).contains(want), "{args:?}: {}", printed(&output));
    let after: Vec<_> =
        names(folder).into_iter().map(|name| (std::fs::read(folder.join(&name)).ok(), name)).collect();
    assert!(before == after, "{args:?}: a file changed");
}

#[test]
fn zeros_of_a_raw_become_holes_and_its_bytes_stay() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let path = folder.join("a.raw");
    std::fs::write(&path, disk()).unwrap();
    let before = taken(&path);
    let planned = optimized(folder, &["--dry-run", "a.raw"]);
    assert_eq!(taken(&path), before, "a dry run changes nothing");
    let done = optimized(folder, &["--in-place", "a.raw", "--bitmap"]);
    assert!(std::fs::read(&path).unwrap() == disk());
    assert_eq!((&done["method"], &done["before"]), (&"holes".into(), &before.into()));
    assert_eq!(done["after"].as_u64(), Some(taken(&path)));
    assert_eq!(planned["zeros"], done["zeros"]);
    assert!(taken(&path) + 6 * MIB as u64 <= before, "{done}");
    let bitmap = std::fs::read(folder.join("a.mf")).unwrap();
    assert!(imgprep(folder, &["bitmap", "a.raw", "b.mf"]).status.success());
    assert!(std::fs::read(folder.join("b.mf")).unwrap() == bitmap);
    let again = imgprep(folder, &["optimize", "--in-place", "a.raw"]);
    assert_eq!(printed(&again), "a.raw: nothing to gain: nothing was changed\n");
}

/// Only zeros are replaced, by zeros: there is no moment at which a byte is different.
#[test]
fn a_raw_is_intact_after_a_kill_at_any_moment() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let path = folder.join("a.raw");
    // Every second block is zeros: thousands of holes.
    let mut disk = vec![0; 32 * MIB];
    disk.chunks_mut(8192).for_each(|pair| pair[..4096].fill(5));
    let mut moments = Noise::new(9);
    for round in 0..50 {
        std::fs::write(&path, &disk).unwrap();
        let mut child = command(folder, &["optimize", "--in-place", "a.raw", "-q"]).spawn().unwrap();
        let moment = u64::from(u16::from_le_bytes(*moments.bytes(2).first_chunk().unwrap()));
        std::thread::sleep(std::time::Duration::from_micros(moment));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(std::fs::read(&path).unwrap() == disk, "round {round}");
        assert_eq!(names(folder), ["a.raw"]);
    }
}

#[test]
fn an_image_is_rewritten_without_zeros_and_keeps_its_variant_and_identity() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    // With clusters of zeros stored, as after `dd if=/dev/zero` in a guest.
    let full = vec![9; 8 * MIB + 512];
    std::fs::write(folder.join("full.raw"), &full).unwrap();
    std::fs::write(folder.join("want.raw"), disk()).unwrap();
    for (format, options) in [
        ("qcow2", "cluster_size=4k"),
        ("qcow2", "compat=0.10"),
        ("vdi", "static=off"),
        ("vhd", "block_size=512K"),
        ("vhdx", "block_size=1M"),
        ("qed", "cluster_size=64k"),
        ("vmdk", "grain=64K"),
    ] {
        let name = format!("a.{format}");
        convert(folder, &["full.raw", &name, "-o", options]);
        overwrite(folder, &name, &disk());
        let before = imgprep(folder, &["info", "--output", "json", &name]);
        std::fs::set_permissions(folder.join(&name), std::fs::Permissions::from_mode(0o640)).unwrap();
        let done = optimized(folder, &["--in-place", &name]);
        assert_eq!(done["method"], "rewrite", "{name}");
        let found = std::fs::metadata(folder.join(&name)).unwrap();
        assert_eq!((done["after"].as_u64(), found.mode() & 0o777), (Some(found.len()), 0o640), "{name}");
        assert!(done["zeros"].as_u64().unwrap() >= 5 * MIB as u64, "{name}: {done}");
        let named: u64 = ["zeros", "leaks", "other"].map(|part| done[part].as_u64().unwrap()).iter().sum();
        // The last block may end after the disk.
        assert!(named >= done["saved"].as_u64().unwrap(), "{name}: {done}");
        assert_eq!(done["compressed"], false, "{name}");
        assert!(imgprep(folder, &["compare", &name, "want.raw", "-F", "raw"]).status.success(), "{name}");
        assert_eq!(
            printed(&imgprep(folder, &["check", "--deep", &name])),
            format!("{name}: {format}, fine\n")
        );
        let after = imgprep(folder, &["info", "--output", "json", &name]);
        let [before, after] =
            [before, after].map(|info| serde_json::from_slice::<Value>(&info.stdout).unwrap());
        let fact = |info: &Value, name: &str| info["format-specific"]["data"][name].clone();
        let id = ["uuid", "virtual-disk-id"].map(|name| fact(&after, name));
        let has_id = ["vdi", "vhd", "vhdx", "vmdk"].contains(&format);
        assert!(!has_id || id.iter().any(Value::is_string), "{format}: {after}");
        assert!(after["cluster-size"].is_u64(), "{format}");
        for name in ["uuid", "virtual-disk-id", "compat", "subformat", "create-type", "image-type"] {
            assert_eq!(fact(&before, name), fact(&after, name), "{format} {options}: {name}");
        }
        assert_eq!(before["cluster-size"], after["cluster-size"], "{format}");
    }
}

/// Overwrites the payload of an image whose blocks are all stored, in the order of the disk, with another disk.
fn overwrite(folder: &Path, name: &str, disk: &[u8]) {
    let map = imgprep(folder, &["map", "--output", "json", name]);
    let map: Value = serde_json::from_slice(&map.stdout).unwrap();
    let mut file = std::fs::read(folder.join(name)).unwrap();
    let extents = map["extents"].as_array().unwrap_or_else(|| map.as_array().unwrap());
    for extent in extents {
        let number = |key: &str| extent[key].as_u64().map(|number| number as usize);
        let (start, len, at) =
            (number("start").unwrap(), number("length").unwrap(), number("offset").unwrap());
        file[at..at + len].copy_from_slice(&disk[start..start + len]);
    }
    std::fs::write(folder.join(name), file).unwrap();
}

#[test]
fn a_better_level_makes_a_compressed_image_smaller() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let text: String =
        (0..400_000_u64).map(|line| format!("line {} of a log: {}\n", line, line * 7919 % 10_007)).collect();
    std::fs::write(folder.join("a.raw"), &text.as_bytes()[..8 * MIB]).unwrap();
    for (name, options) in
        [("a.zvhd2", "level=1"), ("z.zvhd2", "compression_type=zlib,level=1"), ("a.qcow2", "level=1")]
    {
        convert(folder, &["a.raw", name, "-o", options]);
        let before = std::fs::metadata(folder.join(name)).unwrap().len();
        let planned = optimized(folder, &["--dry-run", name, "--level", "9"]);
        assert_eq!(
            (&planned["compressed"], &planned["other"]),
            (&true.into(), &planned["saved"]),
            "{planned}"
        );
        let text = printed(&imgprep(folder, &["optimize", "--dry-run", name, "--level", "9"]));
        assert!(text.contains("  better compression and smaller tables: "), "{text}");
        let done = optimized(folder, &["--in-place", name, "--level", "9"]);
        assert_eq!((&done["after"], &done["other"]), (&planned["after"], &planned["other"]), "{name}");
        assert!(std::fs::metadata(folder.join(name)).unwrap().len() < before, "{name}");
        let same = imgprep(folder, &["compare", name, "a.raw", "-F", "raw"]);
        assert!(same.status.success(), "{name}: {}", printed(&same));
    }
}

/// Leaked, fragmented and stored zeros at once: a dry run names each of them.
#[test]
fn a_dry_run_names_every_saving() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let (zeros, data) = (Cell::Data(vec![0; 65536]), Cell::Data(vec![7; 65536]));
    let cells: BTreeMap<u64, Cell> =
        (0..16).map(|cluster| (cluster, if cluster < 5 { zeros.clone() } else { data.clone() })).collect();
    let mut file = Qcow2 { shuffled: true, cells, ..Qcow2::new(16, MIB as u64) }.write().file;
    // Three clusters after the last one, with a reference count each.
    let number = |file: &[u8], at: usize| u64::from_be_bytes(file[at..at + 8].try_into().unwrap()) as usize;
    let counts = number(&file, number(&file, 48));
    let end = file.len() / 65536;
    (end..end + 3).for_each(|cluster| file[counts + 2 * cluster + 1] = 1);
    file.resize((end + 3) * 65536, 0);
    std::fs::write(folder.join("a.qcow2"), &file).unwrap();
    let planned = optimized(folder, &["--dry-run", "a.qcow2"]);
    assert_eq!(planned["zeros"], 5 * 65536, "{planned}");
    assert_eq!(planned["leaks"], 3 * 65536, "{planned}");
    assert_eq!(planned["stored-clusters"], 16, "{planned}");
    assert!(planned["fragmented-clusters"].as_u64().is_some_and(|count| count > 8), "{planned}");
    assert_eq!(
        planned["saved"].as_u64().unwrap(),
        8 * 65536 + planned["other"].as_u64().unwrap(),
        "{planned}"
    );
    let text = printed(&imgprep(folder, &["optimize", "--dry-run", "a.qcow2"]));
    for want in ["zeros that were stored: 320 KiB", "leaked clusters: 192 KiB", "  fragmented clusters: "] {
        assert!(text.contains(want), "{want}: {text}");
    }
    assert!(std::fs::read(folder.join("a.qcow2")).unwrap() == file, "a dry run changes nothing");
    let done = optimized(folder, &["a.qcow2", "b.qcow2"]);
    for part in ["before", "after", "saved", "zeros", "leaks", "other", "fragmented-clusters"] {
        assert_eq!(done[part], planned[part], "{part}");
    }
    let again = optimized(folder, &["--dry-run", "b.qcow2"]);
    assert_eq!((&again["fragmented-clusters"], &again["stored-clusters"]), (&0.into(), &11.into()));
    assert_eq!((&again["zeros"], &again["leaks"]), (&0.into(), &0.into()));
}

#[test]
fn a_new_file_is_written_in_the_same_format() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::write(folder.join("a.raw"), disk()).unwrap();
    convert(folder, &["a.raw", "a.vdi", "-o", "static=on"]);
    for (source, to) in [("a.raw", "b.raw"), ("a.vdi", "b.vdi")] {
        optimized(folder, &[source, to]);
        assert!(
            std::fs::read(folder.join(source)).unwrap()[MIB..]
                == std::fs::read(folder.join(to)).unwrap()[MIB..]
                || source == "a.vdi"
        );
        let same = imgprep(folder, &["compare", "--strict", source, to]);
        assert!(same.status.success(), "{}", printed(&same));
        rejected(folder, &[source, to], "[io.output.exists]");
        rejected(folder, &[source, source], "[output.is-source]");
    }
    assert!(taken(&folder.join("b.raw")) < taken(&folder.join("a.raw")));
}

#[test]
fn a_file_that_a_program_has_open_is_left_alone() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::write(folder.join("a.raw"), disk()).unwrap();
    convert(folder, &["a.raw", "a.qcow2", "-o", "cluster_size=512"]);
    convert(folder, &["a.raw", "b.zvhd2", "-o", "level=1"]);
    let reader = File::open(folder.join("a.raw")).unwrap();
    rejected(folder, &["--in-place", "a.raw"], "a.raw: another program has the file open [in-place.in-use]");
    drop(reader);
    for name in ["a.raw", "b.zvhd2"] {
        let writer = File::options().write(true).open(folder.join(name)).unwrap();
        rejected(folder, &["--in-place", "--force", name], "[in-place.in-use]");
        drop(writer);
    }
    if has_tool("qemu-io") {
        let mut qemu = std::process::Command::new("qemu-io")
            .args(["-f", "qcow2", "a.qcow2"])
            .current_dir(folder)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // Its prompt is printed once the image is open.
        let mut prompt = [0; 4];
        std::io::Read::read_exact(qemu.stdout.as_mut().unwrap(), &mut prompt).unwrap();
        rejected(folder, &["--in-place", "a.qcow2"], "in-use]");
        drop(qemu.stdin.take());
        qemu.wait().unwrap();
    }
}

/// A mapping keeps a file in use after its descriptor is closed.
#[test]
fn a_file_that_a_program_has_mapped_is_left_alone() {
    if !has_tool("python3") {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::write(folder.join("a.raw"), disk()).unwrap();
    let script = "import mmap, sys\nwith open('a.raw', 'r+b') as file: held = mmap.mmap(file.fileno(), 0)\nprint('mapped', flush=True)\nsys.stdin.read()";
    let mut python = std::process::Command::new("python3")
        .args(["-c", script])
        .current_dir(folder)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut mapped = [0; 6];
    std::io::Read::read_exact(python.stdout.as_mut().unwrap(), &mut mapped).unwrap();
    rejected(folder, &["--in-place", "a.raw"], "[in-place.in-use]");
    drop(python.stdin.take());
    python.wait().unwrap();
    assert!(imgprep(folder, &["optimize", "--in-place", "a.raw"]).status.success());
}

#[test]
fn images_that_a_rewrite_would_damage_are_rejected() {
    if !has_tool("qemu-img") {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::write(folder.join("a.raw"), disk()).unwrap();
    convert(folder, &["a.raw", "base.qcow2"]);
    tool(
        folder,
        "qemu-img",
        &["create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "top.qcow2"],
    );
    convert(folder, &["a.raw", "snap.qcow2"]);
    tool(folder, "qemu-img", &["snapshot", "-c", "one", "snap.qcow2"]);
    let data_file = ["create", "-q", "-f", "qcow2", "-o", "data_file=data.raw", "data.qcow2", "1M"];
    tool(folder, "qemu-img", &data_file);
    convert(folder, &["a.raw", "flat.vmdk", "-o", "subformat=monolithicFlat"]);
    for (name, want) in [
        ("top.qcow2", "it has a backing file"),
        ("snap.qcow2", "it contains snapshots, which would be lost"),
        ("data.qcow2", "it consists of several files"),
        ("flat.vmdk", "it consists of several files"),
    ] {
        rejected(folder, &["--in-place", name], &format!("{want} [optimize.unsuitable]"));
        rejected(folder, &["--dry-run", name], &format!("{want} [optimize.unsuitable]"));
    }
    rejected(folder, &["--in-place", "base.qcow2", "--bitmap"], "[bitmap.needs-raw]");
}

#[test]
fn wrong_requests_are_rejected() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::write(folder.join("a.raw"), disk()).unwrap();
    std::fs::write(folder.join("text.raw"), "no disk\n").unwrap();
    convert(folder, &["a.raw", "a.qcow2"]);
    for (args, want) in [
        (&["a.raw"][..], "<DST|--in-place|--dry-run>"),
        (&["a.raw", "b.raw", "--in-place"], "cannot be used with"),
        (&["gone.raw", "--in-place"], "[io.open.not-found]"),
        (&["text.raw", "--in-place"], "text.raw"),
        (&["a.qcow2", "--in-place", "-o", "cluster_size=3"], "clusters have a power of two"),
        (&["a.raw", "--in-place", "--level", "3"], "raw has no options"),
        (&["a.raw", "--in-place", "--report", "a.raw"], "a.raw"),
    ] {
        rejected(folder, args, want);
    }
    let output = imgprep(folder, &["optimize", "--dry-run", "gone", "--output", "json"]);
    Schema::of("optimize").holds(&output.stdout, "an error");
}
