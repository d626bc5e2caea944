//! streamOptimized files: the footer, and the walk along the markers without it.

use alloc::vec::Vec;

use imgprep_map::{Error, ParseOptions, ReadAt, usize_of};

use crate::error::HEADER_CODES;
use crate::layout::{
    DIRECTORY_AT_END, HOSTED_BYTES, HOSTED_MAGIC, MARKER_BYTES, Marker, RECORD_HEAD, RawHosted, SECTOR,
};
use crate::part::Kind;
use crate::tables::Tables;
use crate::walked::{Record, Walked};
use crate::{Corrupt, Unsupported};

/// The end of a stream.
pub(crate) enum Footer {
    /// The footer is at `at`, the stream ends at `end`.
    Found { at: u64, gd_offset: u64, end: u64 },
    /// No footer was found.
    Missing,
}

/// Bytes of zeros after the end of a stream that are skipped, holes not counted.
const ZEROS_LIMIT: u64 = 64 << 20;
/// Range after the end of a stream that is searched for its footer, in bytes.
const SEARCH_LIMIT: u64 = 1 << 20;
/// Bytes that are read at once.
const PAGE: u64 = 64 << 10;

/// End of the last non-zero byte; `None` if too many zeros follow it.
pub(crate) fn data_end(file: &dyn ReadAt) -> Result<Option<u64>, Error> {
    let len = file.len();
    // A binary search locates the hole at the end of the file, if there is one, without reads.
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low + (high - low) / 2;
        if file.next_data(middle) >= len { high = middle } else { low = middle + 1 }
    }
    let mut end = low;
    while end > 0 && low - end < ZEROS_LIMIT {
        let start = end.saturating_sub(PAGE);
        // OK: at most 64 KiB, inside the file.
        let bytes = file.slice(start, usize_of(end - start))?;
        if let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
            return Ok(Some(start + last as u64 + 1));
        }
        end = start;
    }
    Ok((end == 0).then_some(0))
}

/// Offset of the footer, between its own marker and the end-of-stream marker.
///
/// It is the last sector with non-zero bytes, unless something was appended to the file.
pub(crate) fn find(file: &dyn ReadAt) -> Result<Option<u64>, Error> {
    let Some(end) = data_end(file)? else { return Ok(None) };
    let last = end.saturating_sub(1) / SECTOR;
    for sector in (2..=last).rev().take_while(|sector| last - sector <= SEARCH_LIMIT / SECTOR) {
        if is_footer(file, sector * SECTOR)? {
            return Ok(Some(sector * SECTOR));
        }
    }
    Ok(None)
}

/// Whether a footer is at `at`, the offset of the third or a later sector.
fn is_footer(file: &dyn ReadAt, at: u64) -> Result<bool, Error> {
    if at.saturating_add(2 * SECTOR) > file.len() || file.array::<4>(at)? != HOSTED_MAGIC {
        return Ok(false);
    }
    let ends = (Marker::decode(file.array(at - SECTOR)?), Marker::decode(file.array(at + SECTOR)?));
    Ok(matches!(ends, (Marker::Footer(_), Marker::EndOfStream)))
}

/// Reads the footer and compares it with the header.
pub(crate) fn footer(file: &dyn ReadAt, header: &RawHosted) -> Result<Footer, Error> {
    let Some(at) = find(file)? else { return Ok(Footer::Missing) };
    let bytes: [u8; HOSTED_BYTES] = file.array(at)?;
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
        return Err(HEADER_CODES.field(at + 56, "gdOffset", expected, raw.gd_offset));
    }
    Ok(Footer::Found { at, gd_offset: raw.gd_offset, end: at + 2 * SECTOR })
}

/// Walks along the markers from the first grain on, without reading payloads.
///
/// Grains are written in disk order: everything after the last grain found is lost, unless the walk found a
/// grain directory, which follows the last grain.
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
            // If the marker does not contain the length of its table, the header does.
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

/// A plausible grain: aligned to a grain of the disk, completely inside the file.
fn record(file: &dyn ReadAt, tables: &Tables, at: u64, lba: u64, size: u32) -> Option<Record> {
    let start = lba.checked_mul(SECTOR).filter(|start| *start < tables.capacity)?;
    let payload = at + RECORD_HEAD;
    let is_whole = payload.checked_add(size.into()).is_some_and(|end| end <= file.len());
    let is_one = start.is_multiple_of(tables.grain) && u64::from(size) <= tables.compressed_limit();
    (is_whole && is_one).then_some(Record { start, at: payload, len: size })
}
