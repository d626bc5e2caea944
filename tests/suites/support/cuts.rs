//! Files cut at many lengths: a cut never panics and never gives wrong bytes with exit 0.

use std::path::Path;

use imgprep::{Destination, convert};
use testdata_gen::{GoodImage, good, write_files};

use crate::support::library::{on_one_thread, open, to_raw};

/// Converts an image to a RAW file.
pub(crate) fn convert_to_raw(source: &Path, target: &Path) -> Result<(), imgprep::Error> {
    let (disk, target) = (open(source, None)?, Destination::Path(target.into()));
    on_one_thread(|run| convert(&disk, &target, &to_raw(), run).map(|_| ()))
}

/// Cuts the images of these names at `steps` lengths, and around their beginnings and ends.
pub(crate) fn cut_all(names: &[&str], steps: usize) {
    let images = good();
    for name in names {
        cut(images.iter().find(|image| image.name == *name).expect("the image exists"), steps);
    }
}

/// Cuts the first file of an image.
pub(crate) fn cut(image: &GoodImage, steps: usize) {
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
        match convert_to_raw(&path, &target) {
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

/// Cuts the extent of this number; the descriptor stays whole.
pub(crate) fn cut_extent(image: &GoodImage, extent: usize, steps: usize) {
    let folder = tempfile::tempdir().unwrap();
    let path = write_files(&image.files, folder.path()).unwrap();
    let (cut, target) = (folder.path().join(&image.files[extent].name), folder.path().join("out.raw"));
    let whole = &image.files[extent].bytes;
    let mut refused = 0;
    for len in (0..whole.len()).step_by((whole.len() / steps).max(1)) {
        std::fs::write(&cut, &whole[..len]).unwrap();
        match convert_to_raw(&path, &target) {
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
