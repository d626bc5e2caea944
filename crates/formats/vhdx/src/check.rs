//! The structure of an image beyond where its bytes are. What is reported when an image is opened (a
//! damaged copy, a log that was replayed, an unknown region) is not reported again.

use alloc::format;
use core::ops::{ControlFlow, Range};

use imgprep_map::{Error, Finding, ReadAt, Report, StructureCounts};

use crate::layout::MIB;
use crate::map::Map;
use crate::metadata::Metadata;
use crate::{check_blocks, check_header, check_log, check_metadata, check_parent, check_region};

/// Bytes that are looked at at once.
const PAGE: u64 = 64 << 10;

/// Checks all of an image whose log was replayed.
pub(crate) fn check(
    map: &Map,
    file: &dyn ReadAt,
    found: &mut dyn FnMut(Finding) -> ControlFlow<()>,
) -> Result<StructureCounts, Error> {
    let mut report = Report::new(found);
    check_header::check(file, &mut report)?;
    check_region::check(file, &mut report)?;
    let metadata = Metadata::read(file, &map.regions.metadata)?;
    check_metadata::check(file, &metadata, &mut report)?;
    if let Some(locator) = &metadata.locator {
        check_parent::check(file, locator, &mut report)?;
    }
    check_blocks::check(map, file, &metadata, &mut report)?;
    check_log::check(map, file, &mut report)?;
    let rest = file.len() % MIB;
    if rest != 0 {
        let message = format!("the file has {} bytes, {rest} more than whole MiB", file.len());
        report.note("vhdx.check.file-unaligned", file.len(), message);
    }
    Ok(report.finish())
}

/// Place and value of the first byte of `range` that is not 0; holes are not read.
pub(crate) fn first_set(file: &dyn ReadAt, range: Range<u64>) -> Result<Option<(u64, u8)>, Error> {
    let mut at = file.next_data(range.start).max(range.start);
    while at < range.end {
        // OK: at most 64 KiB.
        let bytes = file.slice(at, usize::try_from((range.end - at).min(PAGE)).unwrap_or(0))?;
        if let Some(index) = bytes.iter().position(|byte| *byte != 0) {
            return Ok(Some((at + index as u64, bytes[index])));
        }
        at = file.next_data(at + bytes.len() as u64).max(at + bytes.len() as u64);
    }
    Ok(None)
}

/// A note if a byte of `range` is not 0, which is reserved.
pub(crate) fn reserved(
    file: &dyn ReadAt,
    range: Range<u64>,
    code: &'static str,
    what: &str,
    report: &mut Report<'_>,
) -> Result<(), Error> {
    if let Some((at, byte)) = first_set(file, range)? {
        report.note(code, at, format!("{what}: a reserved byte is {byte:#04x}, it must be 0"));
    }
    Ok(())
}
