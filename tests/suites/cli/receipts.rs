//! `--bitmap-command`, `--receipt`, `-o`, `--report`, and outputs that are block devices.

use std::path::Path;

use testdata_gen::{sample, write_files};

use crate::support::loop_device::Loop;
use crate::support::program::{imgprep, names, printed};

fn source(folder: &Path) -> String {
    write_files(&sample().files, folder).unwrap().display().to_string()
}

#[test]
fn bitmap_command_runs_before_the_raw_gets_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = source(folder.path());
    // A replacement of the import service's tool: it reads the finished RAW and writes its length.
    std::fs::write(folder.path().join("tool.sh"), "test ! -e out.raw && wc -c < \"$1\" > \"$2\"\n").unwrap();
    let args = ["convert", &path, "out.raw", "--bitmap-command", "sh tool.sh {raw} {mf}"];
    let output = imgprep(folder.path(), &args);
    assert!(output.status.success(), "{}", printed(&output));
    let bitmap = std::fs::read_to_string(folder.path().join("out.mf")).unwrap();
    assert_eq!(bitmap.trim(), (64 << 20).to_string());
    assert!(std::fs::read(folder.path().join("out.raw")).unwrap() == sample().disk);
}

#[test]
fn failing_bitmap_command_leaves_neither_raw_nor_bitmap() {
    for (tool, what) in
        [("false", "exit status: 1"), ("true", "wrote nothing"), ("no-such-tool", "No such file")]
    {
        let folder = tempfile::tempdir().unwrap();
        let path = source(folder.path());
        let line = format!("{tool} {{raw}} {{mf}}");
        let output = imgprep(folder.path(), &["convert", &path, "out.raw", "--bitmap-command", &line]);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            printed(&output).contains(what) && printed(&output).contains("bitmap.command-failed"),
            "{}",
            printed(&output)
        );
        assert_eq!(names(folder.path()), ["sample.qcow2"], "{tool}");
    }
}

#[test]
fn bitmap_command_is_run_for_raw_outputs_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = source(folder.path());
    let output = imgprep(folder.path(), &["bitmap", &path, "out.mf", "--bitmap-command", "cp {raw} {mf}"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(printed(&output).contains("bitmap.needs-raw"), "{}", printed(&output));
    let output =
        imgprep(folder.path(), &["convert", &path, "out.zvhd2", "--bitmap-command", "cp {raw} {mf}"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(names(folder.path()), ["sample.qcow2"]);
}

#[test]
fn receipt_contains_the_crc_and_is_not_replaced_without_force() {
    let folder = tempfile::tempdir().unwrap();
    let path = source(folder.path());
    let args =
        ["convert", &path, "a.zvhd2", "--receipt", "a.json", "--uuid", "00112233445566778899aabbccddeeff"];
    let output = imgprep(folder.path(), &args);
    assert!(output.status.success(), "{}", printed(&output));
    let receipt = std::fs::read(folder.path().join("a.json")).unwrap();
    let receipt: serde_json::Value = serde_json::from_slice(&receipt).unwrap();
    assert_eq!(receipt["crc32"], format!("{:08x}", crc32fast::hash(&sample().disk)));
    assert_eq!(receipt["output"]["uuid"], "00112233445566778899aabbccddeeff");
    assert_eq!(receipt["output"]["length"], std::fs::metadata(folder.path().join("a.zvhd2")).unwrap().len());
    let output = imgprep(folder.path(), &["convert", &path, "b.zvhd2", "--receipt", "a.json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!folder.path().join("b.zvhd2").exists());
}

#[test]
fn target_options_equal_their_flags() {
    let folder = tempfile::tempdir().unwrap();
    let path = source(folder.path());
    let made = |name: &str, options: &[&str]| {
        let args =
            [&["convert", &path, name, "-q", "--uuid", "00112233445566778899aabbccddeeff"], options].concat();
        let output = imgprep(folder.path(), &args);
        (output.status.code(), printed(&output), std::fs::read(folder.path().join(name)).ok())
    };
    let flags = made("a.zvhd2", &["--zlib", "--level", "9"]).2.unwrap();
    let options = made("b.zvhd2", &["-o", "compression_type=zlib,level=9"]).2.unwrap();
    assert!(flags == options);
    for (name, options, what) in [
        ("c.zvhd2", &["-o", "level=9", "--level", "3"][..], "duplicate option"),
        ("c.zvhd2", &["-o", "level=x"], "whole number"),
        ("c.zvhd2", &["-o", "cluster_size=4k"], "level=N"),
        ("c.zvhd2", &["-o", "level=23"], "1 to 22"),
        ("c.raw", &["-o", "level=1"], "no options"),
    ] {
        let (code, printed, file) = made(name, options);
        assert_eq!((code, file), (Some(1), None), "{options:?}");
        assert!(printed.contains(what), "{options:?}: {printed}");
    }
}

#[test]
fn block_device_can_be_read_and_with_force_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = source(folder.path());
    let backing = folder.path().join("device");
    std::fs::write(&backing, vec![0xee; 65 << 20]).unwrap();
    let Some(device) = Loop::new(&backing) else { return };
    let refused = imgprep(folder.path(), &["convert", &path, &device.0, "-O", "raw"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(printed(&refused).contains("output.device"), "{}", printed(&refused));
    let output = imgprep(folder.path(), &["convert", &path, &device.0, "-O", "raw", "--force", "--verify"]);
    assert!(output.status.success(), "{}", printed(&output));
    let written = std::fs::read(&device.0).unwrap();
    assert!(written[..64 << 20] == sample().disk, "zeros are written over what was there");
    assert!(written[64 << 20..].iter().all(|byte| *byte == 0xee), "nothing after the disk is touched");
    let output = imgprep(folder.path(), &["convert", "--from", "raw", &device.0, "back.raw"]);
    assert!(output.status.success(), "{}", printed(&output));
    assert!(std::fs::read(folder.path().join("back.raw")).unwrap() == written);
    std::fs::write(folder.path().join("small"), vec![0; 1 << 20]).unwrap();
    let Some(small) = Loop::new(&folder.path().join("small")) else { return };
    let output = imgprep(folder.path(), &["convert", &path, &small.0, "-O", "raw", "--force"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(printed(&output).contains("io.write.too-small"), "{}", printed(&output));
}
