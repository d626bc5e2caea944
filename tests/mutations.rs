//! Images with a byte or a field changed anywhere: never a panic, never a walk without end.

use std::path::Path;

use imgprep::plan;
use testdata_gen::{GoodImage, Noise, good};

use crate::conformance::open;
use crate::library::{on_one_thread, to_raw};

/// Changes tried on each image.
const CHANGES: usize = 48;
/// Extents after which a walk counts as endless: no image here has a tenth of them.
const ENDLESS: usize = 10_000_000;

/// Walks everything that a conversion would walk before its first output byte.
fn walk(path: &Path) -> Result<(), imgprep::Error> {
    let disk = open(path, None)?;
    // A check may fail as a walk may: it must only end.
    let _ = disk.check_structure(0, &mut |_| std::ops::ControlFlow::Continue(()));
    let mut extents = 0;
    disk.extents(&mut |_| {
        extents += 1;
        if extents < ENDLESS { std::ops::ControlFlow::Continue(()) } else { std::ops::ControlFlow::Break(()) }
    })?;
    assert!(extents < ENDLESS, "{}", path.display());
    on_one_thread(|run| plan(&disk, &to_raw(), run).map(|_| ()))
}

/// One change: where it is depends on nothing but the image's name and the number.
fn change(bytes: &mut [u8], choice: &[u8]) {
    const VALUES: [u64; 8] = [0, 1, u64::MAX, 1 << 63, 1 << 40, 0x7fff_ffff, 512, 0x0101_0101_0101_0101];
    let number = |from: usize| usize::from(choice[from]) << 8 | usize::from(choice[from + 1]);
    // Where structures are: the first bytes, the last page, and what follows zeros anywhere.
    let len = bytes.len();
    let at = match choice[0] % 4 {
        0 => number(1) % len.min(128),
        1 => number(1) % len.min(65536),
        2 => len - 1 - number(1) % len.min(4096),
        _ => (number(1) << 8 | number(3)) % len,
    };
    let at = bytes[at..].iter().position(|byte| *byte != 0).map_or(at, |skip| at + skip);
    let value = VALUES[usize::from(choice[5]) % VALUES.len()];
    let value = if choice[6].is_multiple_of(2) { value.to_be_bytes() } else { value.to_le_bytes() };
    let width = [1, 2, 4, 8][usize::from(choice[7]) % 4].min(len - at);
    bytes[at..at + width].copy_from_slice(&value[..width]);
}

fn change_all(image: &GoodImage, folder: &Path) -> usize {
    for file in &image.files[1..] {
        std::fs::write(folder.join(&file.name), &file.bytes).unwrap();
    }
    let path = folder.join(&image.files[0].name);
    let seed = image.name.bytes().fold(7u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let mut noise = Noise::new(seed);
    let mut refused = 0;
    for _ in 0..CHANGES {
        let mut bytes = image.files[0].bytes.clone();
        change(&mut bytes, &noise.bytes(8));
        std::fs::write(&path, &bytes).unwrap();
        refused += usize::from(walk(&path).is_err());
    }
    refused
}

#[test]
fn no_change_of_any_image_makes_a_panic_or_an_endless_walk() {
    let folder = tempfile::tempdir().unwrap();
    let images = good().into_iter().filter(|image| image.format != "raw" && image.files[0].bytes.len() > 8);
    let refused: usize = images.map(|image| change_all(&image, folder.path())).sum();
    assert!(refused > 500, "only {refused} changes were refused");
}
