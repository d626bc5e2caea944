//! ZVHD and ZVHD2, compressed images of Huawei Cloud's Image Management Service.
//!
//! No specification is published; the module `layout` documents the structures as this
//! crate implements them. Integers are little-endian, a *page* is 4096 bytes, a *block*
//! 2 MiB.
//!
//! Read: ZVHD (one zlib stream over all records), ZVHD2 with zstd and zlib payloads.
//! Written: both. Checked: the additional requirements of the vendor's reader, as far as
//! the tables show them. Unsupported, each with its own error: ZVHD2 with a block size
//! other than 2 MiB, with index entries for zero blocks, or with an unknown compression.
#![no_std]
#![deny(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::cast_lossless
)]

extern crate alloc;

mod check;
mod codes;
mod error;
mod header;
mod index;
mod layout;
mod new_header;
mod record;
#[cfg(test)]
mod tests;
mod zvhd1;
mod zvhd2;
mod zvhd2_writer;
mod zvhd_writer;

use alloc::string::ToString;

use imgprep_map::{Error, Evidence, ParseOptions, Parsed, Probe, ReadAt};

pub use codes::CODES;
pub use error::{Corrupt, Unsupported};
pub use layout::{ZVHD, ZVHD2};
pub use new_header::WriteOptions;
pub use zvhd_writer::ZvhdWriter;
pub use zvhd2_writer::Zvhd2Writer;

/// Detects ZVHD or ZVHD2 by the cookie of the first page.
pub fn probe(probe: &Probe<'_>) -> Option<(&'static str, Evidence)> {
    let (name, cookie) = [(ZVHD, &layout::COOKIE_ZVHD[..]), (ZVHD2, &layout::COOKIE_ZVHD2[..])]
        .into_iter()
        .find(|(_, cookie)| probe.has(0, cookie))?;
    let description = match name {
        ZVHD => "cookie \"stream\"",
        _ => "cookie \"z2strm\"",
    };
    Some((name, Evidence { at: 0, len: cookie.len() as u64, description: description.to_string() }))
}

/// Parses a ZVHD or a ZVHD2, depending on the cookie of the first page.
pub fn parse(file: &dyn ReadAt, options: &ParseOptions) -> Result<Parsed, Error> {
    match header::cookie_of(file)? {
        ZVHD => zvhd1::parse(file, options),
        _ => zvhd2::parse(file, options),
    }
}
