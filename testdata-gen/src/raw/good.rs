//! Images that must be read correctly.

use crate::disk::mixed;
use crate::model::GoodImage;
use crate::rows::image;

pub(crate) fn good() -> Vec<GoodImage> {
    let plain = |name: &str, about, disk: Vec<u8>| image(name, about, "raw", disk.clone(), disk);
    vec![
        plain("raw-mixed", "an odd size, no multiple of a sector", mixed(3_000_001)),
        plain("raw-byte", "a disk of one byte", vec![7]),
        plain("raw-zeros", "zeros only", vec![0; 5 << 20]),
    ]
}
