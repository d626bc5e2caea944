//! VDI, the disk images of `VirtualBox`.
//!
//! The layout follows the storage code of `VirtualBox`: a pre-header, a header of version 0
//! or 1, the block map, the blocks. Integers are little-endian.
//!
//! Read: versions 0.0 to 1.1; dynamic, static, undo and differencing images; every block
//! size that is a whole number of sectors; extra space before each block; a last block that
//! is truncated at the end of the disk. Unsupported, each with its own error: other versions
//! and image types, sector sizes other than 512 bytes.
//!
//! Written: version 1.1, dynamic or static ([`VdiWriter`]).
//!
//! A VDI identifies its parent by UUID only: `open` searches the file.
//!
//! The block map is not kept in memory: each walk reads the part that it visits.
#![no_std]
#![deny(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::cast_lossless
)]

extern crate alloc;

mod check;
mod check_header;
mod codes;
mod disk_map;
mod error;
mod facts;
mod header;
mod layout;
mod map;
mod parent;
mod tables;
#[cfg(test)]
mod tests;
mod usage;
mod uuid;
mod writer;

use alloc::boxed::Box;

use imgprep_map::{Error, Evidence, Image, ParseOptions, Parsed, Probe, ReadAt};

pub use codes::CODES;

use crate::header::Header;
use crate::map::Map;
use crate::uuid::Uuid;

pub use error::{Corrupt, Unsupported};
pub use layout::NAME;
pub use writer::VdiWriter;

/// Detects the signature after the text, or the text alone if the file ends there.
pub fn probe(probe: &Probe<'_>) -> Option<Evidence> {
    if probe.has(layout::SIGNATURE_AT, &layout::SIGNATURE) {
        return Some(Evidence { at: 64, len: 4, description: "signature 0xbeda107f".into() });
    }
    let is_cut = probe.file_len < layout::PREHEADER && probe.has(0, layout::TEXT);
    is_cut.then(|| Evidence { at: 0, len: 4, description: "text \"<<< \", the rest is cut off".into() })
}

/// Parses an image: validates the header and counts the stored blocks of the map.
pub fn parse(file: &dyn ReadAt, options: &ParseOptions) -> Result<Parsed, Error> {
    let header = Header::read(file)?;
    let parent = parent::parent(&header)?;
    let map = Map::new(&header, parent.is_some(), options.salvage);
    let findings = facts::findings(&header, map.count_stored(file)?, file.len());
    let mut image = Image::new(facts::facts(&header), map);
    image.identity = header.image.known().map(Uuid::text);
    image.revision = header.modified.known().map(Uuid::text);
    Ok(Parsed::Done(Box::new(Image { parent, findings, ..image })))
}
