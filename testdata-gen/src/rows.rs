//! Rows of the tables of images: an image of one file, named after its row.

use crate::model::{AnomalousImage, BrokenImage, GoodImage, ImageFile, Refused};

/// An image of one file, called `NAME.FORMAT`.
pub(crate) fn image(
    name: &str,
    about: &'static str,
    format: &'static str,
    bytes: Vec<u8>,
    disk: Vec<u8>,
) -> GoodImage {
    let files = vec![ImageFile { name: format!("{name}.{format}"), bytes }];
    GoodImage { name: name.into(), about, format, files, disk, snapshot: None }
}

/// Name, about, when it is rejected, code, offset, the file.
pub(crate) type Row = (&'static str, &'static str, Refused, &'static str, Option<u64>, Vec<u8>);

/// A broken image of one file, called `NAME.FORMAT`.
pub(crate) fn named(format: &str, (name, about, refused, code, at, bytes): Row) -> BrokenImage {
    let files = vec![ImageFile { name: format!("{name}.{format}"), bytes }];
    BrokenImage { name, about, files, refused, code, at }
}

/// An anomalous image of one file, called `NAME.FORMAT`.
pub(crate) fn anomaly(
    format: &str,
    (name, about, code, at): (&'static str, &'static str, &'static str, u64),
    bytes: Vec<u8>,
) -> AnomalousImage {
    let files = vec![ImageFile { name: format!("{name}.{format}"), bytes }];
    AnomalousImage { name, about, files, code, at: Some(at) }
}
