//! VHD, the format of Virtual PC, Hyper-V, Azure and `XenServer`.
//!
//! Source: Microsoft's "Virtual Hard Disk Image Format Specification", version 1.0. Integers
//! are big-endian.
//!
//! Read: fixed, dynamic and differencing images with blocks of 4 KiB to 256 MiB, footers
//! of 512 and 511 bytes, images whose footer is damaged at one end, the tables that
//! `XenServer` adds, and the bitmaps of its first version, whose bit order is reversed.
//! Rejected, each with its own error: other disk types and versions, footers that contradict
//! each other, images with an unfinished resize.
//!
//! Written: fixed and dynamic images ([`VhdWriter`]).
//!
//! No table is kept in memory: each walk reads the parts of the block allocation table and of
//! the sector bitmaps that it visits. The caller that opens the parent verifies its unique id.
#![no_std]
#![deny(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::cast_lossless
)]

extern crate alloc;

mod bat;
mod bat_walk;
mod batmap;
mod bitmap;
mod check;
mod check_bitmaps;
mod check_blocks;
mod check_locators;
mod codes;
mod disk_map;
mod error;
mod facts;
mod fixed;
mod footer;
mod footer_select;
mod header;
mod layout;
mod map;
mod parent;
mod part;
mod size;
mod usage;
mod writer;

use alloc::boxed::Box;
use alloc::vec::Vec;

use imgprep_map::{Error, Evidence, Finding, Image, ParseOptions, Parsed, Probe, ReadAt};

pub use codes::CODES;
pub use part::Part;

use crate::batmap::Batmap;
use crate::facts::Subject;
use crate::fixed::Fixed;
use crate::footer::SelectedFooter;
use crate::footer::{DiskType, Footer};
use crate::header::Header;
use crate::map::Sparse;
use crate::parent::Parent;

pub use error::{Corrupt, Unsupported};
pub use layout::{FOOTER as FOOTER_LEN, NAME};
pub use writer::{BlockSize, Subformat, VhdWriter};

/// Detects a footer at the end of the file, or its copy at the start.
///
/// The footer at the end may have 511 bytes, be truncated, or have padding after it.
pub fn probe(probe: &Probe<'_>) -> Option<Evidence> {
    let evidence = |at, description: &str| Evidence { at, len: 8, description: description.into() };
    let tail_at = probe.tail_at();
    let in_tail = footer::places(probe.file_len).find(|at| {
        let bytes = at.checked_sub(tail_at).and_then(|at| probe.tail.get(usize::try_from(at).ok()?..));
        bytes.is_some_and(footer::may_begin)
    });
    let at_start = probe.has(0, &layout::COOKIE).then_some(0);
    match (in_tail, at_start) {
        (Some(at), Some(_)) if at > 0 => {
            Some(evidence(at, "cookie \"conectix\" (footer, whose copy is at 0)"))
        }
        (Some(at), _) => Some(evidence(at, "cookie \"conectix\" (footer)")),
        (None, Some(at)) => Some(evidence(at, "cookie \"conectix\" (copy of the footer)")),
        (None, None) => None,
    }
}

/// Parses an image: the footers, and the header and parent names unless it is fixed.
pub fn parse(file: &dyn ReadAt, options: &ParseOptions) -> Result<Parsed, Error> {
    let selected = footer_select::read(file)?;
    let footer = Footer::new(&selected)?;
    let mut findings = selected.findings.clone();
    findings.extend(facts::findings(&footer, file.len()));
    let image = match footer.disk_type {
        DiskType::Fixed => fixed(file, &footer, &selected),
        DiskType::Dynamic | DiskType::Differencing => {
            sparse(file, &footer, &selected, options, &mut findings)?
        }
    };
    let identity = Some(footer.uuid_text());
    Ok(Parsed::Done(Box::new(Image { findings, identity, ..image })))
}

fn fixed(file: &dyn ReadAt, footer: &Footer, selected: &SelectedFooter) -> Image {
    let facts = facts::facts(&Subject { footer, header: None, parent: None, batmap: None });
    let map = Fixed {
        size: footer.size.taken(),
        size_at: footer.at + footer.size.field_at(),
        tail: selected.tail.clone(),
    };
    debug_assert!(map.tail.as_ref().is_none_or(|tail| tail.end <= file.len()));
    Image::new(facts, map)
}

fn sparse(
    file: &dyn ReadAt,
    footer: &Footer,
    selected: &SelectedFooter,
    options: &ParseOptions,
    findings: &mut Vec<Finding>,
) -> Result<Image, Error> {
    let header = Header::read(file, footer)?;
    let is_differencing = footer.disk_type == DiskType::Differencing;
    let parent = if is_differencing { Some(Parent::read(file, &header, &options.limits)?) } else { None };
    let batmap = Batmap::read(file, &header)?;
    findings.extend(parent.iter().flat_map(|parent| parent.findings.clone()));
    findings.extend(batmap.iter().filter_map(Batmap::finding));
    let subject = Subject { footer, header: Some(&header), parent: parent.as_ref(), batmap: batmap.as_ref() };
    let facts = facts::facts(&subject);
    let map = Sparse::new(footer, &header, selected.tail.clone(), parent.as_ref(), batmap.as_ref());
    let parent = parent.map(|parent| parent.named);
    Ok(Image { parent, ..Image::new(facts, map) })
}
