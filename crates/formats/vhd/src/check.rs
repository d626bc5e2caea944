//! Structure checks that reading the disk does not require.
//!
//! They compare both footers field by field, and check the other fields of footer and header.
//! The checks of blocks, locators and bitmaps are in modules of their own.

use alloc::format;
use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use imgprep_format_kit::{Fields, first_nonzero_of};
use imgprep_map::{Contradictions, Error, Finding, ReadAt, Report, Severity, StructureCounts, hex};

use crate::batmap::Batmap;
use crate::codes;
use crate::footer::{DiskType, Footer, footer_bytes};
use crate::footer_select;
use crate::header::Header;
use crate::layout::{COOKIE, FOOTER, footer_at};
use crate::map::Sparse;
use crate::size::chs;
use crate::{check_blocks, check_locators};

type Found<'f> = &'f mut dyn FnMut(Finding) -> ControlFlow<()>;

/// Fields of a footer ("Hard Disk Footer Format"): offset, length, name, is state.
///
/// If two footers differ only in state fields, one is a later state of the same disk.
const FIELDS: [(usize, usize, &str, bool); 17] = [
    (0, 8, "cookie", false),
    (8, 4, "features", false),
    (12, 4, "file format version", false),
    (16, 8, "data offset", false),
    (24, 4, "time stamp", true),
    (28, 4, "creator application", false),
    (32, 4, "creator version", true),
    (36, 4, "creator host OS", true),
    (40, 8, "original size", false),
    (48, 8, "current size", false),
    (56, 4, "disk geometry", false),
    (60, 4, "disk type", false),
    (64, 4, "checksum", true),
    (68, 16, "unique id", false),
    (84, 1, "saved state", false),
    (85, 1, "reserved byte of the hidden mark", true),
    (86, 426, "reserved", true),
];

/// Checks a fixed disk.
pub(crate) fn fixed(file: &dyn ReadAt, found: Found<'_>) -> Result<StructureCounts, Error> {
    let mut report = Report::new(found);
    let selected = footer_select::read(file)?;
    let footer = Footer::new(&selected)?;
    footer_fields(file, &footer, &mut report)?;
    // "For fixed disks, this field should be set to 0xFFFFFFFF", but the field has 64 bits.
    if ![u64::MAX, u32::MAX.into()].contains(&footer.raw.data_offset) {
        let message =
            format!("the data offset of a fixed disk is {:#x}, expected all ones", footer.raw.data_offset);
        report.note(codes::CHECK_DATA_OFFSET, footer.at + footer_at::DATA_OFFSET, message);
    }
    report.counts.image_end = Some(file.len());
    Ok(report.finish())
}

/// Checks a dynamic or differencing disk.
pub(crate) fn sparse(map: &Sparse, file: &dyn ReadAt, found: Found<'_>) -> Result<StructureCounts, Error> {
    let mut report = Report::new(found);
    let selected = footer_select::read(file)?;
    let footer = Footer::new(&selected)?;
    footer_fields(file, &footer, &mut report)?;
    let other = if footer.at == 0 { selected.tail.map(|tail| tail.start) } else { Some(0) };
    if let Some(other) = other {
        copies(file, footer.at, other, &mut report)?;
    }
    let header = Header::read(file, &footer)?;
    header_fields(&header, &mut report);
    check_locators::check(file, &header, footer.disk_type == DiskType::Differencing, &mut report)?;
    let end = check_blocks::check(map, file, &mut report)?;
    check_trailing(file, end, &mut report)?;
    if let Some(batmap) = Batmap::read(file, &header)? {
        check_blocks::batmap(map, &batmap, file, &mut report)?;
    }
    Ok(report.finish())
}

/// Reports blocks that `XenServer`'s batmap, but not their bitmap, marks as full.
///
/// `XenServer` reads sectors of these blocks that the conversion omits.
pub(crate) fn cross_check(map: &Sparse, file: &dyn ReadAt) -> Result<Vec<Finding>, Error> {
    let header = Header::read(file, &Footer::new(&footer_select::read(file)?)?)?;
    let Some(batmap) = Batmap::read(file, &header)?.filter(Batmap::is_sound) else { return Ok(Vec::new()) };
    let mut found = Contradictions::default();
    let mut add = |finding: Finding| {
        if finding.code == codes::CHECK_BATMAP_FULL {
            found.add_finding(finding);
        }
        ControlFlow::Continue(())
    };
    let mut report = Report::new(&mut add);
    check_blocks::batmap(map, &batmap, file, &mut report)?;
    report.finish();
    Ok(found.into_findings())
}

/// Checks fields of the footer in use that reading the disk does not require.
fn footer_fields(file: &dyn ReadAt, footer: &Footer, report: &mut Report<'_>) -> Result<(), Error> {
    let (raw, at) = (&footer.raw, footer.at);
    if raw.features & crate::layout::RESERVED == 0 {
        let message = format!("feature bits are {:#x}, expected the reserved bit 1 to be set", raw.features);
        report.note(codes::CHECK_FEATURES, at + footer_at::FEATURES, message);
    }
    let found = (raw.cylinders, raw.heads, raw.sectors_per_track);
    // Empty geometries are reported when the image is opened.
    if found != (0, 0, 0) && !is_geometry_of(found, raw.current_size) {
        let message = format!(
            "the geometry is {found:?} (cylinders, heads, sectors), expected for {} bytes {:?}",
            raw.current_size,
            chs(raw.current_size)
        );
        report.note(codes::CHECK_GEOMETRY, at + footer_at::GEOMETRY, message);
    }
    let bytes = footer_bytes(file, at)?;
    if let Some((index, byte)) = first_nonzero_of(&bytes, 86..512) {
        let message = format!("reserved byte {index} of the footer is {byte:#04x}, expected 0");
        report.note(codes::CHECK_FOOTER_RESERVED, at + index as u64, message);
    }
    Ok(())
}

/// Whether a geometry is valid for a disk of `size` bytes.
///
/// Valid are the geometry by the specification, the maximum one, and one that is rounded up to contain the size, as
/// QEMU does.
fn is_geometry_of(found: (u16, u8, u8), size: u64) -> bool {
    let (cylinders, heads, sectors) = found;
    let track = u64::from(heads) * u64::from(sectors);
    // OK: there are at most 2^16 * 2^8 * 2^8 sectors.
    let bytes = u64::from(cylinders) * track * 512;
    let is_rounded_up = bytes >= size && bytes - size < track * 512;
    found == chs(size) || found == (65535, 16, 255) || (is_rounded_up && found == chs(bytes))
}

/// Compares the footer in use, at `at`, with the other one, at `other`.
fn copies(file: &dyn ReadAt, at: u64, other: u64, report: &mut Report<'_>) -> Result<(), Error> {
    let (counts, copy) = (footer_bytes(file, at)?, footer_bytes(file, other)?);
    for (start, len, name, is_state) in FIELDS {
        let range = start..start + len;
        // OK: all fields are inside the footer.
        let Some(first) = range.clone().find(|index| counts[*index] != copy[*index]) else { continue };
        let place = if len > 16 { first..first + 1 } else { range };
        let message = format!(
            "the two footers differ in the {name}: {} here, {} in the one in use, at {}",
            hex(&copy[place.clone()]),   // OK: as above.
            hex(&counts[place.clone()]), // OK: as above.
            at + place.start as u64
        );
        let severity = if is_state { Severity::Note } else { Severity::Warning };
        report.add(codes::CHECK_FOOTERS_DIFFER, severity, other + place.start as u64, message);
    }
    Ok(())
}

/// Checks fields of the header that reading the disk does not require.
///
/// Source: "Dynamic Disk Header Format".
fn header_fields(header: &Header, report: &mut Report<'_>) {
    let bytes = &header.bytes;
    let data_offset = Fields::be(bytes).u64::<8>();
    if ![u64::MAX, u32::MAX.into()].contains(&data_offset) {
        let message = format!("the header's data offset is {data_offset:#x}, expected all ones");
        report.warning(codes::CHECK_HEADER_DATA_OFFSET, header.at + 8, message);
    }
    for range in [60..64, 768..1024] {
        if let Some((index, byte)) = first_nonzero_of(bytes, range) {
            let message = format!("reserved byte {index} of the header is {byte:#04x}, expected 0");
            report.note(codes::CHECK_HEADER_RESERVED, header.at + index as u64, message);
        }
    }
    if !header.raw.table_offset.is_multiple_of(512) {
        let message = format!(
            "the block allocation table begins at {}, which is not sector-aligned",
            header.raw.table_offset
        );
        report.note(codes::CHECK_BAT_UNALIGNED, header.at + 16, message);
    }
}

/// Reports a footer right after the last block that is not at the end of the file.
///
/// `end` begins after the last block, and ends at the end of the file.
fn check_trailing(file: &dyn ReadAt, end: Range<u64>, report: &mut Report<'_>) -> Result<(), Error> {
    let footer_end = end.start.saturating_add(FOOTER);
    if footer_end < end.end && file.array::<8>(end.start)? == COOKIE {
        let message = format!(
            "{} bytes follow the footer at {}, which must be at the end of the file",
            end.end - footer_end,
            end.start
        );
        report.warning(codes::CHECK_AFTER_FOOTER, footer_end, message);
    }
    Ok(())
}
