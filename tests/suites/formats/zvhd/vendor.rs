//! Files of the vendor's own writer are read correctly, at both of their sizes.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::support::program::{imgprep, printed, root, skip};

fn digest(file: &str, size: &str, compressed: &[&str]) -> (u64, String) {
    let folder = tempfile::tempdir().unwrap();
    let source = root().join("tests/data/vendor").join(file).display().to_string();
    let args = [&["convert", &source, "out.raw", "--no-sync", "-q", "--size", size][..], compressed].concat();
    let output = imgprep(folder.path(), &args);
    assert!(output.status.success(), "{file}: {}", printed(&output));
    let bytes = std::fs::read(folder.path().join("out.raw")).unwrap();
    let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    (bytes.len() as u64, digest)
}

const SECTOR: &str = "0e1f71ffb62d4a32902d57c17b6acc6d1cd418b8cbf4e6b80e067f001b0bf49c";
const ZEROS: &str = "e5b844cc57f57094ea4585e235f36c78c1cd222262bb89d53c94dcb4d6b3e55d";
const MIXED: &str = "1546ea6af958e9c20b4665127edf28cf9852b39c8c03e9c9ca3d2613731ea993";

#[test]
fn vendor_files_are_read_at_the_original_size() {
    for (file, len, want) in [
        ("sector.zvhd", 512, SECTOR),
        ("zeros.zvhd", 10_485_760, ZEROS),
        ("zeros.zvhd2", 10_485_760, ZEROS),
        ("zeros-zlib.zvhd2", 10_485_760, ZEROS),
        ("mixed.zvhd", 8_390_144, MIXED),
    ] {
        assert_eq!(digest(file, "original", &[]), (len, want.to_string()), "{file}");
    }
}

#[test]
fn disk_over_64_gib_has_two_bitmap_segments_and_unchanged_data() {
    let folder = tempfile::tempdir().unwrap();
    let source = root().join("tests/data/vendor/wide.zvhd").display().to_string();
    let output = imgprep(folder.path(), &["map", &source]);
    let map = printed(&output);
    assert!(output.status.success(), "{map}");
    let starts: Vec<u64> = map
        .lines()
        .filter(|line| line.contains("compressed"))
        .map(|line| line.split_whitespace().next().and_then(|start| start.parse().ok()).expect("a number"))
        .collect();
    assert_eq!(starts, [0, 40 * (2 << 20), 64 << 30, (66 << 30) - (2 << 20)]);
}

/// All files of a folder that has them, by its `expected.json`: too large to be kept here.
#[test]
fn every_vendor_file_is_read_at_both_sizes() {
    let Some(set) = std::env::var_os("IMGPREP_VENDOR_FILES").map(PathBuf::from) else {
        skip(
            "vendor-files",
            "the vendor's whole set of files, in the folder that IMGPREP_VENDOR_FILES names",
        );
        return;
    };
    let expected = std::fs::read(set.join("expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_slice(&expected).unwrap();
    let mut read = 0;
    for disk in expected.as_object().unwrap().values() {
        for file in disk["files"].as_array().unwrap() {
            let source = set.join(file.as_str().unwrap()).display().to_string();
            for size in ["original", "current"] {
                let want = &disk[format!("{size}_size")];
                // The wide disk has 66 GiB: its size is held here, its data at other places.
                if want.as_u64().unwrap() > 2 << 30 {
                    let folder = tempfile::tempdir().unwrap();
                    let output =
                        imgprep(folder.path(), &["convert", &source, "o.raw", "--size", size, "--no-sync"]);
                    assert!(output.status.success(), "{source}: {}", printed(&output));
                    assert_eq!(
                        std::fs::metadata(folder.path().join("o.raw")).unwrap().len(),
                        want.as_u64().unwrap()
                    );
                    continue;
                }
                let (len, sha256) = digest(&source, size, &[]);
                assert_eq!(len, want.as_u64().unwrap(), "{source} {size}");
                assert_eq!(sha256, disk[format!("sha256_at_{size}_size")], "{source} {size}");
            }
            read += 1;
        }
    }
    assert_eq!(read, 15);
}
