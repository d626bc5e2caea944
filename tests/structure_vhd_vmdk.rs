//! Structure checks of VHD and VMDK: every odd image is told with its code at its place, no good
//! image is called wrong.

use std::ops::ControlFlow;

use imgprep::{Checked, Disk, Finding, Severity};
use testdata_gen::{good, odd, write_files};

use crate::conformance::open;

const FORMATS: [&str; 2] = ["vhd", "vmdk"];

fn check(disk: &Disk) -> (Checked, Vec<Finding>) {
    let mut findings = Vec::new();
    let checked = disk.check_structure(0, &mut |finding| {
        findings.push(finding);
        ControlFlow::Continue(())
    });
    (checked.unwrap_or_else(|error| panic!("{error}")), findings)
}

#[test]
fn every_odd_image_is_told_with_code_and_place() {
    let mut counts = [0; 2];
    for image in odd() {
        let Some(format) = FORMATS.iter().position(|format| image.code.starts_with(&format!("{format}.")))
        else {
            continue;
        };
        counts[format] += 1;
        let folder = tempfile::tempdir().unwrap();
        let path = write_files(&image.files, folder.path()).unwrap();
        let disk = open(&path, None).unwrap_or_else(|error| panic!("{}: {error}", image.name));
        disk.pieces(&mut |_| ControlFlow::Continue(()))
            .unwrap_or_else(|error| panic!("{}: {error}", image.name));
        let (_, findings) = check(&disk);
        let is_it = |finding: &&Finding| finding.code == image.code && finding.at == image.at;
        assert!(findings.iter().any(|finding| is_it(&finding)), "{}: {findings:#?}", image.name);
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
        if std::env::var_os("SHOW").is_some() {
            eprintln!("{}: {checked:?}", image.name);
            for found in findings {
                eprintln!("    {} {:?} {:?} {}", found.code, found.severity, found.at, found.message);
            }
        }
    }
}
