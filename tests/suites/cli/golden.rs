//! What `info` and `map` print, kept next to the sample. `IMGPREP_UPDATE_GOLDEN=1` updates it.

use testdata_gen::sample;

use crate::support::program::{imgprep, printed, root};

/// What `check` prints of a good and of a broken image.
#[test]
fn check_of_the_sample_and_of_a_broken_image() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("sample.qcow2"), &sample().files[0].bytes).unwrap();
    let broken = testdata_gen::broken();
    for name in ["qcow2-data-shared-by-two-entries", "qcow2-backing-absolute"] {
        let image = broken.iter().find(|image| image.name == name).expect("it is there");
        testdata_gen::write_files(&image.files, folder.path()).unwrap();
    }
    let files = ["sample.qcow2", "qcow2-data-shared-by-two-entries.qcow2", "qcow2-backing-absolute.qcow2"];
    for (name, args) in [
        ("check.txt", &["check", "--profile", "huawei-ims"][..]),
        ("check.json", &["check", "--output", "json"]),
    ] {
        let output = imgprep(folder.path(), &[args, &files].concat());
        assert_eq!(output.status.code(), Some(2), "{}", printed(&output));
        let got = String::from_utf8(output.stdout).unwrap();
        let path = root().join("tests/golden").join(name);
        if std::env::var_os("IMGPREP_UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &got).unwrap();
        }
        assert_eq!(got, std::fs::read_to_string(&path).expect("the golden file is there"), "{name}");
    }
}

/// Copies, written whole: git makes holes where a file has zeros, and `map` shows them.
fn check(name: &str, args: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("vendor")).unwrap();
    let bytes = std::fs::read(root().join("tests/data").join(args[1])).unwrap();
    std::fs::write(folder.path().join(args[1]), bytes).unwrap();
    let output = imgprep(folder.path(), args);
    assert!(output.status.success(), "{}", printed(&output));
    let got: String = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        // The allocated size of a file depends on the file system.
        .filter(|line| !line.contains("actual-size") && !line.starts_with("size on disk"))
        .map(|line| format!("{line}\n"))
        .collect();
    let path = root().join("tests/golden").join(name);
    if std::env::var_os("IMGPREP_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &got).unwrap();
    }
    let want = std::fs::read_to_string(&path).expect("the golden file is there");
    assert_eq!(got, want, "{name}");
}

#[test]
fn sample_matches_its_recipe() {
    let path = root().join("tests/data/sample.qcow2");
    if std::env::var_os("IMGPREP_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &sample().files[0].bytes).unwrap();
    }
    assert!(std::fs::read(path).unwrap() == sample().files[0].bytes);
}

#[test]
fn info_and_map_of_the_sample() {
    check("info-sample.txt", &["info", "sample.qcow2"]);
    check("info-sample.json", &["info", "sample.qcow2", "--output", "json"]);
    check("map-sample.txt", &["map", "sample.qcow2"]);
    check("map-sample.json", &["map", "sample.qcow2", "--output", "json"]);
}

#[test]
fn info_of_the_vendor_s_files() {
    check("info-mixed-zvhd.txt", &["info", "vendor/mixed.zvhd"]);
    check("info-zeros-zvhd2.json", &["info", "vendor/zeros.zvhd2", "--output", "json"]);
}
