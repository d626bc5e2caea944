//! The region table: ranges of the regions in the file (2.2.3).

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::Range;

use imgprep_format_kit::Fields;
use imgprep_map::{Error, Finding, ReadAt, Severity, usize_of};

use crate::codes;
use crate::error::REGION_CODES;
use crate::guid::Guid;
use crate::header::{Header, check_seal};
use crate::layout::{
    BAT_REGION, MAX_ENTRIES, METADATA_REGION, MIB, REGION, REGION_TABLES, RawRegion, TABLE_BYTES, split_table,
};
use crate::{Corrupt, Part, Unsupported};

/// An aligned region inside the file that does not overlap any other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) guid: Guid,
    pub(crate) bytes: Range<u64>,
    /// File offset of its entry.
    pub(crate) entry_at: u64,
}

/// All regions.
#[derive(Clone, Debug)]
pub(crate) struct Regions {
    pub(crate) bat: Region,
    pub(crate) metadata: Region,
    /// Unknown regions that are not required.
    pub(crate) others: Vec<Region>,
}

impl Regions {
    pub(crate) fn read(
        file: &dyn ReadAt,
        header: &Header,
        findings: &mut Vec<Finding>,
    ) -> Result<Self, Error> {
        let (at, bytes) = table(file, findings)?;
        let (head, entries) = split_table::<16>(&bytes);
        let count = Fields::le(&head).u32::<8>();
        if count > MAX_ENTRIES {
            return Err(REGION_CODES.field(at + 8, "EntryCount", "at most 2047", count.into()));
        }
        // OK: at most 2047, and a table has room for so many entries.
        let count = usize_of(count);
        let mut regions: Vec<Region> = Vec::new();
        for (entry_at, entry) in (at + 16..).step_by(32).zip(entries).take(count) {
            regions.push(validate(file, &RawRegion::decode(entry), entry_at)?);
        }
        check_apart(&regions, header)?;
        Self::sorted(regions, at, findings)
    }

    fn sorted(regions: Vec<Region>, at: u64, findings: &mut Vec<Finding>) -> Result<Self, Error> {
        let (mut bat, mut metadata, mut others) = (None, None, Vec::new());
        for region in regions {
            match region.guid {
                BAT_REGION => bat = Some(region),
                METADATA_REGION => metadata = Some(region),
                guid => {
                    findings.push(Finding {
                        code: codes::REGION_OPTIONAL,
                        severity: Severity::Note,
                        at: Some(region.entry_at),
                        message: format!("unknown optional region {guid} is ignored"),
                    });
                    others.push(region);
                }
            }
        }
        let missing = |what| Corrupt::Missing { code: codes::REGION_MISSING, at, what };
        Ok(Self {
            bat: bat.ok_or_else(|| missing("region of the block allocation table"))?,
            metadata: metadata.ok_or_else(|| missing("metadata region"))?,
            others,
        })
    }
}

/// The copy to use, and its offset.
///
/// Both copies are changed through the log, so they are equal after the log was replayed.
fn table<'f>(file: &'f dyn ReadAt, findings: &mut Vec<Finding>) -> Result<(u64, Cow<'f, [u8]>), Error> {
    let [first, second] = REGION_TABLES;
    // OK: `Header::read` checks that the file contains both.
    let (a, b) = (file.slice(first, TABLE_BYTES)?, file.slice(second, TABLE_BYTES)?);
    let mut note = |code, severity, at, message: String| {
        findings.push(Finding { code, severity, at: Some(at), message });
    };
    let damaged = codes::REGION_TABLE_DAMAGED;
    match (check_seal(&a, REGION), check_seal(&b, REGION)) {
        (Ok(()), Ok(())) => {
            if contents(&a) != contents(&b) {
                return Err(Corrupt::TablesDiffer { at: second }.into());
            }
            Ok((first, a))
        }
        (Ok(()), Err(damage)) => {
            note(
                damaged,
                Severity::Warning,
                second,
                format!("the second region table {damage}: the first is used"),
            );
            Ok((first, a))
        }
        (Err(damage), Ok(())) => {
            note(
                damaged,
                Severity::Warning,
                first,
                format!("the first region table {damage}: the second is used"),
            );
            Ok((second, b))
        }
        (Err(first_damage), Err(second_damage)) => {
            let (first, second) = (first_damage, second_damage);
            Err(Corrupt::NoCopy { at: REGION_TABLES[0], what: Part::RegionTable, first, second }.into())
        }
    }
}

/// The significant contents of a table: count and entries.
fn contents(table: &[u8]) -> (u64, &[[u8; 32]]) {
    let (head, entries) = split_table::<16>(table);
    let head = Fields::le(&head);
    let count = usize_of(head.u32::<8>().min(MAX_ENTRIES));
    // OK: a table has room for 2047 entries.
    (head.u64::<8>(), &entries[..count])
}

fn validate(file: &dyn ReadAt, raw: &RawRegion, at: u64) -> Result<Region, Error> {
    let is_known = matches!(raw.guid, BAT_REGION | METADATA_REGION);
    if !is_known && raw.required & 1 == 1 {
        return Err(Unsupported::Region { at, guid: raw.guid.to_string() }.into());
    }
    let (start, len) = (raw.file_offset, u64::from(raw.length));
    if !start.is_multiple_of(MIB) || start == 0 {
        return Err(REGION_CODES.field(at + 16, "FileOffset", "a multiple of 1 MiB, not 0", start));
    }
    if !len.is_multiple_of(MIB) || len == 0 {
        return Err(REGION_CODES.field(at + 24, "Length", "a multiple of 1 MiB, not 0", len));
    }
    REGION_CODES.check_table(file, at + 16, "the region", start, len)?;
    // OK: inside the file.
    Ok(Region { guid: raw.guid, bytes: start..start + len, entry_at: at })
}

/// Rejects regions that overlap, have the same GUID, or lie in the log.
fn check_apart(regions: &[Region], header: &Header) -> Result<(), Error> {
    let mut by_place: Vec<&Region> = regions.iter().collect();
    by_place.sort_by_key(|region| (region.bytes.start, region.entry_at));
    let overlap = |region: &Region, other: String| Corrupt::Overlap {
        code: codes::REGION_OVERLAP,
        at: region.entry_at,
        what: "the region",
        start: region.bytes.start,
        end: region.bytes.end,
        other,
    };
    for (before, region) in by_place.iter().zip(by_place.iter().skip(1)) {
        if before.bytes.end > region.bytes.start {
            return Err(overlap(region, format!("region {}", before.guid)).into());
        }
    }
    let in_log =
        |region: &&Region| region.bytes.start < header.log.end && header.log.start < region.bytes.end;
    if let Some(region) = regions.iter().find(in_log) {
        return Err(overlap(region, "the log".into()).into());
    }
    let mut by_name: Vec<&Region> = regions.iter().collect();
    by_name.sort_by_key(|region| (region.guid, region.entry_at));
    let mut pairs = by_name.iter().zip(by_name.iter().skip(1));
    if let Some((_, region)) = pairs.find(|(before, region)| before.guid == region.guid) {
        let (code, guid) = (codes::REGION_TWICE, region.guid.to_string());
        return Err(Corrupt::Twice { code, at: region.entry_at, what: "region", guid }.into());
    }
    Ok(())
}
