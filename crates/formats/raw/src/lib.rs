//! RAW: the bytes of a disk as they are. Every file that is nothing else is one.
//!
//! Read: any length, also 0 and such as are no multiple of a sector. What can be seen
//! inside is named, never interpreted. Holes are the file's, not the format's.
//! Written: sparse, zeros left out, exactly as long as the disk.
#![no_std]
#![deny(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::cast_lossless
)]

extern crate alloc;

mod contents;
mod map;
mod writer;

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec;

use imgprep_map::{Encryption, Error, Facts, Image, ParseOptions, Parsed, Probe, ReadAt, Value};

pub use contents::{Contents, contents};
pub use writer::RawLayout;

/// The format's name.
pub const NAME: &str = "raw";

/// Takes any file for a disk.
pub fn parse(file: &dyn ReadAt, _: &ParseOptions) -> Result<Parsed, Error> {
    let size = file.len();
    // OK: clipped to 64 KiB.
    let head = file.slice(0, usize::try_from(size.min(Probe::HEAD)).unwrap_or(0))?;
    let inside = contents(&head);
    let mut facts = Facts::new(NAME, inside.to_string());
    facts.encryption = (inside == Contents::Luks).then_some(Encryption::Luks);
    facts.details = vec![("contents", Value::Text(inside.to_string()))];
    Ok(Parsed::Done(Box::new(Image::new(facts, map::Map { size }))))
}
