//! VDIs from reports of users: single damaged bytes, maps that name one block many times.

use imgprep_engine::{Compared, EngineError};
use testdata_gen::{repeated_entries_vdi, vdi_cases, write_files};

use crate::support::conflicts::compared;
use crate::support::files::sparse;
use crate::support::program::{imgprep, printed};
use crate::support::reports::{found, json, violations};

#[test]
fn a_changed_byte_of_a_vdi_header_is_a_warning_of_check_and_convert() {
    let folder = tempfile::tempdir().unwrap();
    for image in vdi_cases() {
        let name = &image.files[0].name;
        write_files(&image.files, folder.path()).unwrap();
        let want = (image.code.to_string(), "warning".to_string(), image.at);
        let checked = violations(folder.path(), name);
        assert!(checked.contains(&want), "{}: {want:?} {checked:?}", image.name);
        let args = ["convert", name, "out.raw", "--force", "--no-sync", "-q", "--output", "json"];
        let output = imgprep(folder.path(), &args);
        // Refused, or read with the warning.
        if output.status.code() == Some(0) {
            let converted = found(&json(&output));
            assert!(converted.contains(&want), "{}: {want:?} {converted:?}", image.name);
        } else {
            assert_eq!(output.status.code(), Some(1), "{}: {}", image.name, printed(&output));
        }
    }
}

#[test]
fn repeated_entries_of_a_vdi_are_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let (len, pieces) = repeated_entries_vdi(1_000_000, 1 << 18);
    let path = sparse(folder.path(), "repeated-entries.vdi", len, &pieces);
    // 1024 runs fit: the second page of the map fills them.
    let (found, done, read) = compared(&path, 0);
    assert_eq!((found.len(), done, read), (1021, Compared::Part, 4096));
    let data = (512u64 + 4_000_000).next_multiple_of(512);
    assert!(found.iter().all(|error| matches!(
        error,
        EngineError::Overlap { bytes, .. } if *bytes == (data..data + (1 << 20))
    )));
    // With room for all of them the map is read once, and the report ends at its bound.
    let (found, done, read) = compared(&path, 1 << 30);
    assert_eq!((found.len(), done), (4096, Compared::Part));
    // What else lies in the last page of the file that is no hole is read, too.
    assert!((1 << 20..(1 << 20) + (64 << 10)).contains(&read), "{read}");
}

#[test]
fn vdi_with_repeated_entries_is_rejected_by_check_and_convert() {
    let folder = tempfile::tempdir().unwrap();
    let name = "repeated-entries.vdi";
    let (len, pieces) = repeated_entries_vdi(1_000_000_000, 1 << 18);
    sparse(folder.path(), name, len, &pieces);
    let output = imgprep(folder.path(), &["check", "--output", "json", name]);
    assert_eq!(output.status.code(), Some(2), "{}", printed(&output));
    let found = violations(folder.path(), name);
    for code in ["usage.overlap", "vdi.map.hole"] {
        assert!(found.iter().any(|(found, ..)| found == code), "{code}: {found:?}");
    }
    let output = imgprep(folder.path(), &["convert", name, "out.raw", "--output", "json"]);
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    assert_eq!(json(&output)["error"]["code"], "usage.overlap");
    assert!(!folder.path().join("out.raw").exists());
    // A salvage lists doubtful ranges up to a limit, and reports that there may be more.
    let args = ["convert", name, "out.raw", "--salvage", "--dry-run", "--output", "json"];
    let report = json(&imgprep(folder.path(), &args));
    let losses = report["losses"].as_array().unwrap_or_else(|| panic!("{report}"));
    assert!(losses.len() < 5000, "{}", losses.len());
    assert!(losses.iter().any(|loss| loss["code"] == "usage.many-conflicts"), "{:?}", losses.last());
}
