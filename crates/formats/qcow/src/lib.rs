//! QCOW, version 1: the format before QCOW2. Integers are big-endian.
//!
//! There is no written specification. The format is defined by what QEMU's `block/qcow.c` and Xen's tapdisk
//! write and read. The sections that comments name are fields of that header.
//!
//! Read: clusters of 512 bytes to 64 KiB, L2 tables of 512 bytes to 64 KiB, deflated clusters, backing files
//! (the image has no field for their format). Described but not read: encrypted images, and images of early
//! tapdisks whose L1 table is in the byte order of the machine that wrote it.
//!
//! Written: plain and deflated clusters, L2 tables of one cluster, without a backing file ([`QcowWriter`]).
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

use imgprep_format_kit::Fields;
use imgprep_map::{Error, Evidence, Image, ImageName, ParentRef, ParseOptions, Parsed, Probe, ReadAt};

pub use codes::CODES;

use crate::header::Header;
use crate::map::Map;

pub use error::Unsupported;
pub use layout::NAME;
pub use writer::{ClusterSize, QcowWriter, WINDOW_BITS};

/// Recognises the magic with version 1, or with the unused version 0.
///
/// Later versions are QCOW2.
pub fn probe(probe: &Probe<'_>) -> Option<Evidence> {
    let head = probe.head.first_chunk::<8>().filter(|_| probe.has(0, &layout::MAGIC))?;
    let version = Fields::be(head).u32::<4>();
    (version < 2).then(|| Evidence {
        at: 0,
        len: 8,
        description: alloc::format!("magic \"QFI\\xfb\", version {version}"),
    })
}

/// Parses an image: its header and the location of its L1 table.
pub fn parse(file: &dyn ReadAt, _options: &ParseOptions) -> Result<Parsed, Error> {
    let header = Header::read(file)?;
    let parent = backing(file, &header)?;
    let facts = facts::facts(&header);
    let findings = facts::findings(&header, parent.as_ref());
    let map = Map::new(&header);
    Ok(Parsed::Done(Box::new(Image { parent, findings, ..Image::new(facts, map) })))
}

/// The backing file. QCOW has no field for its format, which is probed.
fn backing(file: &dyn ReadAt, header: &Header) -> Result<Option<ParentRef>, Error> {
    let Some((at, len)) = header.backing_name else { return Ok(None) };
    let name = file.slice(at, len)?.into_owned();
    Ok(Some(ParentRef::named(ImageName(name), at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_versions_are_qcow2_and_not_qcow() {
        for (version, is_qcow) in [(0, true), (1, true), (2, false), (3, false)] {
            let head = [b'Q', b'F', b'I', 0xfb, 0, 0, 0, version];
            let found = probe(&Probe { head: &head, tail: &[], file_len: 512 });
            assert_eq!(
                found.map(|evidence| (evidence.at, evidence.len)),
                is_qcow.then_some((0, 8)),
                "{version}"
            );
        }
    }
}
