//! VHDX (MS-VHDX, version 1). Integers are little-endian.
//!
//! Supported for reading: fixed, dynamic and differencing images, blocks of 1 to 256 MiB, logical sectors of
//! 512 and 4096 bytes, disks up to 64 TiB. A log that is not empty is replayed in memory before anything
//! after the headers is read; the file is never written. A log that cannot be replayed is an error, or a
//! finding in a salvage. A damaged copy of the header or the region table yields a finding. Rejected with a
//! specific error: other versions of the file and the log, unknown required regions and metadata items,
//! parent locators of another type.
//!
//! Undefined and unmapped blocks may contain any data according to the specification. They read as zeros and
//! never from the parent, like blocks that are not present without a parent.
//!
//! Supported for writing: fixed and dynamic images without a parent, with an empty log ([`VhdxWriter`]).
//!
//! No table is kept in memory: walks read the block allocation table as needed.
#![no_std]
#![deny(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::cast_lossless
)]

extern crate alloc;

mod bat;
mod check;
mod check_blocks;
mod check_header;
mod check_log;
mod check_metadata;
mod check_parent;
mod check_region;
mod codes;
mod crc;
mod disk_map;
mod encode;
mod error;
mod facts;
mod guid;
mod header;
mod layout;
mod log;
mod map;
mod metadata;
mod parent;
mod part;
mod region;
mod replay;
mod reserved;

#[cfg(test)]
mod tests;
mod usage;
mod write_options;
mod writer;

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use imgprep_map::{Error, Evidence, Image, OverlayReader, ParseOptions, Parsed, Probe, ReadAt};

pub use codes::CODES;
pub use part::Part;

use crate::bat::Bat;
use crate::header::Header;
use crate::map::Map;
use crate::metadata::Metadata;
use crate::region::Regions;

pub use error::{Corrupt, Unsupported};
pub use layout::NAME;
pub use write_options::{BlockSize, LogSize, LogicalSector, Subformat, WriteOptions};
pub use writer::VhdxWriter;

/// Detects the file type identifier.
pub fn probe(probe: &Probe<'_>) -> Option<Evidence> {
    probe.has(0, &layout::FILE).then(|| Evidence {
        at: 0,
        len: 8,
        description: "signature \"vhdxfile\"".into(),
    })
}

/// Parses an image: its headers, its log, its region table and its metadata.
pub fn parse(file: &dyn ReadAt, options: &ParseOptions) -> Result<Parsed, Error> {
    let mut findings = Vec::new();
    let header = Header::read(file, &mut findings)?;
    let creator = header::creator(&file.slice(8, layout::CREATOR_BYTES)?);
    let stored_len = file.len();
    let replay = match replay::replay(file, &header, &options.limits) {
        // A salvage reads the state before the log was written.
        Err(error) if options.salvage => {
            findings.push(facts::log_skipped(&header, &error));
            None
        }
        replayed => replayed?,
    };
    let replayed = replay.as_ref().map(|replay| OverlayReader::new(file, Arc::clone(&replay.overlay)));
    let file = replayed.as_ref().map_or(file, |replayed| replayed as &dyn ReadAt);
    let regions = Regions::read(file, &header, &mut findings)?;
    let metadata = Metadata::read(file, &regions.metadata)?;
    let bat = Bat::new(&regions.bat, &metadata)?;
    let parent = parent::read(file, &metadata, &options.limits)?;
    let facts = facts::facts(&header, &metadata, replay.as_ref(), &creator);
    findings.extend(facts::findings(&header, &metadata, replay.as_ref()));
    let identity = Some(header.raw.data_write_guid.to_string());
    let map = Map::new(bat, header, regions, stored_len);
    Ok(Parsed::Done(Box::new(Image {
        sector: metadata.logical_sector,
        parent,
        findings,
        identity,
        overlay: replay.map(|replay| replay.overlay),
        ..Image::new(facts, map)
    })))
}
