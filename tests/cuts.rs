//! A file cut at any length never panics and never gives wrong bytes with exit 0.

use std::num::NonZeroUsize;
use std::path::Path;

use imgprep::{
    ConvertOptions, Destination, Existing, Interrupt, Meter, OnLoss, RunOptions, Sync, Target, Verify,
    convert,
};
use testdata_gen::{GoodImage, good};

use crate::conformance::open;

/// Converts within this process: a cut is tried hundreds of times.
fn to_raw(source: &Path, target: &Path) -> Result<(), imgprep::Error> {
    let disk = open(source, None)?;
    let options = ConvertOptions {
        target: Target::Raw,
        existing: Existing::Replace,
        sync: Sync::None,
        verify: Verify::Skip,
        bitmap: None,
        uuid: [0; 16],
        unix_time: 0,
    };
    let (interrupt, meter) = (Interrupt::default(), Meter::default());
    let run = RunOptions {
        threads: NonZeroUsize::MIN,
        memory: 64 << 20,
        on_loss: OnLoss::Stop,
        interrupt: &interrupt,
        meter: &meter,
        observe: &|_| {},
    };
    convert(&disk, &Destination::Path(target.into()), &options, &run).map(|_| ())
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

#[test]
fn no_cut_zvhd_is_read_wrong() {
    for image in good().iter().filter(|image| image.format.starts_with("zvhd")) {
        cut(image, 40);
    }
}

#[test]
fn no_cut_vhdx_is_read_wrong() {
    let images = good();
    for name in ["vhdx-dynamic-1m", "vhdx-shuffled", "vhdx-log-grows", "vhdx-over"] {
        cut(images.iter().find(|image| image.name == name).expect("it is there"), 40);
    }
}
