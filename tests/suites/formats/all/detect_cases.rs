//! Contents that match no format: a RAW only where neither the contents nor the name speak against it.

use std::path::Path;

use serde_json::Value;
use testdata_gen::{disks, good, plain_disk, sample, strangers, wiped, write_files};

use crate::cli::schemas::Schema;
use crate::support::program::{has_tool, imgprep, names, printed, tool};

pub(super) fn put(folder: &Path, name: &str, bytes: &[u8]) {
    std::fs::write(folder.join(name), bytes).unwrap();
}

pub(super) fn get(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(name)).unwrap()
}

pub(super) fn json(folder: &Path, args: &[&str]) -> Value {
    let output = imgprep(folder, &[args, &["--output", "json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", printed(&output)))
}

/// Every command refuses the file `name` with this code and writes nothing.
fn refused_everywhere(folder: &Path, name: &str, code: &str) {
    let before = names(folder);
    for args in [
        &["info", name][..],
        &["info", "--chain", name],
        &["map", name],
        &["convert", name, "out.raw"],
        &["convert", name, "out.zvhd2", "--dry-run"],
        &["convert", name, "out.raw", "--salvage"],
        &["bitmap", name, "out.mf"],
    ] {
        let output = imgprep(folder, args);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", printed(&output));
        assert!(printed(&output).contains(&format!("[{code}")), "{args:?}: {}", printed(&output));
    }
    for args in [&["check", name][..], &["check", "--for", "otc", name]] {
        let output = imgprep(folder, args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", printed(&output));
        let object = json(folder, args);
        let found = &object["judgements"];
        let is_ours = |found: &Value| found["code"] == code && found["severity"] == "error";
        assert!(found.as_array().unwrap().iter().any(is_ours), "{args:?}: {object:#}");
    }
    assert_eq!(names(folder), before, "{name}");
    let output = imgprep(folder, &["batch", ".", "--out", "batch-out", "--include", name]);
    assert_eq!(output.status.code(), Some(2), "{}", printed(&output));
    assert!(printed(&output).contains(code), "{}", printed(&output));
    assert_eq!(names(&folder.join("batch-out")), ["imgprep-batch.journal"], "{name}");
    std::fs::remove_dir_all(folder.join("batch-out")).unwrap();
}

#[test]
fn image_with_a_wiped_header_is_rejected() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let images = wiped();
    let mut formats: Vec<_> = images.iter().map(|image| image.format).collect();
    formats.sort_unstable();
    let mut signed: Vec<_> =
        imgprep::FORMATS.iter().map(|format| format.name).filter(|name| *name != "raw").collect();
    signed.sort_unstable();
    assert_eq!(formats, signed);
    for image in images {
        let (name, bytes) = (format!("web.{}", image.format), &image.files[0].bytes);
        put(folder, &name, bytes);
        refused_everywhere(folder, &name, "detect.extension-denied");
        let text = printed(&imgprep(folder, &["convert", &name, "out.raw"]));
        assert!(text.contains(&format!("the name ends in \".{}\"", image.format)), "{text}");
        assert!(text.contains("its header is missing or overwritten"), "{text}");
        assert!(
            text.contains(&format!("select the format with: imgprep convert --from raw {name}")),
            "{text}"
        );
        // `--from` overrides the detection.
        let output = imgprep(folder, &["convert", "--from", "raw", &name, "out.raw", "-q"]);
        assert!(output.status.success(), "{}", printed(&output));
        assert!(get(folder, "out.raw") == *bytes, "{name}");
        std::fs::remove_file(folder.join("out.raw")).unwrap();
        // Under a neutral name the same bytes are a RAW disk.
        put(folder, "web", bytes);
        assert_eq!(json(folder, &["info", "web"])["format"], "raw", "{name}");
    }
}

#[test]
fn batch_of_wiped_images_writes_no_output() {
    let temp = tempfile::tempdir().unwrap();
    let images = wiped();
    std::fs::create_dir(temp.path().join("images")).unwrap();
    for image in &images {
        put(&temp.path().join("images"), &format!("web.{}", image.format), &image.files[0].bytes);
    }
    let report = ["batch", "images", "--out", "out", "--name", "{name}.{ext}", "--report", "report.json"];
    assert_eq!(imgprep(temp.path(), &report).status.code(), Some(2));
    assert_eq!(names(&temp.path().join("out")), ["imgprep-batch.journal"]);
    let report: Value = serde_json::from_slice(&get(temp.path(), "report.json")).unwrap();
    let jobs = report["images"].as_array().unwrap();
    assert_eq!(jobs.len(), images.len());
    for job in jobs {
        assert_eq!(job["error"]["code"], "detect.extension-denied", "{job:#}");
    }
}

#[test]
fn contents_without_a_signature_under_a_foreign_extension_are_rejected() {
    let temp = tempfile::tempdir().unwrap();
    for name in [
        "plain.qcow2",
        "export.ova",
        "cd.iso",
        "disk.raw.gz",
        "disk.hdd",
        "disk.dmg",
        "copy.E01",
        "vm.vmem",
        "web.qcow2.bak",
    ] {
        put(temp.path(), name, &plain_disk());
        refused_everywhere(temp.path(), name, "detect.extension-denied");
        let info = json(temp.path(), &["info", "--from", "raw", name]);
        assert_eq!((&info["format"], &info["findings"]), (&"raw".into(), &serde_json::json!([])), "{name}");
    }
}

#[test]
fn vmdk_extent_is_rejected_alone_and_read_through_its_descriptor() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let disk = b"The quick brown line of this disk.\n".repeat(60_000)[..1 << 20].to_vec();
    for (part, stem) in [
        ("web-flat.vmdk", "web"),
        ("web-f001.vmdk", "web"),
        ("web-s001.vmdk", "web"),
        ("web-000001-delta.vmdk", "web-000001"),
        ("web-000001-sesparse.vmdk", "web-000001"),
        ("web-ctk.vmdk", "web"),
        ("WEB-FLAT.VMDK", "WEB"),
    ] {
        put(folder, part, &disk);
        refused_everywhere(folder, part, "detect.extension-denied");
        let descriptor = if stem == "WEB" { "WEB.VMDK".into() } else { format!("{stem}.vmdk") };
        let text = format!(
            "# Disk DescriptorFile\nversion=1\nCID=00000001\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\nRW 2048 FLAT \"{part}\" 0\n"
        );
        put(folder, &descriptor, text.as_bytes());
        let words = printed(&imgprep(folder, &["convert", part, "out.raw"]));
        assert!(words.contains(&format!("remedy: imgprep convert {descriptor}")), "{words}");
        let error = json(folder, &["info", part])["error"].clone();
        assert_eq!(error["remedy"], format!("imgprep info {descriptor}"), "{error}");
        for args in [
            &["convert", &descriptor, "out.raw", "-q"][..],
            &["convert", "--from", "raw", part, "out.raw", "-q"],
        ] {
            let output = imgprep(folder, args);
            assert!(output.status.success(), "{args:?}: {}", printed(&output));
            assert!(get(folder, "out.raw") == disk, "{args:?}");
            std::fs::remove_file(folder.join("out.raw")).unwrap();
        }
        std::fs::remove_file(folder.join(descriptor)).unwrap();
        std::fs::remove_file(folder.join(part)).unwrap();
    }
}

#[test]
fn files_often_found_beside_images_are_rejected_with_advice() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let all = strangers();
    for stranger in &all {
        put(folder, stranger.name, &stranger.bytes);
    }
    let before = names(folder);
    for stranger in &all {
        let name = stranger.name;
        let info = json(folder, &["info", name]);
        assert_eq!(info["error"]["code"], "detect.no-disk", "{name}: {info:#}");
        let kinds: Vec<_> =
            info["matches"].as_array().unwrap().iter().map(|found| &found["format"]).collect();
        assert_eq!(kinds, [stranger.kind], "{name}: {info:#}");
        let output = imgprep(folder, &["convert", name, "out.raw"]);
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(printed(&output).contains(stranger.advice), "{name}: {}", printed(&output));
        let output = imgprep(folder, &["check", "--for", "otc", name]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(printed(&output).contains("format/no-disk, detect.no-disk"), "{name}: {}", printed(&output));
        // A file that is not an image cannot be converted, so no advice suggests it.
        assert!(!printed(&output).contains("imgprep convert"), "{name}: {}", printed(&output));
    }
    assert_eq!(names(folder), before);
    refused_everywhere(folder, "curl.qcow2", "detect.no-disk");
    let report = folder.with_extension("json").display().to_string();
    let args =
        ["batch", ".", "--out", "out", "--include", "*", "--name", "{name}.{ext}", "--report", &report];
    assert_eq!(imgprep(folder, &args).status.code(), Some(2));
    let object: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    std::fs::remove_file(&report).unwrap();
    let jobs = object["images"].as_array().unwrap();
    // Hidden files are not looked at.
    assert_eq!(jobs.len(), all.iter().filter(|stranger| !stranger.name.starts_with('.')).count());
    assert!(jobs.iter().all(|job| job["error"]["code"] == "detect.no-disk"), "{object:#}");
    assert_eq!(names(&folder.join("out")), ["imgprep-batch.journal"]);
}

#[test]
fn disk_is_raw_whatever_signature_its_first_bytes_resemble() {
    let temp = tempfile::tempdir().unwrap();
    for (about, disk) in disks() {
        for name in ["disk.img", "disk", "disk.backing", "disk.raw.bak"] {
            put(temp.path(), name, &disk);
            let info = json(temp.path(), &["info", name]);
            assert_eq!(
                (&info["format"], &info["matches"]),
                (&"raw".into(), &serde_json::json!([])),
                "{about}: {info:#}"
            );
        }
    }
}

#[test]
fn an_empty_file_is_refused_and_a_disk_of_0_bytes_where_raw_is_asked_for() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    for name in ["empty.img", "empty", "empty.qcow2"] {
        put(folder, name, b"");
        refused_everywhere(folder, name, "detect.empty");
        let text = printed(&imgprep(folder, &["convert", name, "out.raw"]));
        assert!(
            text.contains(&format!("select the format with: imgprep convert --from raw {name}")),
            "{text}"
        );
        let info = json(folder, &["info", "--from", "raw", name]);
        assert_eq!((&info["virtual-size"], &info["findings"][0]["code"]), (&0.into(), &"raw.empty".into()));
        let output = imgprep(folder, &["convert", "--from", "raw", name, "out.raw", "-q"]);
        assert!(output.status.success(), "{}", printed(&output));
        assert_eq!(get(folder, "out.raw"), b"");
        std::fs::remove_file(folder.join("out.raw")).unwrap();
        // It is a disk, and none that could be imported.
        assert_eq!(imgprep(folder, &["check", "--from", "raw", name]).status.code(), Some(2));
    }
}

#[test]
fn a_fixed_vhd_with_zeros_after_its_footer_is_named_and_can_be_cut() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let image = good().into_iter().find(|image| {
        image.format == "vhd"
            && image.files.len() == 1
            && image.files[0].bytes.len() == image.disk.len() + 512
            && image.disk.len() > 4096
            && image.disk.len().is_multiple_of(512)
    });
    let image = image.expect("a fixed VHD is among the good images");
    for padding in [4096, 1 << 20] {
        for name in ["padded.vhd", "padded.img"] {
            let mut bytes = image.files[0].bytes.clone();
            bytes.resize(bytes.len() + padding, 0);
            put(folder, name, &bytes);
            refused_everywhere(folder, name, "detect.padded");
            let error = json(folder, &["info", name])["error"].clone();
            assert_eq!(error["offset"], image.disk.len(), "{error}");
            let remedy = format!("head -c {} {name} > {name}.vhd", image.disk.len() + 512);
            assert_eq!(error["remedy"], remedy);
            tool(folder, "sh", &["-c", &remedy]);
            assert!(get(folder, name) == bytes, "the file itself is left as it is");
            let output = imgprep(folder, &["convert", &format!("{name}.vhd"), "out.raw", "-q", "--force"]);
            assert!(output.status.success(), "{}", printed(&output));
            assert!(get(folder, "out.raw") == image.disk);
            std::fs::remove_file(folder.join(format!("{name}.vhd"))).unwrap();
        }
    }
}

#[test]
fn remedies_for_compressed_files_work_whatever_they_are_called() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let disk = testdata_gen::Noise::new(3).half_compressible(1 << 20);
    put(folder, "disk.raw", &disk);
    for (program, compress) in [
        ("gzip", "gzip -c"),
        ("xz", "xz -c"),
        ("xz", "xz -c --format=lzma"),
        ("zstd", "zstd -qc"),
        ("bzip2", "bzip2 -c"),
        ("lz4", "lz4 -qc"),
        ("lz4", "lz4 -qlc"),
    ] {
        if !has_tool(program) {
            continue;
        }
        for name in ["x.qcow2", "my disk", "it's.img", "-d", "x.vmdk"] {
            tool(folder, "sh", &["-c", &format!("{compress} disk.raw > compressed")]);
            std::fs::rename(folder.join("compressed"), folder.join(name)).unwrap();
            let before = get(folder, name);
            let shown = format!("./{name}");
            let error = json(folder, &["info", &shown])["error"].clone();
            assert_eq!(error["code"], "detect.no-disk", "{compress}: {error}");
            let remedy = error["remedy"].as_str().expect("a remedy");
            tool(folder, "bash", &["-c", remedy]);
            assert!(get(folder, name) == before, "{remedy}");
            let made = format!("{name}.raw");
            assert!(get(folder, &made) == disk, "{remedy}");
            assert_eq!(json(folder, &["info", &format!("./{made}")])["format"], "raw");
            for name in [name, &made] {
                std::fs::remove_file(folder.join(name)).unwrap();
            }
        }
    }
    assert!(get(folder, "disk.raw") == disk);
}

#[test]
fn a_descriptor_in_utf_16_is_read_after_its_remedy() {
    if !has_tool("iconv") {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let text = "# Disk DescriptorFile\nversion=1\nCID=00000001\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\nRW 2048 FLAT \"web-flat.vmdk\" 0\n";
    put(folder, "web-flat.vmdk", &vec![7; 1 << 20]);
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for bytes in [&little, &big, &[&[0xff, 0xfe], &little[..]].concat(), &[&[0xfe, 0xff], &big[..]].concat()]
    {
        put(folder, "web.vmdk", bytes);
        let error = json(folder, &["info", "web.vmdk"])["error"].clone();
        tool(folder, "sh", &["-c", error["remedy"].as_str().expect("a remedy")]);
        let output = imgprep(folder, &["convert", "web.vmdk.vmdk", "out.raw", "-q", "--force"]);
        assert!(output.status.success(), "{}", printed(&output));
        assert!(get(folder, "out.raw") == vec![7; 1 << 20]);
        std::fs::remove_file(folder.join("web.vmdk.vmdk")).unwrap();
    }
}

#[test]
fn rejections_match_the_schemas() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    put(folder, "web.qcow2", &plain_disk());
    put(folder, "empty", b"");
    put(folder, "notes.img", b"some words\n");
    let (info, check) = (Schema::of("info"), Schema::of("check"));
    for (name, code, matches) in [
        ("web.qcow2", "detect.extension-denied", &[][..]),
        ("empty", "detect.empty", &[]),
        ("notes.img", "detect.no-disk", &["text"]),
    ] {
        info.holds(&imgprep(folder, &["info", name, "--output", "json"]).stdout, name);
        check.holds(&imgprep(folder, &["check", name, "--for", "otc", "--output", "json"]).stdout, name);
        let object = json(folder, &["info", name]);
        assert_eq!(object["error"]["code"], code);
        let found: Vec<_> =
            object["matches"].as_array().unwrap().iter().map(|found| &found["format"]).collect();
        assert_eq!(found, matches, "{object:#}");
    }
    let several = ["info", "web.qcow2", "notes.img", "--output", "json"];
    info.holds(&imgprep(folder, &several).stdout, "several");
    // Under a neutral name nothing is reported.
    write_files(&sample().files, folder).unwrap();
    assert_eq!(json(folder, &["info", "sample.qcow2"])["error"], Value::Null);
}
