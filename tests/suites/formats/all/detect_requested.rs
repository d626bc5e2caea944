//! Formats that the user, the image above or the file name declares.

use serde_json::Value;
use testdata_gen::{Cell, Qcow2, plain_disk, sample};

use super::detect_cases::{get, json, put};
use crate::support::program::{imgprep, names, printed};

#[test]
fn declared_backing_format_takes_precedence_over_the_file_name() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let over = |name: &str, format: Option<&str>| {
        let backing = Some((name.to_string(), format.map(String::from)));
        let cells = [(0, Cell::Data(vec![1; 65536]))].into();
        Qcow2 { backing, cells, ..Qcow2::new(16, 1 << 20) }.write().file
    };
    let below = plain_disk();
    put(folder, "base.qcow2", &below);
    put(folder, "base.img", &below);
    let mut want = below[..1 << 20].to_vec();
    want[..65536].fill(1);
    // The image declares no format, and the name is not that of a RAW disk.
    put(folder, "top.qcow2", &over("base.qcow2", None));
    let output = imgprep(folder, &["convert", "top.qcow2", "out.raw"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(printed(&output).contains("[detect.extension-denied"), "{}", printed(&output));
    // The image declares RAW: it is read with a warning, and without one under the name of a RAW disk.
    for (name, format, codes) in
        [("base.qcow2", Some("raw"), &["detect.extension-differs"][..]), ("base.img", Some("raw"), &[])]
    {
        put(folder, "top.qcow2", &over(name, format));
        let output = imgprep(folder, &["convert", "top.qcow2", "out.raw", "--force"]);
        assert!(output.status.success(), "{}", printed(&output));
        assert!(get(folder, "out.raw") == want, "{name}");
        let chain = json(folder, &["info", "--chain", "top.qcow2"]);
        let found = chain["images"][1]["findings"].as_array().unwrap();
        assert_eq!(found.iter().map(|finding| &finding["code"]).collect::<Vec<_>>(), codes, "{chain:#}");
        assert_eq!(
            printed(&output).contains("detect.extension-differs"),
            !codes.is_empty(),
            "{}",
            printed(&output)
        );
    }
}

#[test]
fn a_format_under_the_extension_of_another_is_read() {
    let temp = tempfile::tempdir().unwrap();
    let image = sample();
    for name in ["web.vmdk", "web.raw", "web.iso", "web-flat.vmdk", "web"] {
        put(temp.path(), name, &image.files[0].bytes);
        let info = json(temp.path(), &["info", name]);
        assert_eq!((&info["format"], &info["findings"]), (&"qcow2".into(), &serde_json::json!([])), "{name}");
    }
}

#[test]
fn snapshot_of_a_format_without_snapshots_is_rejected() {
    let temp = tempfile::tempdir().unwrap();
    put(temp.path(), "disk.raw", &plain_disk());
    for args in
        [&["info", "--snapshot", "1", "disk.raw"][..], &["convert", "--snapshot", "1", "disk.raw", "out.raw"]]
    {
        let output = imgprep(temp.path(), args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(
            printed(&output).contains("raw has no internal snapshots [detect.no-snapshots"),
            "{}",
            printed(&output)
        );
    }
    assert_eq!(names(temp.path()), ["disk.raw"]);
}

#[test]
fn contents_without_a_signature_are_rejected_for_a_requested_format() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("zeros.img"), vec![0; 1 << 20]).unwrap();
    for (format, code, at) in [
        ("vhd", "vhd.footer.none", (1 << 20) - 512),
        ("vhdx", "vhdx.file.signature", 0),
        ("vdi", "vdi.header.signature", 64),
    ] {
        let args = ["convert", "zeros.img", "out.raw", "--from", format, "--output", "json"];
        let output = imgprep(folder.path(), &args);
        assert_eq!(output.status.code(), Some(1), "{format}: {}", printed(&output));
        let error = serde_json::from_slice::<Value>(&output.stdout).unwrap()["error"].clone();
        assert_eq!((&error["code"], &error["offset"]), (&code.into(), &at.into()), "{error}");
    }
}
