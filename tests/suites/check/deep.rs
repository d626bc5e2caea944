//! `imgprep check --deep`, chains, and formats that are not read.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde_json::{Value, json};
use testdata_gen::{Cell, Noise, Qcow2, good, sample, write_files};

use crate::support::checks::{check, json_of, rules, violations};
use crate::support::program::{command, printed};

/// A QCOW2 of 1 MiB in clusters of 64 KiB with one of data, over this backing file.
fn layer(backing: Option<&str>) -> Qcow2 {
    let cells = [(3, Cell::Data(vec![1; 65536]))].into();
    let backing = backing.map(|name| (name.to_string(), Some("qcow2".to_string())));
    Qcow2 { backing, cells, ..Qcow2::new(16, 1 << 20) }
}

/// With `--follow` every layer is judged, and each violation names its file.
#[test]
fn every_layer_of_a_chain_is_checked() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    std::fs::create_dir(folder.join("in")).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join("in").join(name), bytes).unwrap();
    let written = layer(None).write();
    let mut base = written.file;
    let entry = usize::try_from(written.entries[&3]).unwrap();
    base[entry..entry + 8].copy_from_slice(&(1u64 << 63 | 1 << 40).to_be_bytes());
    write("base.qcow2", &base);
    write("mid.qcow2", &Qcow2 { incompatible: 1, ..layer(Some("base.qcow2")) }.write().file);
    write("top.qcow2", &layer(Some("mid.qcow2")).write().file);
    let of = |json: &Value| -> BTreeSet<(String, Option<String>)> {
        let word = |value: &Value| value.as_str().map(String::from);
        violations(json).iter().map(|found| (word(&found["rule"]).unwrap(), word(&found["file"]))).collect()
    };
    let (json, code) = json_of(folder, &["in/top.qcow2"]);
    assert_eq!((of(&json), code), ([("safety/backing-file".to_string(), None)].into(), Some(2)));
    let (json, code) = json_of(folder, &["--follow", "beside", "in/top.qcow2"]);
    for (rule, file) in [
        ("safety/backing-file", None),
        ("safety/backing-file", Some("in/mid.qcow2")),
        ("structure/dirty", Some("in/mid.qcow2")),
        ("structure/past-end", Some("in/base.qcow2")),
        ("structure/leak", Some("in/base.qcow2")),
    ] {
        assert!(of(&json).contains(&(rule.into(), file.map(String::from))), "{rule} {file:?}: {json:#}");
    }
    assert_eq!((code, &json["corruptions"]), (Some(2), &json!(0)), "the numbers are the top's");
    let past = violations(&json).into_iter().find(|found| found["code"] == "qcow2.l2.past-end").unwrap();
    assert_eq!((&past["offset"], &past["disk"]["start"]), (&json!(entry), &json!(3 << 16)), "{past:#}");
    let sarif = check(folder, &["--follow", "beside", "--output", "sarif", "in/top.qcow2"]);
    let sarif: Value = serde_json::from_slice(&sarif.stdout).unwrap();
    let uris: BTreeSet<&str> = sarif["runs"][0]["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap())
        .collect();
    assert_eq!(uris, ["in/base.qcow2", "in/mid.qcow2", "in/top.qcow2"].into());
    let text = printed(&check(folder, &["--follow", "beside", "in/top.qcow2"]));
    assert!(
        text.contains("[structure/dirty, qcow2.header.dirty, in in/mid.qcow2, file offset 72]"),
        "{text}"
    );
    let lines = printed(&check(folder, &["--follow", "beside", "--output", "github", "in/top.qcow2"]));
    assert!(lines.contains("::warning file=in/mid.qcow2,line=1,title=structure/dirty::"), "{lines}");
}

/// With `--deep` the payloads of every layer are decompressed.
#[test]
fn deep_decompresses_the_payloads_of_lower_layers() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let cells = [(5, Cell::Compressed(vec![7; 65536]))].into();
    let written = Qcow2 { cells, ..layer(None) }.write();
    let mut base = written.file;
    base[usize::try_from(written.places[&5]).unwrap()..][..8].fill(0xff);
    std::fs::write(folder.join("base.qcow2"), &base).unwrap();
    std::fs::write(folder.join("top.qcow2"), layer(Some("base.qcow2")).write().file).unwrap();
    for (args, want) in
        [(&["--follow", "beside"][..], 0), (&["--follow", "beside", "--deep"], 1), (&["--deep"], 0)]
    {
        let (json, _) = json_of(folder, &[args, &["top.qcow2"]].concat());
        let is_it = |found: &&Value| found["rule"] == "structure/payload" && found["file"] == "base.qcow2";
        assert_eq!(violations(&json).into_iter().filter(is_it).count(), want, "{args:?}: {json:#}");
    }
}

/// The commands that `check` gives are pasted into a shell, and the route is open afterwards.
#[test]
fn commands_of_the_routes_work() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let name = "it's my $disk.qcow2";
    std::fs::write(folder.join(name), &sample().files[0].bytes).unwrap();
    let program = command(folder, &[]).get_program().to_os_string();
    let bin = Path::new(&program).parent().unwrap().display().to_string();
    let path = format!("{bin}:{}", std::env::var("PATH").unwrap());
    for route in ["import", "fast-zvhd2"] {
        let (json, _) = json_of(folder, &["--profile", "huawei-ims", name]);
        let routes = json["routes"].as_array().unwrap();
        let line = routes.iter().find(|found| found["id"] == route).unwrap()["command"].as_str().unwrap();
        let before = crate::support::program::names(folder);
        let output = std::process::Command::new("bash")
            .args(["-c", line])
            .current_dir(folder)
            .env("PATH", &path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{line}: {}", printed(&output));
        let made =
            crate::support::program::names(folder).into_iter().find(|name| !before.contains(name)).unwrap();
        let (json, code) = json_of(folder, &["--profile", "huawei-ims", "--route", route, &made]);
        assert_eq!(code, Some(0), "{line}: {json:#}");
        let ready = json["routes"].as_array().unwrap().iter().find(|found| found["id"] == route).unwrap();
        assert_eq!(ready["verdict"], "ready", "{line}");
        std::fs::write(folder.join(name), &sample().files[0].bytes).unwrap();
    }
}

/// What is known and not read is judged like everything else, in a run of many files, too, each with a command
/// to go on with.
#[test]
fn a_format_without_a_reader_is_reported() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let write = |name: &str, at: usize, magic: &[u8]| {
        let mut bytes = vec![0; 40960];
        bytes[at..at + magic.len()].copy_from_slice(magic);
        std::fs::write(folder.join(name), bytes).unwrap();
    };
    let mut tar = vec![0; 512];
    tar[..8].copy_from_slice(b"disk.ovf");
    tar[124..135].copy_from_slice(b"00000000000");
    tar[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = tar.iter().map(|byte| u32::from(*byte)).sum::<u32>() + 8 * 32;
    tar[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let cases: [(&str, usize, &[u8], &str, &str, &str); 6] = [
        (
            "a b.hdd",
            0,
            b"WithoutFreeSpace",
            "parallels",
            "format/unread",
            "qemu-img convert -O raw 'a b.hdd' 'a b.hdd.raw'",
        ),
        (
            "a.dmg",
            40448,
            b"koly\0\0\0\x04\0\0\x02\0",
            "dmg",
            "format/unread",
            "qemu-img convert -O raw a.dmg a.dmg.raw",
        ),
        ("a.gz", 0, &[0x1f, 0x8b, 8], "gzip", "format/no-disk", "gzip -dc a.gz > a"),
        ("a.iso", 32768, b"\x01CD001\x01", "iso9660", "format/no-disk", ""),
        ("a.ova", 0, &tar, "ova", "format/no-disk", "tar xf a.ova"),
        ("a.xz", 0, b"\xfd7zXZ\0", "xz", "format/no-disk", "xz -dc a.xz > a"),
    ];
    for (name, at, magic, format, rule, remedy) in cases {
        write(name, at, magic);
        let (json, code) = json_of(folder, &[name]);
        let found = violations(&json);
        assert_eq!((found.len(), code), (1, Some(2)), "{json:#}");
        assert_eq!(
            (found[0]["rule"].as_str(), found[0]["remedy"].as_str().unwrap_or_default()),
            (Some(rule), remedy)
        );
        assert!(found[0]["offset"].is_u64(), "{json:#}");
        let kind = if format == "iso9660" { "iso" } else { format };
        assert_eq!((json["format"].as_str(), json.get("error")), (Some(kind), None), "{json:#}");
    }
    std::fs::write(folder.join("z.qcow2"), Qcow2::new(16, 1 << 20).write().file).unwrap();
    let text = printed(&check(folder, &[".", "a.gz", "a.xz"]));
    assert!(
        text.ends_with("7 files: 1 fine, 0 with leaks or denied warnings, 6 with errors, 0 not checked\n"),
        "{text}"
    );
    assert_eq!(check(folder, &["--allow", "format/unread", "a.dmg"]).status.code(), Some(0));
}

/// Damaged payloads are seen with `--deep` only, in ZVHD's one stream, too.
#[test]
fn deep_decompresses_every_payload() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    for image in
        good().into_iter().filter(|image| image.format.starts_with("zvhd") && !image.name.contains("zeros"))
    {
        if image.name == "zvhd2-zlib-finished" {
            continue; // an error without `--deep`, too
        }
        let path = write_files(&image.files, folder).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.write_all_at(&Noise::new(3).bytes(64), 4096 + 48 + 10).unwrap();
        let path = path.display().to_string();
        assert_eq!(json_of(folder, &[&path]).1, Some(0), "{}", image.name);
        let (json, code) = json_of(folder, &["--deep", &path]);
        assert_eq!(
            (rules(&json, "error")[0].as_str(), code),
            ("structure/payload", Some(2)),
            "{}",
            image.name
        );
        assert_eq!(violations(&json)[0]["offset"], 4096 + 48, "{}", image.name);
    }
}
