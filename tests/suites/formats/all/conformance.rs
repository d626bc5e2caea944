//! Every good image: its map tiles the disk, its contents are the recipe's.

use std::ops::ControlFlow;
use std::path::Path;

use testdata_gen::{GoodImage, anomalous, broken, good, write_files};

use crate::support::library::open;
use crate::support::program::{imgprep, printed};

#[test]
fn the_catalogue_is_large_and_has_unique_names() {
    let mut names: Vec<_> = good().into_iter().map(|image| image.name).collect();
    names.sort();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(count >= 50, "{count}");
}

#[test]
fn every_map_tiles_its_disk() {
    let folder = tempfile::tempdir().unwrap();
    for image in good() {
        let path = write_files(&image.files, folder.path()).unwrap();
        let disk = open(&path, image.snapshot).unwrap_or_else(|error| panic!("{}: {error}", image.name));
        let mut at = 0;
        disk.visit_extents(&mut |extent| {
            assert_eq!(extent.disk.start, at, "{}: a gap or an overlap", image.name);
            assert!(extent.disk.end > extent.disk.start, "{}: an empty extent", image.name);
            at = extent.disk.end;
            ControlFlow::Continue(())
        })
        .unwrap_or_else(|error| panic!("{}: {error}", image.name));
        assert_eq!(at, disk.size(), "{}: the end", image.name);
        let is_rounded = image.format.starts_with("zvhd");
        let want = image.disk.len() as u64;
        let want = if is_rounded { want.next_multiple_of(512) } else { want };
        assert_eq!(disk.size(), want, "{}", image.name);
    }
}

fn converts_to_its_disk(image: &GoodImage, folder: &Path, threads: &str) {
    let path = write_files(&image.files, folder).unwrap();
    let source = path.display().to_string();
    let mut args = vec![
        "convert",
        &source,
        "out.raw",
        "--force",
        "--no-sync",
        "--verify",
        "--size",
        "original",
        "-j",
        threads,
    ];
    args.extend(image.snapshot.iter().flat_map(|snapshot| ["--snapshot", snapshot]));
    let output = imgprep(folder, &args);
    assert!(output.status.success(), "{}: {}", image.name, printed(&output));
    let got = std::fs::read(folder.join("out.raw")).unwrap();
    assert!(
        got == image.disk,
        "{}: {} bytes, {} expected, other contents",
        image.name,
        got.len(),
        image.disk.len()
    );
}

#[test]
fn every_image_converts_to_its_disk_on_one_thread() {
    let folder = tempfile::tempdir().unwrap();
    good().iter().for_each(|image| converts_to_its_disk(image, folder.path(), "1"));
}

#[test]
fn every_image_converts_to_its_disk_on_several_threads() {
    let folder = tempfile::tempdir().unwrap();
    good().iter().for_each(|image| converts_to_its_disk(image, folder.path(), "3"));
}

/// Through each of our writers and back.
#[test]
fn every_image_survives_conversion_to_each_writable_format() {
    let folder = tempfile::tempdir().unwrap();
    for image in good().into_iter().filter(|image| image.snapshot.is_none()) {
        let path = write_files(&image.files, folder.path()).unwrap();
        let source = path.display().to_string();
        for (out, options) in [
            ("out.zvhd2", &["--level", "1"][..]),
            ("out.zvhd2", &["--zlib"]),
            ("out.zvhd", &["--level", "1"]),
            ("out.qcow2", &[]),
            ("out.qcow2", &["-o", "compat=0.10,cluster_size=4k,level=1"]),
            ("out.qcow2", &["--level", "1", "-o", "cluster_size=4k,compression_type=zstd"]),
            ("out.vdi", &[]),
            ("out.vdi", &["-o", "static=on"]),
            ("out.vhd", &["-o", "block_size=512K"]),
            ("out.vhd", &["-o", "subformat=fixed"]),
            ("out.vhdx", &["-o", "block_size=1M"]),
            ("out.vhdx", &["-o", "subformat=fixed,block_size=1M"]),
            ("out.qed", &[]),
            ("out.qcow", &[]),
            ("out.qcow", &["-o", "compress=on"]),
            ("out.vmdk", &[]),
            ("out.vmdk", &["-o", "subformat=streamOptimized,level=1"]),
            ("out.vmdk", &["-o", "subformat=monolithicFlat"]),
            ("out.vmdk", &["-o", "subformat=twoGbMaxExtentSparse"]),
        ] {
            let to = ["convert", &source, out, "--force", "--no-sync", "--size", "original"];
            let output = imgprep(folder.path(), &[&to[..], options].concat());
            assert!(output.status.success(), "{}: {}", image.name, printed(&output));
            // A fixed VHD or static VDI begins with the disk, which may look like an image itself.
            let format = out.trim_start_matches("out.");
            let back =
                ["convert", out, "out.raw", "--from", format, "--force", "--no-sync", "--size", "original"];
            let output = imgprep(folder.path(), &back);
            assert!(output.status.success(), "{}: {}", image.name, printed(&output));
            let got = std::fs::read(folder.path().join("out.raw")).unwrap();
            let mut want = image.disk.clone();
            // A stream is padded to whole grains.
            let unit = if options.contains(&"subformat=streamOptimized,level=1") { 64 << 10 } else { 512 };
            want.resize(want.len().next_multiple_of(unit), 0);
            assert!(got == want, "{} {out} {options:?}: other contents", image.name);
        }
    }
}

#[test]
fn names_of_test_images_are_unique() {
    let mut names: Vec<String> = anomalous().into_iter().map(|image| image.name.into()).collect();
    names.extend(good().into_iter().map(|image| image.name));
    names.extend(broken().into_iter().map(|image| image.name.to_string()));
    names.sort();
    let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "{twice:?}");
}
