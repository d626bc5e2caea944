//! ZVHD and ZVHD2, the compressed images of Huawei Cloud's Image Management Service.
//!
//! No specification is published; the facts that this crate follows are written down
//! beside the structures in `layout`. Integers are little-endian, a *page* is 4096
//! bytes, a *block* 2 MiB.
//!
//! Checked: what the vendor's reader relies on beyond that, as far as the tables show it.
//! Read: ZVHD (one zlib stream over all records), ZVHD2 with zstd and zlib payloads.
//! Written: both. Refused by name: ZVHD2 with another block size than 2 MiB, with an
//! index that has entries for blocks of zeros, with an unknown compression.
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

/// Recognises both formats by the cookie of their first page.
pub fn probe(probe: &Probe<'_>) -> Option<(&'static str, Evidence)> {
    let (name, cookie) = [(ZVHD, &layout::COOKIE_ZVHD[..]), (ZVHD2, &layout::COOKIE_ZVHD2[..])]
        .into_iter()
        .find(|(_, cookie)| probe.has(0, cookie))?;
    let says = match name {
        ZVHD => "cookie \"stream\"",
        _ => "cookie \"z2strm\"",
    };
    Some((name, Evidence { at: 0, len: cookie.len() as u64, says: says.to_string() }))
}

/// Understands a ZVHD or a ZVHD2, by its cookie.
pub fn parse(file: &dyn ReadAt, options: &ParseOptions) -> Result<Parsed, Error> {
    match header::cookie_of(file)? {
        ZVHD => zvhd1::parse(file, options),
        _ => zvhd2::parse(file, options),
    }
}
