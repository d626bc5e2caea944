//! The programs in `examples/` work.

#[path = "../examples/check_profile.rs"]
#[expect(dead_code, reason = "its `main` is not called")]
mod check_profile;
#[path = "../examples/convert_in_memory.rs"]
#[expect(dead_code, reason = "its `main` is not called")]
mod convert_in_memory;
#[path = "../examples/inspect.rs"]
#[expect(dead_code, reason = "its `main` is not called")]
mod inspect;

use testdata_gen::sample;

#[test]
fn inspect_shows_the_format_and_every_extent() {
    let folder = tempfile::tempdir().unwrap();
    let path = testdata_gen::write_files(&sample().files, folder.path()).unwrap();
    let lines = inspect::inspect(&path).unwrap();
    assert_eq!(lines[0], format!("size: {} bytes", sample().disk.len()));
    assert!(lines[1].ends_with(", qcow2"), "{}", lines[1]);
    assert!(lines.iter().any(|line| line.starts_with("0..")), "{lines:?}");
}

#[test]
fn convert_in_memory_makes_a_zvhd2() {
    let sample = sample();
    let made = convert_in_memory::to_zvhd2(sample.files[0].bytes.clone()).unwrap();
    let back = imgprep::open_reader(made).unwrap();
    assert_eq!(back.layers()[0].facts.format, "zvhd2");
}

#[test]
fn check_profile_distinguishes_a_missing_file_from_a_bad_image() {
    let folder = tempfile::tempdir().unwrap();
    let path = testdata_gen::write_files(&sample().files, folder.path()).unwrap();
    let checked = check_profile::check(&path, "otc").unwrap().unwrap();
    assert!(!checked.routes.is_empty());
    assert!(check_profile::check(&folder.path().join("missing"), "otc").unwrap().is_none());
    assert_eq!(check_profile::check(&path, "no-such").unwrap_err().code().id, "check.profile");
}
