//! A file cut at any length never panics and never gives wrong bytes with exit 0.

use std::path::Path;

use imgprep::{Destination, convert};
use testdata_gen::{GoodImage, good, write_files};

use crate::formats::all::conformance::open;
use crate::support::library;

fn to_raw(source: &Path, target: &Path) -> Result<(), imgprep::Error> {
    let (disk, target) = (open(source, None)?, Destination::Path(target.into()));
    library::on_one_thread(|run| convert(&disk, &target, &library::to_raw(), run).map(|_| ()))
}

fn cut(image: &GoodImage, steps: usize) {
    let folder = tempfile::tempdir().unwrap();
    for file in &image.files[1..] {
        std::fs::write(folder.path().join(&file.name), &file.bytes).unwrap();
    }
    let (path, target) = (folder.path().join(&image.files[0].name), folder.path().join("out.raw"));
    let whole = &image.files[0].bytes;
    let step = (whole.len() / steps).max(1);
    // Evenly, and around every kind of boundary at the beginning and the end.
    let ends = (0..whole.len()).step_by(step);
    let near = (0..600).step_by(7).chain((1..2000).step_by(97).map(|back| whole.len().saturating_sub(back)));
    let mut refused = 0;
    for len in ends.chain(near).filter(|len| *len < whole.len()) {
        std::fs::write(&path, &whole[..len]).unwrap();
        match to_raw(&path, &target) {
            Err(_) => refused += 1,
            // What was cut off held nothing of this disk.
            Ok(()) if std::fs::read(&target).unwrap() == image.disk => {}
            Ok(()) if len == 0 => {} // an empty file is a RAW of nothing
            Ok(()) if len < 8 => {}  // too short for a magic: a RAW of a few bytes
            Ok(()) => panic!("{}: cut at {len} of {}: wrong bytes", image.name, whole.len()),
        }
    }
    assert!(refused > 10, "{}: {refused} cuts were refused", image.name);
}

#[test]
fn no_cut_qcow2_is_read_wrong() {
    let names = [
        "qcow2-v3-9",
        "qcow2-zlib-12",
        "qcow2-shuffled-16",
        "qcow2-zstd-10",
        "qcow2-subclusters",
        "qcow2-over-raw",
        "qcow2-v2-14",
    ];
    let images = good();
    for name in names {
        cut(images.iter().find(|image| image.name == name).expect("it is there"), 60);
    }
}

/// Not those without a copy of the footer at the start: a fixed VHD whose footer is gone is a
/// RAW, and nothing shows that it was another thing (only a footer that is cut in itself does).
#[test]
fn no_cut_vhd_is_read_wrong() {
    let names =
        ["vhd-dynamic-12", "vhd-shuffled-14", "vhd-dynamic-511", "vhd-batmap", "vhd-w2ru", "vhd-over-raw"];
    let images = good();
    for name in names {
        cut(images.iter().find(|image| image.name == name).expect("it is there"), 60);
    }
}

#[test]
fn a_fixed_vhd_cut_in_its_footer_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (path, target) = (folder.path().join("a.vhd"), folder.path().join("out.raw"));
    let image = good().into_iter().find(|image| image.name == "vhd-fixed-mib").expect("it is there");
    let whole = &image.files[0].bytes;
    // One byte less is the footer of an old Virtual PC: nothing of the disk is lost.
    for back in (2..504).step_by(31) {
        std::fs::write(&path, &whole[..whole.len() - back]).unwrap();
        let error = to_raw(&path, &target).expect_err("it is cut");
        assert_eq!((error.code(), error.at()), ("vhd.footer.cut", Some(1 << 20)), "{back}");
    }
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    to_raw(&path, &target).unwrap();
    assert!(std::fs::read(&target).unwrap() == image.disk);
}

#[test]
fn no_cut_vdi_is_read_wrong() {
    let names =
        ["vdi-4096", "vdi-static-1048576", "vdi-0.1", "vdi-reversed", "vdi-extra-100", "vdi-over-vdi"];
    let images = good();
    for name in names {
        cut(images.iter().find(|image| image.name == name).expect("it is there"), 60);
    }
}

#[test]
fn no_cut_zvhd_is_read_wrong() {
    for image in good().iter().filter(|image| image.format.starts_with("zvhd")) {
        cut(image, 40);
    }
}

#[test]
fn no_cut_qcow_is_read_wrong() {
    let names = ["qcow-plain-9-6", "qcow-compressed-12-9", "qcow-shuffled-16-13", "qcow-over-raw"];
    let images = good();
    for name in names {
        cut(images.iter().find(|image| image.name == name).expect("it is there"), 30);
    }
}

#[test]
fn no_cut_qed_is_read_wrong() {
    let names = ["qed-plain-4k-1", "qed-shuffled-8k-8", "qed-over-raw"];
    let images = good();
    for name in names {
        cut(images.iter().find(|image| image.name == name).expect("it is there"), 30);
    }
}

#[test]
fn no_cut_vmdk_is_read_wrong() {
    let names = [
        "vmdk-sparse-v1",
        "vmdk-sparse-small-2097664",
        "vmdk-sparse-shuffled",
        "vmdk-stream",
        "vmdk-stream-in-front",
        "vmdk-over",
    ];
    let images = good();
    for name in names {
        cut(images.iter().find(|image| image.name == name).expect("it is there"), 40);
    }
    // Cut in an extent: the descriptor is whole.
    for (name, extent) in [("vmdk-split-sparse", 2), ("vmdk-cowd", 1), ("vmdk-sesparse", 1), ("vmdk-vmfs", 1)]
    {
        let image = images.iter().find(|image| image.name == name).expect("it is there");
        cut_extent(image, extent, 25);
    }
}

fn cut_extent(image: &GoodImage, extent: usize, steps: usize) {
    let folder = tempfile::tempdir().unwrap();
    let path = write_files(&image.files, folder.path()).unwrap();
    let (cut, target) = (folder.path().join(&image.files[extent].name), folder.path().join("out.raw"));
    let whole = &image.files[extent].bytes;
    let mut refused = 0;
    for len in (0..whole.len()).step_by((whole.len() / steps).max(1)) {
        std::fs::write(&cut, &whole[..len]).unwrap();
        match to_raw(&path, &target) {
            Err(_) => refused += 1,
            Ok(()) => assert!(
                std::fs::read(&target).unwrap() == image.disk,
                "{}: cut at {len} of {}: wrong bytes",
                image.name,
                whole.len()
            ),
        }
    }
    assert!(refused > 10, "{}: {refused} cuts were refused", image.name);
}

#[test]
fn no_cut_vhdx_is_read_wrong() {
    let images = good();
    for name in ["vhdx-dynamic-1m", "vhdx-shuffled", "vhdx-log-grows", "vhdx-over"] {
        cut(images.iter().find(|image| image.name == name).expect("it is there"), 40);
    }
}
