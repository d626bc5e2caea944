//! Every broken image is rejected: with its code, at its offset, without an output.

use testdata_gen::{Refused, broken, write_files};

use crate::support::library::open;
use crate::support::program::{imgprep, names, printed};

#[test]
fn every_broken_image_is_rejected_with_code_and_offset_and_leaves_no_output() {
    for image in broken() {
        let folder = tempfile::tempdir().unwrap();
        let path = write_files(&image.files, folder.path()).unwrap();
        let before = std::fs::read(&path).unwrap();
        let there = names(folder.path());
        let source = path.display().to_string();
        for target in ["out.raw", "out.zvhd2"] {
            let output = imgprep(folder.path(), &["convert", &source, target, "--output", "json", "-q"]);
            assert_eq!(output.status.code(), Some(1), "{}: {}", image.name, printed(&output));
            let printed: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
            let error = &printed["error"];
            assert_eq!(error["code"], image.code, "{}: {error}", image.name);
            if let Some(at) = image.at {
                assert_eq!(error["offset"], at, "{}: {error}", image.name);
            }
            assert_eq!(names(folder.path()), there, "{}: something was left behind", image.name);
        }
        assert!(std::fs::read(&path).unwrap() == before, "{}: the input changed", image.name);
    }
}

#[test]
fn images_rejected_on_read_can_still_be_described() {
    let folder = tempfile::tempdir().unwrap();
    for image in broken() {
        let path = write_files(&image.files, folder.path()).unwrap();
        let opened = open(&path, None);
        match image.refused {
            Refused::AtOpen => {
                let error = opened.err().unwrap_or_else(|| panic!("{} opens", image.name));
                assert_eq!(error.code().id, image.code, "{}: {error}", image.name);
                let listed = imgprep::code(error.code().id).and_then(|code| code.class);
                assert_eq!(listed, Some(error.class()), "{}: the class in the table", image.name);
            }
            Refused::AtRead => assert!(opened.is_ok(), "{}: {:?}", image.name, opened.err()),
        }
    }
}

#[test]
fn salvage_continues_and_lists_lost_ranges() {
    let folder = tempfile::tempdir().unwrap();
    for (name, start, end) in [
        ("qcow-l1-entry-past-end", 2 << 20, 4 << 20),
        ("qcow-l2-entry-past-end", 2 << 12, 3 << 12),
        ("qcow2-l2-entry-past-end", 2 << 16, 3 << 16),
        ("qcow2-compressed-garbage", 3 << 16, 4 << 16),
        ("qed-l1-entry-past-end", 2 << 20, 4 << 20),
        ("qed-l2-entry-unaligned", 2 << 12, 3 << 12),
        ("vhd-block-past-end", 2 << 14, 3 << 14),
        ("vhd-block-at-0", 1 << 14, 2 << 14),
        ("vhdx-entry-past-end", 2 << 20, 3 << 20),
        ("zvhd2-record-magic", 4 << 20, 6 << 20),
        ("zvhd2-payload-garbage", 0, 2 << 20),
        ("vmdk-entry-past-end", 1 << 16, 2 << 16),
        ("vmdk-stream-lba", 1 << 16, 2 << 16),
        ("vmdk-stream-cut", 2 << 16, 1 << 20),
    ] {
        let image = broken().into_iter().find(|image| image.name == name).expect("it is there");
        let path = write_files(&image.files, folder.path()).unwrap().display().to_string();
        let args = [
            "convert",
            &path,
            "out.raw",
            "--force",
            "--no-sync",
            "--salvage",
            "--size",
            "original",
            "--output",
            "json",
        ];
        let output = imgprep(folder.path(), &args);
        assert!(output.status.success(), "{name}: {}", printed(&output));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let losses = report["losses"].as_array().unwrap();
        assert_eq!(losses.len(), 1, "{name}: {losses:?}");
        assert_eq!(
            (&losses[0]["start"], &losses[0]["end"], &losses[0]["code"]),
            (&start.into(), &end.into(), &image.code.into()),
            "{name}"
        );
        let disk = std::fs::read(folder.path().join("out.raw")).unwrap();
        assert!(disk[start..end].iter().all(|byte| *byte == 0), "{name}");
        assert!(disk.iter().any(|byte| *byte != 0), "{name}: the rest is there");
    }
}
