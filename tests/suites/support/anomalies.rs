//! What the structure check reports of the anomalous images of one format.

use std::ops::ControlFlow;
use std::path::Path;

use imgprep::{Disk, Finding, Severity, StructureCounts};
use testdata_gen::{AnomalousImage, GoodImage, anomalous, good, write_files};

use crate::support::library::open;
use crate::support::program::{has_tool, imgprep, printed, tool};
use crate::support::qemu::source;
use crate::support::structure::{check, cost_of_check, cost_of_walk};

/// The anomalous images whose code is one of the format.
fn anomalous_of(format: &str) -> impl Iterator<Item = AnomalousImage> {
    let prefix = format!("{format}.");
    anomalous().into_iter().filter(move |image| image.code.starts_with(&prefix))
}

/// Opens an image and walks over its tables, which must succeed.
fn walked(image: &AnomalousImage, folder: &Path) -> Disk {
    let path = write_files(&image.files, folder).unwrap();
    let disk = open(&path, None).unwrap_or_else(|error| panic!("{}: {error}", image.name));
    disk.visit_extents(&mut |_| ControlFlow::Continue(()))
        .unwrap_or_else(|error| panic!("{}: {error}", image.name));
    disk
}

/// Findings of the check, and those of the parser unless they are notes: a check does not report them again.
fn all_findings(image: &AnomalousImage, disk: &Disk) -> Vec<Finding> {
    let (_, mut findings) = check(disk);
    if !image.code.contains(".check.") {
        let parsed = disk.layers()[0].findings.iter();
        findings
            .extend(parsed.filter(|one| one.code.id == image.code || one.severity > Severity::Note).cloned());
    }
    findings
}

/// Asserts that each image is reported with its code at its offset, and without other codes; `is_consequence` says which
/// other findings may follow from the same bytes. There are at least `least` images.
pub(crate) fn images_are_reported(
    format: &str,
    least: usize,
    is_consequence: impl Fn(&AnomalousImage, &Finding) -> bool,
) {
    let mut count = 0;
    for image in anomalous_of(format) {
        count += 1;
        let folder = tempfile::tempdir().unwrap();
        let disk = walked(&image, folder.path());
        let findings = all_findings(&image, &disk);
        let is_it = |finding: &Finding| (finding.code.id, finding.at) == (image.code, image.at);
        assert!(findings.iter().any(is_it), "{}: {:?} {findings:#?}", image.name, (image.code, image.at));
        for other in findings.iter().filter(|other| other.code.id != image.code) {
            assert!(is_consequence(&image, other), "{}: {findings:#?}", image.name);
        }
        assert!(findings.iter().all(|finding| finding.at.is_some()), "{}: {findings:#?}", image.name);
    }
    assert!(count >= least, "{format}: {count}");
}

/// Asserts that each anomalous image of the format is converted.
pub(crate) fn images_are_converted(format: &str) {
    let folder = tempfile::tempdir().unwrap();
    for image in anomalous_of(format) {
        let path = write_files(&image.files, folder.path()).unwrap().display().to_string();
        let output = imgprep(folder.path(), &["convert", &path, "out.raw", "--force", "--no-sync", "-q"]);
        assert!(output.status.success(), "{}: {}", image.name, printed(&output));
    }
}

/// Asserts that no good image of the format has an error, a leak or a corruption, and returns the counts of each.
pub(crate) fn good_images_have_no_errors(format: &str) -> Vec<(GoodImage, u64, StructureCounts)> {
    let mut all = Vec::new();
    // One QCOW2 counts as a VDI, because no other reader can open what is below it.
    let is_of_format = |image: &GoodImage| image.format == format && !image.name.starts_with("qcow2-over-");
    for image in good().into_iter().filter(is_of_format) {
        let folder = tempfile::tempdir().unwrap();
        let path = write_files(&image.files, folder.path()).unwrap();
        let disk = open(&path, None).unwrap_or_else(|error| panic!("{}: {error}", image.name));
        let (checked, findings) = check(&disk);
        let errors: Vec<_> = findings.iter().filter(|found| found.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", image.name);
        // QEMU counts a last cluster that is cut where the disk ends; its data are complete.
        let cut = u64::from(image.name == "qed-ends-with-disk");
        assert_eq!((checked.leaks, checked.corruptions), (0, cut), "{}: {findings:#?}", image.name);
        all.push((image, disk.layers()[0].file_len(), checked));
    }
    all
}

/// Asserts that a table that is named thousands of times costs what one walk of it costs.
pub(crate) fn repeated_tables_cost_a_single_walk(format: &str, path: &Path) {
    let disk = open(path, None).unwrap();
    let error = disk.visit_extents(&mut |_| ControlFlow::Continue(())).unwrap_err();
    assert_eq!(error.code().id, format!("{format}.table.repeated"));
    assert_eq!(error.disk().map(|lost| lost.end), Some(disk.size()), "{format}");
    let (checked, findings) = check(&disk);
    // Of QCOW2 another check reports it.
    assert!(checked.corruptions > 0 || format == "qcow2", "{format}: {findings:?}");
    assert!(findings.len() < 200, "{format}: {}", findings.len());
    disk.allocation(0);
    let len = std::fs::metadata(path).unwrap().len();
    let (walk, _) = cost_of_walk(path);
    for (what, asked) in [("walk", walk), ("check", cost_of_check(path))] {
        assert!(asked.bytes() <= 4 * len, "{format} {what}: {asked:?} of {len}");
        assert!(asked.calls() <= 100, "{format} {what}: {asked:?}");
    }
}

/// Asserts that images of `qemu-img` with each of these options, partly overwritten by `qemu-io`, have no findings above a
/// note. `format` is QEMU's name.
pub(crate) fn qemu_images_have_no_errors(format: &str, options: &[&str]) {
    if !has_tool("qemu-img") || !has_tool("qemu-io") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    source(folder.path());
    for option in options {
        let convert = ["convert", "-f", "raw", "src.raw", "a.img", "-O", format, "-o", option];
        tool(folder.path(), "qemu-img", &convert);
        // A compressed stream cannot be overwritten.
        if !option.contains("streamOptimized") {
            tool(folder.path(), "qemu-io", &["-f", format, "-c", "write -P 5 3M 1500k", "a.img"]);
        }
        let disk =
            open(&folder.path().join("a.img"), None).unwrap_or_else(|error| panic!("{option}: {error}"));
        let (checked, findings) = check(&disk);
        let odd: Vec<_> = findings.iter().filter(|found| found.severity > Severity::Note).collect();
        assert!(odd.is_empty(), "{option}: {odd:#?}");
        assert_eq!((checked.leaks, checked.corruptions), (0, 0), "{option}");
    }
}
