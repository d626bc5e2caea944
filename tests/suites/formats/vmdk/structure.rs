//! Structure checks of VHD and VMDK: every anomalous image is reported with its code at its offset, no good
//! image is called wrong.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use imgprep::{Finding, Severity};
use testdata_gen::{anomalous, broken, good, write_files};

use crate::formats::all::conformance::open;
use crate::formats::qcow2::differential::source;
use crate::support::program::{has_tool, tool};
use crate::support::structure::{check, cost_of_check};

const FORMATS: [&str; 2] = ["vhd", "vmdk"];

/// What is found as well where the first is found.
const FOLLOWS: [(&str, &str); 3] = [
    ("vhd.check.bat-overlap", "vhd.check.bat-beyond-disk"),
    ("vhd.check.locator-name", "vhd.check.parent-names"),
    ("vmdk.check.overhead", "vmdk.check.grain-in-overhead"),
];

#[test]
fn every_odd_image_is_told_with_code_and_place() {
    let mut counts = [0; 2];
    for image in anomalous() {
        let Some(format) = FORMATS.iter().position(|format| image.code.starts_with(&format!("{format}.")))
        else {
            continue;
        };
        counts[format] += 1;
        let folder = tempfile::tempdir().unwrap();
        let path = write_files(&image.files, folder.path()).unwrap();
        let disk = open(&path, None).unwrap_or_else(|error| panic!("{}: {error}", image.name));
        disk.visit_extents(&mut |_| ControlFlow::Continue(()))
            .unwrap_or_else(|error| panic!("{}: {error}", image.name));
        let (_, mut findings) = check(&disk);
        // What opening the image already reported is not reported again.
        if !image.code.contains(".check.") {
            findings.extend(disk.layers()[0].findings.iter().cloned());
        }
        let is_it = |finding: &&Finding| finding.code == image.code && finding.at == image.at;
        assert!(findings.iter().any(|finding| is_it(&finding)), "{}: {findings:#?}", image.name);
        // Nothing else but notes, and what follows from the same bytes.
        for other in findings.iter().filter(|other| other.severity > Severity::Note) {
            let follows = FOLLOWS.contains(&(image.code, other.code));
            assert!(other.code == image.code || follows, "{}: {findings:#?}", image.name);
        }
        assert!(findings.iter().all(|finding| finding.at.is_some()), "{}: {findings:#?}", image.name);
    }
    assert!(counts.iter().all(|count| *count >= 12), "{counts:?}");
}

#[test]
fn no_good_image_is_called_wrong() {
    for image in good().into_iter().filter(|image| FORMATS.contains(&image.format)) {
        let folder = tempfile::tempdir().unwrap();
        let path = write_files(&image.files, folder.path()).unwrap();
        let disk = open(&path, None).unwrap_or_else(|error| panic!("{}: {error}", image.name));
        let (checked, findings) = check(&disk);
        let errors: Vec<_> = findings.iter().filter(|found| found.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", image.name);
        assert_eq!((checked.leaks, checked.corruptions), (0, 0), "{}: {findings:#?}", image.name);
    }
}

/// Opens a file of `len` bytes with these pieces; the rest of it is a hole.
fn sparse(folder: &Path, name: &str, len: u64, pieces: &[(u64, &[u8])]) -> PathBuf {
    use std::os::unix::fs::FileExt;
    let path = folder.join(name);
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(len).unwrap();
    for (at, bytes) in pieces {
        file.write_all_at(bytes, *at).unwrap();
    }
    path
}

#[test]
fn what_a_header_declares_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let image = good().into_iter().find(|image| image.name == "vmdk-sparse-gtes-128").unwrap();
    // A directory of 2^37 entries, most of them in a hole of a terabyte.
    let mut header = image.files[0].bytes[..21 * 512].to_vec();
    let sectors = 1u64 << 47;
    header[12..20].copy_from_slice(&sectors.to_le_bytes());
    header[56..64].copy_from_slice(&128u64.to_le_bytes());
    header[64..72].copy_from_slice(&128u64.to_le_bytes());
    let text = String::from_utf8_lossy(&header[512..]).replace("RW 1953 ", &format!("RW {sectors} "));
    header.truncate(512);
    header.extend(text.as_bytes());
    let vmdk = sparse(folder.path(), "bomb.vmdk", 1 << 40, &[(0, &header)]);
    // A table of 2^32 - 1 entries in a hole.
    let image = good().into_iter().find(|image| image.name == "vhd-dynamic-12").unwrap();
    let mut start = image.files[0].bytes[..1536].to_vec();
    start[512 + 28..512 + 32].fill(0xff);
    start[512 + 36..512 + 40].fill(0);
    let sum = start[512..].iter().fold(0u32, |sum, byte| sum + u32::from(*byte));
    start[512 + 36..512 + 40].copy_from_slice(&(!sum).to_be_bytes());
    let len = 1536 + (1u64 << 34);
    let vhd = sparse(folder.path(), "bomb.vhd", len + 512, &[(0, &start), (len, &start[..512])]);
    for path in [vmdk, vhd] {
        let asked = cost_of_check(&path);
        assert!(asked.bytes() <= 64 << 10 && asked.calls() <= 100, "{}: {asked:?}", path.display());
    }
}

#[test]
fn what_qemu_writes_has_a_sound_structure() {
    if !has_tool("qemu-img") || !has_tool("qemu-io") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    source(folder.path());
    for option in [
        "vmdk -o subformat=monolithicSparse",
        "vmdk -o subformat=monolithicSparse,zeroed_grain=on",
        "vmdk -o subformat=twoGbMaxExtentSparse",
        "vmdk -o subformat=streamOptimized",
        "vmdk -o subformat=monolithicFlat",
        "vmdk -o subformat=twoGbMaxExtentFlat",
        "vpc -o subformat=dynamic",
        "vpc -o subformat=dynamic,force_size=on",
        "vpc -o subformat=fixed",
    ] {
        let words: Vec<_> =
            ["convert", "-f", "raw", "src.raw", "a.img", "-O"].into_iter().chain(option.split(' ')).collect();
        tool(folder.path(), "qemu-img", &words);
        if !option.contains("stream") {
            let format = option.split(' ').next().unwrap();
            tool(folder.path(), "qemu-io", &["-f", format, "-c", "write -P 5 3M 1500k", "a.img"]);
        }
        let disk =
            open(&folder.path().join("a.img"), None).unwrap_or_else(|error| panic!("{option}: {error}"));
        let (checked, findings) = check(&disk);
        let odd: Vec<_> = findings.iter().filter(|found| found.severity > Severity::Note).collect();
        assert!(odd.is_empty(), "{option}: {odd:#?}");
        assert_eq!((checked.leaks, checked.corruptions), (0, 0), "{option}");
        println!("{option}: {checked:?} {findings:?}");
    }
}

#[test]
fn names_of_odd_images_are_their_own() {
    let mut names: Vec<String> = anomalous().into_iter().map(|image| image.name.into()).collect();
    names.extend(good().into_iter().map(|image| image.name));
    names.extend(broken().into_iter().map(|image| image.name.to_string()));
    names.sort();
    let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "{twice:?}");
}
