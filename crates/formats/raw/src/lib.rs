//! RAW: the plain bytes of a disk. Every file of no other format is RAW.
//!
//! Read: any length, including 0 and lengths that are not a multiple of a sector. The contents of the disk
//! are not inspected here. Holes belong to the file, not to the format.
//!
//! Written: sparse, without zeros, exactly as long as the disk.
#![no_std]
#![deny(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::cast_lossless
)]

extern crate alloc;

mod map;
mod writer;

use alloc::boxed::Box;

use imgprep_map::{Error, Facts, Image, ParseOptions, Parsed, ReadAt};

pub use writer::RawWriter;

/// The format's name.
pub const NAME: &str = "raw";

/// Accepts any file as a disk.
pub fn parse(file: &dyn ReadAt, _: &ParseOptions) -> Result<Parsed, Error> {
    let facts = Facts::new(NAME, "the plain disk contents");
    Ok(Parsed::Done(Box::new(Image::new(facts, map::Map { size: file.len() }))))
}
