//! Streams of other writers.

use std::fs::write;

use testdata_gen::vmdk_cases as cases;

use crate::formats::vmdk::commands::{checked, disk, refused, row};
use crate::support::program::{imgprep, printed};

#[test]
fn streams_with_the_directory_in_the_header_have_no_findings() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let case = cases::streams();
    write(folder.join("a.vmdk"), &case.directory_in_header).unwrap();
    assert_eq!(checked(folder, "a.vmdk", &["--deep"]), (0, Vec::new()));
    assert!(disk(folder, "a.vmdk", &[]) == case.disk);
    // Header and footer that name two directories are two images.
    let mut two = case.directory_in_header.clone();
    two[case.footer + 56] ^= 1;
    write(folder.join("a.vmdk"), two).unwrap();
    let (exit, found) = checked(folder, "a.vmdk", &[]);
    assert!(exit == 2 && found == [row("vmdk.check.footer", "error", case.footer as u64 + 56)], "{found:?}");
}

#[test]
fn streams_with_zeros_after_the_footer_are_read_and_other_bytes_rejected() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let case = cases::streams();
    let end = case.plain.len() as u64;
    let put = |after: &[u8]| write(folder.join("a.vmdk"), [&case.plain[..], after].concat()).unwrap();
    for zeros in [1, 511, 512, 4096, 1 << 20] {
        put(&vec![0; zeros]);
        assert!(disk(folder, "a.vmdk", &[]) == case.disk, "{zeros}");
        let want = (0, vec![row("vmdk.stream.zeros-after", "note", end)]);
        assert_eq!(checked(folder, "a.vmdk", &[]), want, "{zeros}");
    }
    // A hole costs nothing.
    put(&[]);
    std::fs::OpenOptions::new().write(true).open(folder.join("a.vmdk")).unwrap().set_len(1 << 40).unwrap();
    assert!(disk(folder, "a.vmdk", &[]) == case.disk);
    let others: [&[u8]; 4] = [b"x", &[&[0; 2000][..], b"\n"].concat(), &vec![7; 70_000], b"KDMV"];
    for after in others {
        put(after);
        let (code, at, message) = refused(folder, "a.vmdk", &[]);
        assert_eq!((&*code, at), ("vmdk.stream.after-end", Some(end)), "{message}");
        let want = format!("bytes {end}..{} follow", end + after.len() as u64);
        assert!(message.contains(&want), "{message}");
        let (exit, found) = checked(folder, "a.vmdk", &[]);
        assert!(exit == 2 && found.contains(&row("vmdk.stream.after-end", "error", end)), "{found:?}");
        assert!(disk(folder, "a.vmdk", &["--salvage"]) == case.disk);
    }
    // Without the marker of its end the file is cut.
    write(folder.join("a.vmdk"), &case.plain[..case.plain.len() - 512]).unwrap();
    assert_eq!(refused(folder, "a.vmdk", &[]).0, "vmdk.stream.cut");
}

#[test]
fn a_stream_whose_marker_names_another_directory_is_a_warning() {
    let temp = tempfile::tempdir().unwrap();
    let case = cases::streams();
    let mut file = case.plain.clone();
    // A copy of the directory in front of the grains, which the footer names.
    let copy = file[case.directory..case.directory + 512].to_vec();
    file[100 * 512..101 * 512].copy_from_slice(&copy);
    file[case.footer + 56..case.footer + 64].copy_from_slice(&100u64.to_le_bytes());
    write(temp.path().join("a.vmdk"), file).unwrap();
    let want = vec![row("vmdk.check.stream-directory", "warning", case.footer as u64 + 56)];
    assert_eq!(checked(temp.path(), "a.vmdk", &[]), (0, want));
    assert!(disk(temp.path(), "a.vmdk", &[]) == case.disk);
}

#[test]
fn stream_grain_missing_from_its_table_is_a_warning_of_convert() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let case = cases::streams();
    for whole in [&case.plain, &case.directory_in_header] {
        let convert = |bytes: &[u8]| {
            write(folder.join("a.vmdk"), bytes).unwrap();
            let output = imgprep(folder, &["convert", "a.vmdk", "b.raw", "--no-sync", "--force"]);
            assert!(output.status.success(), "{}", printed(&output));
            printed(&output)
        };
        let text = convert(whole);
        assert!(!text.contains("vmdk."), "{text}");
        // The first grain is at sector 128, which has one byte that is not 0.
        let mut damaged = whole.clone();
        assert_eq!(damaged[case.entry..case.entry + 4], [128, 0, 0, 0]);
        damaged[case.entry] = 0;
        let text = convert(&damaged);
        assert!(text.contains("[vmdk.check.leak, file offset 65536]"), "{text}");
    }
}
