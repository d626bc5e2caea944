//! Control characters in names and images are escaped in every output.

use std::collections::BTreeMap;

use serde_json::Value;
use testdata_gen::Qcow2;

use crate::support::escaping::{HOSTILE, file_is_clean, printed_clean};
use crate::support::files::{qcow2, write};
use crate::support::program::{imgprep, names, printed};
use crate::support::reports::json;

/// The case `file-names/`: every command prints names escaped, in every format; JSON has the exact name.
#[test]
fn control_characters_in_file_names_are_escaped_in_every_output() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let whole = qcow2();
    for (index, name) in HOSTILE.into_iter().enumerate() {
        write(folder, name, &whole);
        let output = imgprep(folder, &["info", name]);
        assert!(output.status.success(), "{}", printed(&output));
        printed_clean(&output, "info");
        for command in ["info", "check", "map"] {
            let output = imgprep(folder, &[command, name, "--output", "json"]);
            printed_clean(&output, command);
            assert_eq!(json(&output)["filename"], name, "{command}");
        }
        for format in ["text", "github", "junit", "sarif"] {
            for profile in ["otc", "huawei-ims"] {
                let output = imgprep(folder, &["check", "--for", profile, "--output", format, name]);
                printed_clean(&output, format);
            }
        }
        let raw = format!("{name}.raw");
        let verbose = [
            "convert",
            name,
            &raw,
            "--bitmap",
            "--verify",
            "--receipt",
            "receipt.json",
            "--report",
            "report.json",
        ];
        for more in [
            &["--dry-run"][..],
            &["--progress", "jsonl"],
            &["--force"],
            &["--force", "--output", "json"],
            &[],
        ] {
            let output = imgprep(folder, &[&verbose[..], more].concat());
            printed_clean(&output, &format!("convert {more:?}"));
            assert_eq!(output.status.code(), Some(i32::from(more.is_empty())), "{}", printed(&output));
        }
        file_is_clean(&folder.join("receipt.json"));
        file_is_clean(&folder.join("report.json"));
        let receipt: Value =
            serde_json::from_slice(&std::fs::read(folder.join("receipt.json")).unwrap()).unwrap();
        assert_eq!(receipt["output"]["filename"], raw.as_str());
        for name in ["receipt.json", "report.json"] {
            std::fs::remove_file(folder.join(name)).unwrap();
        }
        let bitmap = format!("{name}.{index}");
        for more in [&["--progress", "jsonl"][..], &["--output", "json", "--force"], &[]] {
            printed_clean(&imgprep(folder, &[&["bitmap", name, &bitmap], more].concat()), "bitmap");
        }
        // Files that are damaged or not there.
        write(folder, name, &whole[..300]);
        for args in [
            &["info", name][..],
            &["map", name],
            &["check", name],
            &["convert", name, "x.raw"],
            &["bitmap", name, "x.mf"],
        ] {
            for format in ["text", "json"] {
                let output = imgprep(folder, &[args, &["--output", format]].concat());
                assert_ne!(output.status.code(), Some(0), "{args:?}");
                printed_clean(&output, &format!("{args:?}, damaged"));
            }
        }
        std::fs::remove_file(folder.join(name)).unwrap();
        for args in [
            &["info", name, name][..],
            &["check", name, name],
            &["convert", name, "x.raw"],
            &["batch", name, "--out", "x"],
        ] {
            printed_clean(&imgprep(folder, args), &format!("{args:?}, missing"));
        }
        // Names as options, values and commands.
        for args in [
            &[name][..],
            &["info", "--from", name, "a"],
            &["convert", "a", "b", name],
            &["convert", "a", "b", "-O", name],
            &["check", "--for", name, "a"],
            &["check", "--deny", name, "a"],
            &["check", "--explain", name],
            &["info", "a", &format!("--{name}")],
            &["info", "a", "--output", name],
        ] {
            let output = imgprep(folder, args);
            assert_eq!(output.status.code(), Some(1), "{args:?}");
            printed_clean(&output, &format!("{args:?}"));
        }
    }
}

/// Text out of images: snapshot names, backing files, descriptor values, extents, partition labels.
#[test]
fn control_characters_out_of_images_are_escaped_in_every_output() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    for (index, name) in HOSTILE.into_iter().enumerate() {
        let snapshots = vec![(name.to_string(), name.to_string(), BTreeMap::new(), 1 << 20)];
        let image = Qcow2 { snapshots, ..Qcow2::new(16, 1 << 20) }.write().file;
        write(folder, &format!("{index}-snapshot.qcow2"), image);
        let backing = Some((name.to_string(), Some(name.to_string())));
        write(
            folder,
            &format!("{index}-backing.qcow2"),
            Qcow2 { backing, ..Qcow2::new(16, 1 << 20) }.write().file,
        );
        let line = name.replace(['\n', '\r'], "\u{b}");
        let text = format!(
            "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType=\"{line}\"\n\
             RW 2048 FLAT \"{line}\" 0\nddb.adapterType = \"{line}\"\nddb.uuid = \"{line}\"\n{line}\n"
        );
        write(folder, &format!("{index}-text.vmdk"), text);
    }
    write(folder, "label.raw", labelled("\u{202e}boot\n\u{1b}[2J\u{2028}"));
    let output = imgprep(folder, &["info", "label.raw"]);
    assert!(printed(&output).contains("\\u{202e}boot\\n\\u{1b}[2J\\u{2028}"), "{}", printed(&output));
    let images: Vec<_> = names(folder);
    for image in &images {
        for args in [
            &["info", image][..],
            &["info", "--chain", image],
            &["map", image],
            &["check", "--for", "otc", image],
            &["convert", image, "out.raw", "--force"],
        ] {
            for format in ["text", "json"] {
                printed_clean(
                    &imgprep(folder, &[args, &["--output", format]].concat()),
                    &format!("{args:?} {format}"),
                );
            }
        }
        for format in ["github", "junit", "sarif"] {
            printed_clean(
                &imgprep(folder, &["check", "--follow", "any", "--output", format, image]),
                &format!("{image} {format}"),
            );
        }
    }
}

/// A disk with a GPT and one partition of this label.
fn labelled(label: &str) -> Vec<u8> {
    let mut disk = vec![0; 2 << 20];
    disk[450] = 0xee;
    disk[454..462].copy_from_slice(&[1, 0, 0, 0, 0xff, 0xf, 0, 0]);
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    let mut entries = vec![0; 128 * 128];
    entries[..16].copy_from_slice(b"Hah!IdontNeedEFI");
    entries[16..32].copy_from_slice(&[7; 16]);
    entries[32..40].copy_from_slice(&64u64.to_le_bytes());
    entries[40..48].copy_from_slice(&99u64.to_le_bytes());
    for (unit, place) in label.encode_utf16().zip(entries[56..128].chunks_mut(2)) {
        place.copy_from_slice(&unit.to_le_bytes());
    }
    let mut header = vec![0; 92];
    header[..8].copy_from_slice(b"EFI PART");
    header[8..16].copy_from_slice(&[0, 0, 1, 0, 92, 0, 0, 0]);
    for (at, value) in [(24, 1u64), (32, 4095), (40, 34), (48, 4000), (72, 2)] {
        header[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    header[80..88].copy_from_slice(&[128, 0, 0, 0, 128, 0, 0, 0]);
    header[88..92].copy_from_slice(&crc32fast::hash(&entries).to_le_bytes());
    let sum = crc32fast::hash(&header);
    header[16..20].copy_from_slice(&sum.to_le_bytes());
    disk[512..604].copy_from_slice(&header);
    disk[1024..1024 + entries.len()].copy_from_slice(&entries);
    disk
}
