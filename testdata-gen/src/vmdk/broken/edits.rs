//! Changes of an image.

use crate::bytes::put;
use crate::model::BrokenImage;
use crate::rows::{Row, named};
use crate::vmdk::encode::Written;

pub(crate) fn edited(written: &Written, at: u64, bytes: &[u8]) -> Vec<u8> {
    let mut file = written.file.clone();
    put(&mut file, at, bytes);
    file
}

pub(crate) fn rows(rows: Vec<Row>) -> Vec<BrokenImage> {
    rows.into_iter().map(|row| named("vmdk", row)).collect()
}
