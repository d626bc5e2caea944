//! QED, QEMU's enhanced disk (QEMU's `docs/interop/qed_spec.rst`).
//!
//! Integers are little-endian.
//!
//! Read: clusters of 4 KiB to 64 MiB, tables of 1 to 16 clusters, zero clusters, backing files, images that
//! need a check (without repair: their tables are valid, clusters may have leaked). Rejected by name: unknown
//! features. Compatible and autoclear features are reported and do not affect reading.
//! Written: without a backing file, with the sizes of clusters and tables that QEMU opens ([`QedWriter`]).
//!
//! Reading keeps no table in memory: a walk reads the entries of L1 and L2 that it visits. Holes of the file
//! are not read at all.
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
mod disk_map;
mod error;
mod facts;
mod header;
mod layout;
mod map;
mod tables;
mod usage;
mod writer;

use alloc::boxed::Box;

use imgprep_map::{Error, Evidence, Image, ImageName, ParentRef, ParseOptions, Parsed, Probe, ReadAt};

pub use codes::CODES;

use crate::header::Header;
use crate::map::Map;

pub use error::Unsupported;
pub use layout::NAME;
pub use writer::{QedWriter, Shape};

/// Recognises the magic.
pub fn probe(probe: &Probe<'_>) -> Option<Evidence> {
    let description = || Evidence { at: 0, len: 4, description: "magic \"QED\"".into() };
    probe.has(0, &layout::MAGIC).then(description)
}

/// Parses an image: its header and the location of its L1 table.
pub fn parse(file: &dyn ReadAt, options: &ParseOptions) -> Result<Parsed, Error> {
    let header = Header::read(file, &options.limits)?;
    let parent = backing(file, &header)?;
    let facts = facts::facts(&header);
    let findings = facts::findings(&header, parent.as_ref());
    let map = Map::new(&header);
    Ok(Parsed::Done(Box::new(Image { parent, findings, ..Image::new(facts, map) })))
}

/// The backing file. The header declares its format only if it is RAW.
fn backing(file: &dyn ReadAt, header: &Header) -> Result<Option<ParentRef>, Error> {
    let Some((at, len)) = header.backing_name else { return Ok(None) };
    let name = file.slice(at, len)?.into_owned();
    let format = header.is_backing_raw().then(|| "raw".into());
    Ok(Some(ParentRef { format, ..ParentRef::named(ImageName(name), at) }))
}
