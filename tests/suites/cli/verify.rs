//! `convert --receipt` with digests, and `imgprep verify`.

use std::fs;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use testdata_gen::{Noise, sample, write_files};

use super::schemas::Schema;
use crate::support::outputs::MIB;
use crate::support::program::{imgprep, names, printed};

/// The outputs of these tests: name, format and options. The disk of the last two is longer than the source's.
const OUTPUTS: &[(&str, &[&str])] = &[
    ("a.raw", &[]),
    ("a.zvhd2", &[]),
    ("b.zvhd2", &["--zlib"]),
    ("a.qcow2", &[]),
    ("a.vdi", &[]),
    ("a.vhd", &[]),
    ("b.vhd", &["-o", "subformat=fixed"]),
    ("c.vhd", &["-o", "align=1M"]),
];

/// A disk whose length is no multiple of a sector.
fn source(folder: &Path) -> Vec<u8> {
    let mut disk = vec![0; 9 * MIB + 100];
    disk[3 * MIB..6 * MIB].copy_from_slice(&Noise::new(1).half_compressible(3 * MIB));
    disk[9 * MIB + 99] = 7;
    fs::write(folder.join("src.raw"), &disk).unwrap();
    disk
}

/// Converts `src.raw` and returns the receipt, which has the form of its schema.
#[track_caller]
fn convert(folder: &Path, output: &str, options: &[&str]) -> Value {
    let args = ["convert", "-q", "--force", "--no-sync", "src.raw", output, "--receipt", "r.json"];
    let done = imgprep(folder, &[&args[..], options].concat());
    assert!(done.status.success(), "{output} {options:?}: {}", printed(&done));
    let receipt = fs::read(folder.join("r.json")).unwrap();
    Schema::of("receipt").holds(&receipt, output);
    serde_json::from_slice(&receipt).unwrap()
}

/// The exit code and the object of `verify --output json`, which has the form of its schema.
fn verify(folder: &Path, args: &[&str]) -> (Option<i32>, Value) {
    let output = imgprep(folder, &[&["verify", "--output", "json"], args].concat());
    Schema::of("verify").holds(&output.stdout, &format!("{args:?}"));
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

/// The names of the properties that are different.
fn different(found: &Value) -> Vec<&str> {
    let compared = found["compared"].as_array().unwrap_or_else(|| panic!("{found:#}")).iter();
    compared.filter(|one| one["same"] == false).map(|one| one["property"].as_str().unwrap()).collect()
}

fn hash(algorithm: &str, bytes: &[u8]) -> String {
    match algorithm {
        "blake3" => blake3::hash(bytes).to_string(),
        _ => imgprep::hex(&Sha256::digest(bytes)),
    }
}

#[test]
fn receipts_have_the_digests_of_source_output_and_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let disk = source(at);
    for (output, options) in OUTPUTS {
        for algorithm in ["blake3", "sha256"] {
            for verified in [&[][..], &["--verify"]] {
                let options = [options, &["--digest", algorithm][..], verified].concat();
                let receipt = convert(at, output, &options);
                let digests = &receipt["digests"];
                let about = format!("{output} {options:?}: {digests:#}");
                assert_eq!(digests["algorithm"], algorithm, "{about}");
                assert_eq!(digests["source-contents"], hash(algorithm, &disk), "{about}");
                let file = fs::read(at.join(output)).unwrap();
                assert_eq!(digests["output-file"], hash(algorithm, &file), "{about}");
                // Only what was read back is claimed.
                if verified.is_empty() {
                    assert_eq!(digests["output-contents"], Value::Null, "{about}");
                    continue;
                }
                let list =
                    ["digest", "--list", "-a", algorithm, output, "-f", output.rsplit('.').next().unwrap()];
                let read = String::from_utf8(imgprep(at, &list).stdout).unwrap();
                assert_eq!(digests["output-contents"], read.split(' ').next().unwrap(), "{about}");
            }
        }
    }
}

#[test]
fn receipts_do_not_depend_on_the_threads_and_digests_are_optional() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    source(at);
    let uuid = ["--uuid", "00112233445566778899aabbccddeeff", "--verify"];
    let first = convert(at, "a.zvhd2", &[&uuid[..], &["-j", "1"]].concat());
    assert_eq!(first["digests"]["algorithm"], "blake3");
    for threads in ["2", "7"] {
        assert_eq!(convert(at, "a.zvhd2", &[&uuid[..], &["-j", threads]].concat()), first, "{threads}");
    }
    let without = convert(at, "a.zvhd2", &["--digest", "none"]);
    assert_eq!((&without["digests"], &without["crc32"]), (&Value::Null, &first["crc32"]));
    let alone = imgprep(at, &["convert", "src.raw", "b.raw", "--digest", "blake3"]);
    assert_eq!(alone.status.code(), Some(1), "{}", printed(&alone));
}

#[test]
fn every_output_matches_its_receipt_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    source(at);
    for (output, options) in OUTPUTS {
        for more in [
            &["--digest", "blake3"][..],
            &["--digest", "sha256", "--verify"],
            &["--digest", "none"],
            &["--verify"],
        ] {
            convert(at, output, &[options, more].concat());
            for threads in ["1", "3"] {
                let (code, found) = verify(at, &[output, "--receipt", "r.json", "-j", threads]);
                assert_eq!((code, &found["same"]), (Some(0), &true.into()), "{output} {more:?}: {found:#}");
                assert!(found["compared"].as_array().unwrap().len() >= 2, "{output} {more:?}: {found:#}");
            }
            // A change of one byte of the file, in its middle and in its last byte.
            let whole = fs::read(at.join(output)).unwrap();
            for place in [whole.len() / 2, whole.len() - 1] {
                if more.contains(&"none") {
                    continue;
                }
                let mut changed = whole.clone();
                changed[place] ^= 1;
                fs::write(at.join("changed"), changed).unwrap();
                let (code, found) = verify(at, &["changed", "--receipt", "r.json"]);
                assert_eq!(code, Some(1), "{output} {more:?} {place}: {found:#}");
                assert!(different(&found).contains(&"file"), "{output} {more:?} {place}: {found:#}");
            }
            fs::write(at.join("changed"), &whole[..whole.len() - 1]).unwrap();
            let (code, found) = verify(at, &["changed", "--receipt", "r.json"]);
            assert_eq!(code, Some(1), "{output} {more:?}: {found:#}");
            assert!(different(&found).contains(&"file-length"), "{output} {more:?}: {found:#}");
        }
    }
}

/// Receipts without digests, as earlier versions wrote them, have the CRC-32 of the disk.
#[test]
fn contents_are_compared_by_crc_where_a_receipt_has_no_digests() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    source(at);
    convert(at, "a.raw", &["--digest", "none"]);
    let mut changed = fs::read(at.join("a.raw")).unwrap();
    changed[5 * MIB] ^= 1;
    fs::write(at.join("a.raw"), &changed).unwrap();
    let (code, found) = verify(at, &["a.raw", "--receipt", "r.json"]);
    assert_eq!((code, different(&found)), (Some(1), vec!["crc32"]), "{found:#}");
}

/// Another file with the same contents differs as a file only.
#[test]
fn contents_and_file_are_distinguished() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let disk = source(at);
    convert(at, "a.zvhd2", &["--verify"]);
    fs::copy(at.join("r.json"), at.join("first.json")).unwrap();
    convert(at, "b.zvhd2", &["--uuid", "00112233445566778899aabbccddeeff"]);
    let (code, found) = verify(at, &["b.zvhd2", "--receipt", "first.json"]);
    assert_eq!((code, different(&found)), (Some(1), vec!["file"]), "{found:#}");
    assert!(found["compared"].as_array().unwrap().iter().any(|one| one["property"] == "contents"));
    // A longer disk, whose end is zeros and is not.
    convert(at, "a.raw", &[]);
    for (byte, want) in [(0, vec!["file-length"]), (1, vec!["file-length", "padding"])] {
        let longer = [&disk[..], &[0; 5000], &[byte]].concat();
        fs::write(at.join("longer.raw"), longer).unwrap();
        let (code, found) = verify(at, &["longer.raw", "--receipt", "r.json"]);
        assert_eq!((code, different(&found)), (Some(1), want), "{found:#}");
    }
    fs::write(at.join("shorter.raw"), &disk[..MIB]).unwrap();
    let (code, found) = verify(at, &["shorter.raw", "--receipt", "r.json"]);
    assert_eq!((code, different(&found)), (Some(1), vec!["file-length", "disk-size"]), "{found:#}");
}

#[test]
fn a_damaged_image_differs_and_its_error_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    source(at);
    convert(at, "a.zvhd2", &[]);
    fs::write(at.join("a.zvhd2"), b"not an image").unwrap();
    let (code, found) = verify(at, &["a.zvhd2", "--receipt", "r.json"]);
    assert_eq!((code, different(&found)), (Some(1), vec!["file-length"]), "{found:#}");
    assert!(found["unread"]["code"].is_string(), "{found:#}");
    let text = printed(&imgprep(at, &["verify", "a.zvhd2", "--receipt", "r.json"]));
    assert!(text.contains("\ncontents: not read: "), "{text}");
    assert!(text.ends_with("a.zvhd2: differs from the receipt r.json\n"), "{text}");
}

#[test]
fn text_names_what_was_compared() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let disk = source(at);
    convert(at, "a.raw", &[]);
    let output = imgprep(at, &["verify", "a.raw", "--receipt", "r.json"]);
    let (blake3, crc) = (hash("blake3", &disk), crc32fast::hash(&disk));
    let want = format!(
        "file length: same, {}\nfile blake3: same, {blake3}\ncontents blake3: same, {blake3}\n\
        crc32: same, {crc:08x}\na.raw: matches the receipt r.json\n",
        disk.len()
    );
    assert_eq!(printed(&output), want);
    let output = imgprep(at, &["verify", "-q", "a.raw", "--receipt", "r.json"]);
    assert_eq!((output.status.code(), printed(&output)), (Some(0), String::new()));
}

#[test]
fn what_cannot_be_compared_exits_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    source(at);
    let receipt = convert(at, "a.raw", &[]);
    let variant = |name: &str, change: &dyn Fn(&mut Value)| {
        let mut changed = receipt.clone();
        change(&mut changed);
        fs::write(at.join(name), changed.to_string()).unwrap();
    };
    variant("schema.json", &|receipt| receipt["schema"] = "imgprep/convert/1".into());
    variant("length.json", &|receipt| receipt["output"]["length"] = "x".into());
    variant("size.json", &|receipt| receipt["virtual-size"] = Value::Null);
    variant("format.json", &|receipt| receipt["output"]["format"] = "floppy".into());
    variant("algorithm.json", &|receipt| receipt["digests"]["algorithm"] = "md5".into());
    variant("hex.json", &|receipt| receipt["digests"]["output-file"] = "00".into());
    variant("crc.json", &|receipt| receipt["crc32"] = 5.into());
    variant("nothing.json", &|receipt| {
        receipt["crc32"] = Value::Null;
        receipt["digests"] = Value::Null;
    });
    // SHA-256 of the source is not that of a longer disk.
    variant("longer.json", &|receipt| {
        receipt["crc32"] = Value::Null;
        receipt["virtual-size"] = 5.into();
        receipt["digests"]["algorithm"] = "sha256".into();
        receipt["digests"]["output-file"] = Value::Null;
    });
    fs::write(at.join("text.json"), "{").unwrap();
    for (args, want) in [
        (&["a.raw"][..], "required arguments"),
        (&["gone", "--receipt", "r.json"], "gone"),
        (&["a.raw", "--receipt", "gone.json"], "gone.json: No such file"),
        (&["a.raw", "--receipt", "text.json"], "not a receipt: invalid JSON"),
        (&["a.raw", "--receipt", "schema.json"], "not a receipt: its schema"),
        (&["a.raw", "--receipt", "length.json"], "invalid receipt: length of the output"),
        (&["a.raw", "--receipt", "size.json"], "invalid receipt: virtual-size"),
        (&["a.raw", "--receipt", "format.json"], "invalid receipt: format of the output"),
        (&["a.raw", "--receipt", "algorithm.json"], "invalid receipt: algorithm of the digests"),
        (&["a.raw", "--receipt", "hex.json"], "invalid receipt: output-file"),
        (&["a.raw", "--receipt", "crc.json"], "invalid receipt: crc32"),
        (&["a.raw", "--receipt", "nothing.json"], "[verify.no-digest]"),
        (&["a.raw", "--receipt", "longer.json"], "[verify.no-digest]"),
        (&["a.raw", "--receipt", "r.json", "--from", "floppy"], "unknown format"),
        (&["a.raw", "--receipt", "r.json", "--from", "qcow2"], "a.raw"),
        (&["a.raw", "--receipt", "r.json", "--report", "r.json"], "[output.is-source"),
    ] {
        let output = imgprep(at, &[&["verify"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", printed(&output));
        assert!(printed(&output).contains(want), "{args:?}: {}", printed(&output));
    }
}

#[test]
fn outputs_without_a_file_have_no_digest_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write_files(&sample().files, at).unwrap();
    let piped = imgprep(at, &["convert", "-q", "sample.qcow2", "-", "-O", "raw", "--receipt", "r.json"]);
    assert!(piped.status.success() && piped.stdout == sample().disk);
    let receipt: Value = serde_json::from_slice(&fs::read(at.join("r.json")).unwrap()).unwrap();
    assert_eq!(receipt["digests"]["source-contents"], hash("blake3", &sample().disk));
    assert_eq!(receipt["digests"]["output-file"], Value::Null);
    // The stream that was saved is compared by its contents.
    fs::write(at.join("saved.raw"), &piped.stdout).unwrap();
    let (code, found) = verify(at, &["saved.raw", "--receipt", "r.json"]);
    assert_eq!(code, Some(0), "{found:#}");
    assert_eq!(names(at), ["r.json", "sample.qcow2", "saved.raw"]);
}

/// Zeros in place of what was lost are not the contents of the source.
#[test]
fn salvaged_sources_have_no_digest() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    source(at);
    convert(at, "a.zvhd2", &[]);
    let mut image = fs::read(at.join("a.zvhd2")).unwrap();
    let middle = image.len() / 2;
    image[middle..middle + 64].fill(0x55);
    fs::write(at.join("a.zvhd2"), &image).unwrap();
    for algorithm in ["blake3", "sha256"] {
        let args =
            ["convert", "-q", "a.zvhd2", "b.raw", "--size", "original", "--salvage", "--verify", "--force"];
        let output = imgprep(at, &[&args[..], &["--receipt", "r.json", "--digest", algorithm]].concat());
        assert!(output.status.success(), "{}", printed(&output));
        let receipt: Value = serde_json::from_slice(&fs::read(at.join("r.json")).unwrap()).unwrap();
        assert!(!receipt["losses"].as_array().unwrap().is_empty());
        assert_eq!(receipt["digests"]["source-contents"], Value::Null);
        let written = hash(algorithm, &fs::read(at.join("b.raw")).unwrap());
        assert_eq!(receipt["digests"]["output-contents"], written);
        assert_eq!(receipt["digests"]["output-file"], written);
        assert_eq!(verify(at, &["b.raw", "--receipt", "r.json"]).0, Some(0));
    }
}

/// The receipt has the length of all files. The extents, and the backing file of an overlay, are in the folder of the output.
#[test]
fn outputs_that_name_other_files_match_their_receipts() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    source(at);
    convert(at, "base.qcow2", &[]);
    for (output, option, part) in [
        ("f.vmdk", "subformat=monolithicFlat", "f-flat.vmdk"),
        ("s.vmdk", "subformat=twoGbMaxExtentSparse", "s-s001.vmdk"),
        ("t.vmdk", "subformat=twoGbMaxExtentFlat", "t-f001.vmdk"),
        ("o.qcow2", "backing_file=base.qcow2", "base.qcow2"),
    ] {
        for verified in [&[][..], &["--verify"]] {
            convert(at, output, &[&["-o", option], verified].concat());
            let (code, found) = verify(at, &[output, "--receipt", "r.json"]);
            assert_eq!((code, different(&found)), (Some(0), vec![]), "{output}: {found:#}");
        }
        let (code, _) = verify(at, &[output, "--receipt", "r.json", "--follow", "none"]);
        assert_ne!(code, Some(0), "{output}: what is not read is not the same");
        let mut bytes = fs::read(at.join(part)).unwrap();
        let original = bytes.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(at.join(part), &bytes).unwrap();
        let (code, found) = verify(at, &[output, "--receipt", "r.json"]);
        assert!(code == Some(1) && different(&found).contains(&"contents"), "{output}: {found:#}");
        fs::write(at.join(part), original).unwrap();
    }
}
