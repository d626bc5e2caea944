//! `imgprep measure`: the length of an output before it is written.

use std::path::Path;

use serde_json::Value;
use testdata_gen::{Noise, disk_of};

use super::schemas::Schema;
use crate::support::program::{has_tool, imgprep, printed, tool};
use crate::support::written::convert;

const MIB: usize = 1 << 20;

fn measured(folder: &Path, args: &[&str]) -> Value {
    let output = imgprep(folder, &[&["measure", "--output", "json"], args].concat());
    assert!(output.status.success(), "{args:?}: {}", printed(&output));
    Schema::of("measure").holds(&output.stdout, &format!("{args:?}"));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn converted_len(folder: &Path, source: &str, format: &str) -> u64 {
    let out = format!("out.{format}");
    convert(folder, &[source, &out, "-O", format]);
    std::fs::metadata(folder.join(out)).unwrap().len()
}

/// Zeros, noise and text; a QCOW2 knows half of the zeros from its tables.
fn disk() -> Vec<u8> {
    disk_of(
        9 * MIB + 512,
        &[(0, Noise::new(5).bytes(MIB)), (4 * MIB + 700, vec![b'x'; 2 * MIB]), (9 * MIB, vec![1])],
    )
}

#[test]
fn exact_length_is_that_of_the_conversion_for_every_format() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::write(folder.join("a.raw"), disk()).unwrap();
    convert(folder, &["a.raw", "a.qcow2", "-o", "cluster_size=4k"]);
    for format in imgprep::TARGETS {
        let len = converted_len(folder, "a.qcow2", format.name);
        let exact = measured(folder, &["a.qcow2", "-O", format.name, "--exact"]);
        assert_eq!(
            (exact["required"].as_u64(), &exact["exact"]),
            (Some(len), &Value::Bool(true)),
            "{}",
            format.name
        );
        let tables = measured(folder, &["a.qcow2", "-O", format.name]);
        let (bound, is_exact) = (tables["required"].as_u64().unwrap(), tables["exact"] == true);
        assert!(if is_exact { bound == len } else { bound >= len }, "{}: {bound} {len}", format.name);
        assert!(tables["fully-allocated"].as_u64().unwrap() >= bound, "{}", format.name);
        assert_eq!(exact["virtual-size"], tables["virtual-size"]);
    }
}

#[test]
fn an_image_of_zeros_is_measured_without_a_file() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::File::create(folder.join("a.raw")).unwrap().set_len(5 << 20).unwrap();
    for format in imgprep::TARGETS {
        let empty = measured(folder, &["--size", "5M", "-O", format.name]);
        let len = converted_len(folder, "a.raw", format.name);
        assert_eq!(empty["required"].as_u64(), Some(len), "{}", format.name);
    }
}

/// Formats that store every block uncompressed have a length that does not depend on the contents.
#[test]
fn the_tables_are_enough_for_linear_formats() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::write(temp.path().join("a.raw"), disk()).unwrap();
    let is_exact = |args: &[&str]| {
        measured(temp.path(), &[&["-f", "raw", "a.raw", "-O"], args].concat())["exact"] == true
    };
    for args in [&["raw"][..], &["vdi", "-o", "static=on"], &["vhd", "-o", "subformat=fixed"]] {
        assert!(is_exact(args), "{args:?}");
    }
    for args in [&["vdi"][..], &["vhd"], &["qcow2"], &["zvhd2"]] {
        assert!(!is_exact(args), "{args:?}");
    }
}

/// `qemu-img` reports the same fields; it allocates reference counts for the whole disk in advance, and is not below ours.
#[test]
fn fields_of_qemu_img_have_the_same_meaning() {
    if !has_tool("qemu-img") {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    for (size, format) in [("1G", "qcow2"), ("1G", "raw"), ("3T", "qcow2")] {
        let ours = measured(folder, &["--size", size, "-O", format]);
        let output = std::process::Command::new("qemu-img")
            .args(["measure", "--size", size, "-O", format, "--output=json"])
            .output()
            .unwrap();
        let theirs: Value = serde_json::from_slice(&output.stdout).unwrap();
        for field in ["required", "fully-allocated"] {
            assert!(ours[field].as_u64() <= theirs[field].as_u64(), "{size} {format}: {ours} {theirs}");
        }
    }
    tool(folder, "qemu-img", &["measure", "--size", "1G"]);
}

#[test]
fn import_limits_are_judged_by_length_size_and_format() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let fits = |args: &[&str]| -> Vec<String> {
        let measured = measured(folder, args);
        let routes = measured["routes"].as_array().unwrap().iter().filter(|route| route["fits"] == true);
        routes.map(|route| route["id"].as_str().unwrap().to_string()).collect()
    };
    for profile in ["huawei-ims", "otc", "flexible-engine"] {
        let fits = |args: &[&str]| fits(&[&["--profile", profile], args].concat());
        assert!(fits(&["--size", "1T", "-O", "zvhd2"]).contains(&"fast-zvhd2".into()), "{profile}");
        assert!(!fits(&["--size", "2T", "-O", "zvhd2"]).contains(&"fast-zvhd2".into()), "{profile}");
        assert_eq!(fits(&["--size", "129G", "-O", "raw"]), ["fast-raw"], "{profile}");
    }
    let output = imgprep(folder, &["measure", "--size", "129G", "-O", "raw", "--dir", "."]);
    let text = printed(&output);
    for want in
        ["normal import: exceeds the limit of 128 GiB for the file", ".: ", "does not accept this format"]
    {
        assert!(text.contains(want), "{want}: {text}");
    }
}

#[test]
fn wrong_requests_are_rejected() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::write(folder.join("a.raw"), [1; 512]).unwrap();
    for (args, want) in [
        (&[][..], "<FILE>"),
        (&["--size", "original"], "--size without FILE must be a number of bytes"),
        (&["a.raw", "-O", "floppy"], "floppy: unknown format"),
        (&["a.raw", "-O", "vdi", "-o", "level=3"], "vdi has static=on|off"),
        (&["a.raw", "--profile", "moon"], "--profile moon: unknown profile"),
        (&["a.raw", "--dir", "nowhere"], "--dir nowhere: "),
        (&["gone.raw"], "[io.open.not-found]"),
        (&["a.raw", "--report", "a.raw"], "a.raw"),
        (&["--size", "3T", "-O", "vhd"], "[vhd.write.disk-too-large]"),
    ] {
        let output = imgprep(folder, &[&["measure"], args].concat());
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", printed(&output));
        assert!(printed(&output).contains(want), "{args:?}: {}", printed(&output));
    }
    assert_eq!(std::fs::read(folder.join("a.raw")).unwrap(), [1; 512]);
    let output = imgprep(folder, &["measure", "gone", "--output", "json"]);
    Schema::of("measure").holds(&output.stdout, "an error");
}

#[test]
fn a_dry_run_reports_the_free_space_of_the_output() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::write(folder.join("a.raw"), [1; 512]).unwrap();
    let plan = ["convert", "a.raw", "b.qcow2", "--dry-run"];
    assert!(printed(&imgprep(folder, &plan)).contains(".: fits, "));
    let json = imgprep(folder, &[&plan[..], &["--output", "json"]].concat());
    Schema::of("convert").holds(&json.stdout, "dry run");
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert!(json["free-space"].as_u64().is_some_and(|free| free > 0));
}

/// A dry run of a conversion shows the import limits that `measure` shows.
#[test]
fn a_dry_run_reports_the_import_limits() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let disk = std::fs::File::create(folder.join("a.raw")).unwrap();
    disk.set_len(129 << 30).unwrap();
    let dry_run = |args: &[&str]| {
        let output =
            imgprep(folder, &[&["convert", "--dry-run", "--output", "json", "a.raw"], args].concat());
        assert!(output.status.success(), "{args:?}: {}", printed(&output));
        Schema::of("convert").holds(&output.stdout, &format!("{args:?}"));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    for (format, options, want) in [
        ("raw", "", &["fast-raw"][..]),
        ("zvhd2", "", &["import", "fast-zvhd2"]),
        ("vdi", "", &["import"]),
        ("vmdk", "", &["import"]),
        ("vmdk", "subformat=twoGbMaxExtentSparse", &[]),
        ("vdi", "static=on", &[]),
    ] {
        let out = format!("b.{format}");
        let options: &[&str] = if options.is_empty() { &[] } else { &["-o", options] };
        for profile in ["huawei-ims", "otc", "flexible-engine"] {
            let args = ["-O", format, "--profile", profile];
            let plan = dry_run(&[&[&*out], &args[..], options].concat());
            let measured = measured(folder, &[&["a.raw"], &args[..], options].concat());
            assert_eq!((&plan["profile"], &plan["routes"]), (&measured["profile"], &measured["routes"]));
            let fits = plan["routes"].as_array().unwrap().iter().filter(|route| route["fits"] == true);
            let fits: Vec<_> = fits.map(|route| route["id"].as_str().unwrap()).collect();
            assert_eq!(fits, want, "{format} {options:?} {profile}");
        }
    }
    assert_eq!(dry_run(&["b.zvhd2"])["profile"], "huawei-ims", "the default");
    disk.set_len(2 << 40).unwrap();
    let text = printed(&imgprep(folder, &["convert", "--dry-run", "a.raw", "b.zvhd2", "--for", "otc"]));
    for want in [".: fits, ", "otc, normal import: fits, ", "exceeds the limit of 1 TiB for the disk"] {
        assert!(text.contains(want), "{want}: {text}");
    }
    let unknown = imgprep(folder, &["convert", "--dry-run", "a.raw", "b.zvhd2", "--profile", "moon"]);
    assert!(printed(&unknown).contains("--profile moon: unknown profile"), "{}", printed(&unknown));
    let wet = imgprep(folder, &["convert", "a.raw", "b.zvhd2", "--profile", "otc"]);
    assert!(printed(&wet).contains("--dry-run"), "{}", printed(&wet));
    assert!(!folder.join("b.zvhd2").exists());
}
