//! RAW: the bytes of a disk as they are. Every file that is nothing else is one.
//!
//! Read: any length, also 0 and such as are no multiple of a sector. What is
//! on the disk is not looked at here. Holes are the file's, not the format's.
//! Written: sparse, zeros left out, exactly as long as the disk.
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

/// Takes any file for a disk.
pub fn parse(file: &dyn ReadAt, _: &ParseOptions) -> Result<Parsed, Error> {
    let facts = Facts::new(NAME, "the plain disk contents");
    Ok(Parsed::Done(Box::new(Image::new(facts, map::Map { size: file.len() }))))
}
