//! Structure checks of VDI, QED and QCOW: every anomalous image is reported with its code at its offset, no
//! good image is called wrong, counts are those of `qemu-img check`.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;

use imgprep::{Severity, StructureCounts};
use testdata_gen::{Cell, Qcow2, anomalous, good, write_files};

use crate::formats::all::conformance::open;
use crate::support::program::{has_tool, imgprep, said, tool};
use crate::support::structure::{check, cost_of_check, cost_of_walk};

const FORMATS: [&str; 3] = ["vdi", "qed", "qcow"];

#[test]
fn every_odd_image_is_told_with_code_and_place_and_is_read() {
    let mut counts = [0; 3];
    for image in anomalous() {
        let word = image.code.split('.').next().unwrap();
        let Some(format) = FORMATS.iter().position(|format| *format == word) else { continue };
        counts[format] += 1;
        let folder = tempfile::tempdir().unwrap();
        let path = write_files(&image.files, folder.path()).unwrap();
        let disk = open(&path, None).unwrap_or_else(|error| panic!("{}: {error}", image.name));
        disk.visit_extents(&mut |_| ControlFlow::Continue(()))
            .unwrap_or_else(|error| panic!("{}: {error}", image.name));
        let (_, mut findings) = check(&disk);
        if !image.code.contains(".check.") {
            // What the parser reported is not reported again.
            let told = disk.layers()[0].findings.iter().filter(|finding| finding.code == image.code);
            findings.extend(told.cloned());
        }
        // What is behind the disk and shared is both; what is behind a lost table is lost too.
        let told: Vec<_> = findings
            .iter()
            .map(|finding| (finding.code, finding.at))
            .filter(|(code, _)| {
                *code == image.code || !matches!(code.rsplit('.').next(), Some("leak" | "beyond-disk"))
            })
            .collect();
        assert!(
            told.contains(&(image.code, image.at)),
            "{}: {:?} {findings:#?}",
            image.name,
            (image.code, image.at)
        );
        assert!(told.iter().all(|(code, _)| *code == image.code), "{}: {findings:#?}", image.name);
        assert!(findings.iter().all(|finding| finding.at.is_some()), "{}: {findings:#?}", image.name);
    }
    assert!(counts.iter().all(|count| *count >= 14), "{counts:?}");
}

#[test]
fn odd_images_convert() {
    let folder = tempfile::tempdir().unwrap();
    for image in anomalous() {
        if !FORMATS.contains(&image.code.split('.').next().unwrap()) {
            continue;
        }
        let path = write_files(&image.files, folder.path()).unwrap().display().to_string();
        let output = imgprep(folder.path(), &["convert", &path, "out.raw", "--force", "--no-sync", "-q"]);
        assert!(output.status.success(), "{}: {}", image.name, said(&output));
    }
}

#[test]
fn no_good_image_is_called_wrong() {
    for image in good().into_iter().filter(|image| FORMATS.contains(&image.format)) {
        let folder = tempfile::tempdir().unwrap();
        let path = write_files(&image.files, folder.path()).unwrap();
        let disk = open(&path, None).unwrap_or_else(|error| panic!("{}: {error}", image.name));
        if disk.layers()[0].facts.format != image.format {
            continue;
        }
        let (checked, findings) = check(&disk);
        let errors: Vec<_> = findings.iter().filter(|found| found.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", image.name);
        // QEMU counts a last cluster that is cut where the disk ends; it reads right.
        let cut = u64::from(image.name == "qed-ends-with-disk");
        assert_eq!((checked.leaks, checked.corruptions), (0, cut), "{}: {findings:#?}", image.name);
        assert!(
            checked.image_end.is_some_and(|end| end <= disk.layers()[0].file_len() || cut == 1),
            "{}",
            image.name
        );
    }
}

/// Both checkers on one image: corruptions, leaks, and of QED the numbers of clusters.
fn compare(folder: &Path, image: &str, what: &str) -> StructureCounts {
    let theirs = Command::new("qemu-img")
        .args(["check", "--output", "json", image])
        .current_dir(folder)
        .output()
        .unwrap();
    let json: serde_json::Value = serde_json::from_slice(&theirs.stdout)
        .unwrap_or_else(|_| panic!("{what}: qemu-img gives up: {}", said(&theirs)));
    let number = |key: &str| json[key].as_u64().unwrap_or(0);
    let disk = open(&folder.join(image), None).unwrap_or_else(|error| panic!("{what}: {error}"));
    let (checked, findings) = check(&disk);
    assert_eq!(checked.corruptions, number("corruptions"), "{what}: {findings:#?} {}", said(&theirs));
    if disk.layers()[0].facts.format == "qed" {
        let ours = (checked.leaks, checked.total, checked.allocated, checked.fragmented);
        let theirs = (
            number("leaks"),
            Some(number("total-clusters")),
            Some(number("allocated-clusters")),
            Some(number("fragmented-clusters")),
        );
        assert_eq!(ours, theirs, "{what}: {findings:#?}");
    }
    checked
}

#[test]
fn counts_are_those_of_qemu() {
    if !has_tool("qemu-img") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut damaged = 0;
    // Not VDI: qemu-img reads blocks of 1 MiB only.
    for image in anomalous().into_iter().filter(|image| image.code.starts_with("qed.")) {
        let path = write_files(&image.files, folder.path()).unwrap();
        let checked = compare(folder.path(), &path.display().to_string(), image.name);
        damaged += u64::from(checked.corruptions + checked.leaks > 0);
    }
    assert!(damaged >= 12, "{damaged}");
}

/// An image of `qemu-img`, damaged by its bytes.
#[test]
fn a_damaged_qed_of_qemu_counts_as_qemu_counts() {
    if !has_tool("qemu-img") || !has_tool("qemu-io") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    tool(
        folder.path(),
        "qemu-img",
        &["create", "-q", "-f", "qed", "-o", "cluster_size=4096,table_size=2", "a.qed", "9M"],
    );
    let writes = [
        "write -P 1 0 100k",
        "write -P 3 300k 8k",
        "write -P 2 4M 64k",
        "write -z 1M 8k",
        "write -P 4 200k 4k",
    ];
    let args: Vec<_> = writes.iter().flat_map(|write| ["-c", write]).chain(["a.qed"]).collect();
    tool(folder.path(), "qemu-io", &args);
    let whole = std::fs::read(folder.path().join("a.qed")).unwrap();
    let u64_at = |at: usize| u64::from_le_bytes(whole[at..at + 8].try_into().unwrap());
    let l1 = usize::try_from(u64_at(40)).unwrap();
    let [first, second] = [0, 8].map(|n| usize::try_from(u64_at(l1 + n)).unwrap());
    let data = u64_at(first);
    let len = whole.len() as u64;
    assert_eq!(compare(folder.path(), "a.qed", "whole").corruptions, 0);
    for (what, at, value) in [
        ("two entries, one cluster", first + 8, data),
        ("twice more", first + 600 * 8, data + 4096),
        ("a cluster lost", first + 16, 0),
        ("zeros for a cluster", first + 16, 1),
        ("an entry of 2", first + 16, 2),
        ("between clusters", first + 16, data + 512),
        ("past the end", first + 24, len),
        ("far past the end", first + 24, 1 << 62),
        ("in the header", first + 24, 0),
        ("in the L1 table", first + 24, l1 as u64),
        ("in its table", first + 24, first as u64 + 4096),
        ("a table lost", l1 + 8, 0),
        ("a table past the end", l1 + 8, len),
        ("a table that ends past the end", l1 + 8, len - 4096),
        ("a table between clusters", l1 + 8, second as u64 + 8),
        ("a table shared", l1 + 16, first as u64),
        ("a table half shared", l1 + 16, first as u64 + 4096),
        ("data as a table", l1 + 16, data),
        ("a table of the last L1 entry", l1 + 1023 * 8, second as u64),
        ("the L1 table as a table", l1 + 24, l1 as u64),
        ("a bomb", l1 + 24, u64::MAX - 4095),
    ] {
        let mut file = whole.clone();
        file[at..at + 8].copy_from_slice(&value.to_le_bytes());
        std::fs::write(folder.path().join("b.qed"), &file).unwrap();
        compare(folder.path(), "b.qed", what);
    }
    for len in
        [whole.len() - 1, whole.len() - 4096, whole.len() - 9000, whole.len() + 100, whole.len() + 9000]
    {
        let mut file = whole.clone();
        file.resize(len, 0);
        std::fs::write(folder.path().join("b.qed"), &file).unwrap();
        compare(folder.path(), "b.qed", &format!("a file of {len} bytes"));
    }
}

#[test]
fn a_damaged_vdi_of_qemu_counts_as_qemu_counts() {
    if !has_tool("qemu-img") || !has_tool("qemu-io") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    tool(folder.path(), "qemu-img", &["create", "-q", "-f", "vdi", "a.vdi", "9M"]);
    let writes = ["write -P 1 0 100k", "write -P 3 3M 8k", "write -P 2 4M 64k"];
    let args: Vec<_> = writes.iter().flat_map(|write| ["-c", write]).chain(["a.vdi"]).collect();
    tool(folder.path(), "qemu-io", &args);
    let whole = std::fs::read(folder.path().join("a.vdi")).unwrap();
    let map = 512;
    assert_eq!(compare(folder.path(), "a.vdi", "whole").corruptions, 0);
    let mut leaks = 0;
    for (what, at, value) in [
        ("two entries, one block", map + 4, 0u32),
        ("a block lost", map, u32::MAX),
        ("zeros for a block", map, u32::MAX - 1),
        ("a block that the map cannot have", map, 9),
        ("the last number", map, u32::MAX - 2),
        ("a block that is not allocated", map + 4, 5),
        ("fewer allocated", 388, 1),
        ("more allocated", 388, 4),
        ("a bomb allocated", 388, u32::MAX),
        ("nothing allocated", 388, 0),
    ] {
        let mut file = whole.clone();
        file[at..at + 4].copy_from_slice(&value.to_le_bytes());
        std::fs::write(folder.path().join("b.vdi"), &file).unwrap();
        leaks += compare(folder.path(), "b.vdi", what).leaks;
    }
    assert_eq!(leaks, 4, "block 0 where no entry names it");
}

/// QCOW2 with one L2 table for all of a disk of 4 GiB.
fn repeated_qcow2(folder: &Path) -> std::path::PathBuf {
    let mut recipe = Qcow2::new(12, 4 << 30);
    recipe.cells.insert(0, Cell::Data(vec![1; 4096]));
    let mut file = recipe.write().file;
    let l1 = usize::from_be_bytes(file[40..48].try_into().unwrap());
    let table: [u8; 8] = file[l1..l1 + 8].try_into().unwrap();
    file[l1..l1 + 2048 * 8].copy_from_slice(&table.repeat(2048));
    let path = folder.join("repeated.qcow2");
    std::fs::write(&path, file).unwrap();
    path
}

/// A table that is named again and again costs what a walk of it costs, not the product.
#[test]
fn repeated_tables_cost_what_the_file_has() {
    let folder = tempfile::tempdir().unwrap();
    let written = |name: &str| {
        let image = testdata_gen::broken().into_iter().find(|image| image.name == name).expect("it is there");
        write_files(&image.files, folder.path()).unwrap()
    };
    for (format, path) in [
        ("qed", written("qed-table-repeated")),
        ("qcow", written("qcow-table-repeated")),
        ("qcow2", repeated_qcow2(folder.path())),
    ] {
        let disk = open(&path, None).unwrap();
        let error = disk.visit_extents(&mut |_| ControlFlow::Continue(())).unwrap_err();
        assert_eq!(error.code(), format!("{format}.table.repeated"));
        assert_eq!(error.disk().map(|lost| lost.end), Some(disk.size()), "{format}");
        let (checked, findings) = check(&disk);
        // Another check tells it of QCOW2.
        assert!(checked.corruptions > 0 || format == "qcow2", "{format}: {findings:?}");
        assert!(findings.len() < 200, "{format}: {}", findings.len());
        disk.allocation(0);
        let len = std::fs::metadata(&path).unwrap().len();
        let (walk, _) = cost_of_walk(&path);
        for (what, asked) in [("walk", walk), ("check", cost_of_check(&path))] {
            // Tables are named some thousand times: what is looked at follows the file.
            assert!(asked.bytes() <= 4 * len, "{format} {what}: {asked:?} of {len}");
            assert!(asked.calls() <= 100, "{format} {what}: {asked:?}");
        }
    }
}
