//! streamOptimized files: the footer, and the way along the markers where it is lost.

use alloc::vec::Vec;
use core::ops::Range;

use imgprep_map::{Error, ParseOptions, ReadAt};

use crate::layout::{
    DIRECTORY_AT_END, HOSTED_BYTES, HOSTED_MAGIC, MARKER_BYTES, Marker, RECORD_HEAD, RawHosted, SECTOR,
};
use crate::map::Kind;
use crate::tables::Tables;
use crate::{Corrupt, Unsupported};

/// What the end of the file is.
pub(crate) enum Footer {
    /// The footer stands at `at`.
    Found { at: u64, gd_offset: u64 },
    /// Nothing that looks like one.
    Missing,
}

/// Footer marker, footer, end-of-stream marker: the last three sectors.
const TAIL: u64 = 3 * SECTOR;

/// Reads the footer and holds it against the header.
pub(crate) fn footer(file: &dyn ReadAt, header: &RawHosted) -> Result<Footer, Error> {
    let Some(tail) = file.len().checked_sub(TAIL).filter(|tail| *tail >= SECTOR) else {
        return Ok(Footer::Missing);
    };
    let at = tail + SECTOR;
    let bytes: [u8; HOSTED_BYTES] = file.array(at)?;
    let ends = (Marker::decode(file.array(tail)?), Marker::decode(file.array(at + SECTOR)?));
    if !bytes.starts_with(&HOSTED_MAGIC) || !matches!(ends, (Marker::Footer(_), Marker::EndOfStream)) {
        return Ok(Footer::Missing);
    }
    let raw = RawHosted::decode(&bytes);
    let fields = [
        (4, "version", u64::from(header.version), u64::from(raw.version)),
        (8, "flags", header.flags.into(), raw.flags.into()),
        (12, "capacity", header.capacity, raw.capacity),
        (20, "grainSize", header.grain_size, raw.grain_size),
        (44, "numGTEsPerGT", header.num_gtes_per_gt.into(), raw.num_gtes_per_gt.into()),
        (77, "compressAlgorithm", header.compress_algorithm.into(), raw.compress_algorithm.into()),
    ];
    for (offset, field, expected, found) in fields {
        if expected != found {
            return Err(Corrupt::Footer { at: at + offset, field, expected, found }.into());
        }
    }
    if raw.gd_offset == DIRECTORY_AT_END {
        let expected = "a sector of the file";
        return Err(Corrupt::Field { at: at + 56, field: "gdOffset", expected, found: raw.gd_offset }.into());
    }
    Ok(Footer::Found { at, gd_offset: raw.gd_offset })
}

/// One grain that the walk came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Record {
    /// Its first byte in the extent.
    pub(crate) start: u64,
    /// Where its payload stands.
    pub(crate) at: u64,
    /// Bytes of its payload.
    pub(crate) len: u32,
}

/// The grains of a stream whose directory is lost.
#[derive(Clone, Debug)]
pub(crate) struct Walked {
    /// Ascending, each grain once.
    pub(crate) records: Vec<Record>,
    pub(crate) grain: u64,
    /// What nothing tells anything about: whether it was ever stored is not known.
    pub(crate) unknown: Range<u64>,
    /// Length of the file, where it was cut.
    pub(crate) file_len: u64,
}

/// Walks along the markers from the first grain on. Payloads are stepped over.
///
/// Grains are written in the order of the disk: what lies behind the last one that was
/// found is lost, unless the walk came by a grain directory, which follows the last grain.
pub(crate) fn walk(
    file: &dyn ReadAt,
    raw: &RawHosted,
    tables: &Tables,
    options: &ParseOptions,
) -> Result<Kind, Error> {
    let limit = options.limits.resident_bytes / size_of::<Record>() as u64;
    let mut records = Vec::new();
    let mut at = raw.over_head.max(1).saturating_mul(SECTOR);
    let mut is_complete = false;
    while at.checked_add(MARKER_BYTES as u64).is_some_and(|end| end <= file.len()) {
        let sectors = match Marker::decode(file.array(at)?) {
            Marker::Grain { lba, size } => {
                let Some(record) = record(file, tables, at, lba, size) else { break };
                if records.len() as u64 >= limit {
                    return Err(Unsupported::TooManyGrains { at, limit }.into());
                }
                records.push(record);
                (RECORD_HEAD + u64::from(size)).div_ceil(SECTOR)
            }
            // A marker that does not say how long its table is: the header does.
            Marker::GrainTable(0) => 1 + (tables.per_table * 4).div_ceil(SECTOR),
            Marker::GrainTable(sectors) => sectors.saturating_add(1),
            Marker::GrainDirectory(_) | Marker::Footer(_) => {
                is_complete = true;
                break;
            }
            Marker::EndOfStream | Marker::Unknown => break,
        };
        at = at.saturating_add(sectors.saturating_mul(SECTOR));
    }
    records.sort_unstable();
    records.dedup_by_key(|record| record.start);
    let known = records.last().map_or(0, |last: &Record| last.start + tables.grain);
    let unknown = if is_complete { 0..0 } else { known.min(tables.capacity)..tables.capacity };
    Ok(Kind::Walked(Walked { records, grain: tables.grain, unknown, file_len: file.len() }))
}

/// A grain that can be one: on a grain of the disk, whole, inside the file.
fn record(file: &dyn ReadAt, tables: &Tables, at: u64, lba: u64, size: u32) -> Option<Record> {
    let start = lba.checked_mul(SECTOR).filter(|start| *start < tables.capacity)?;
    let payload = at + RECORD_HEAD;
    let is_whole = payload.checked_add(size.into()).is_some_and(|end| end <= file.len());
    let is_one = start.is_multiple_of(tables.grain) && u64::from(size) <= tables.packed_limit();
    (is_whole && is_one).then_some(Record { start, at: payload, len: size })
}
