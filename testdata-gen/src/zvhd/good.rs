//! Images that must be read correctly.

use crate::disk::{Noise, disk_of, text};
use crate::model::GoodImage;
use crate::rows::image;
use crate::zvhd::encode::{ZvhdCompression, zvhd, zvhd2};

pub(crate) fn good() -> Vec<GoodImage> {
    let disk = disk_of(
        (9 << 20) + 1536,
        &[
            (0, text(65536)),
            ((2 << 20) - 10, vec![1; 20]),
            (6 << 20, Noise::new(4).bytes(2 << 20)),
            ((9 << 20) + 1000, vec![3]),
        ],
    );
    vec![
        image("zvhd-mixed", "one stream, a short last block", "zvhd", zvhd(&disk), disk.clone()),
        image("zvhd-zeros", "no record", "zvhd", zvhd(&[0; 1024]), vec![0; 1024]),
        image("zvhd2-zstd", "zstd records", "zvhd2", zvhd2(&disk, ZvhdCompression::Zstd), disk.clone()),
        image(
            "zvhd2-zlib",
            "flushed zlib records",
            "zvhd2",
            zvhd2(&disk, ZvhdCompression::Zlib),
            disk.clone(),
        ),
        image(
            "zvhd2-zlib-finished",
            "finished zlib records",
            "zvhd2",
            zvhd2(&disk, ZvhdCompression::ZlibFinished),
            disk,
        ),
        image("zvhd2-zeros", "no record", "zvhd2", zvhd2(&[0; 1024], ZvhdCompression::Zstd), vec![0; 1024]),
    ]
}
