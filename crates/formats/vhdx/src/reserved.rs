//! Bytes that the specification reserves.

use alloc::format;
use core::ops::Range;

use imgprep_map::{Error, ReadAt, Report, usize_of};

/// Bytes that are looked at at once.
pub(crate) const PAGE: u64 = 64 << 10;

/// Place and value of the first byte of `range` that is not 0; holes are not read.
pub(crate) fn first_set(file: &dyn ReadAt, range: Range<u64>) -> Result<Option<(u64, u8)>, Error> {
    let mut at = file.next_data(range.start).max(range.start);
    while at < range.end {
        // OK: at most 64 KiB.
        let bytes = file.slice(at, usize_of((range.end - at).min(PAGE)))?;
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
        report.note(code, at, format!("{what}: a reserved byte is {byte:#04x}, expected 0"));
    }
    Ok(())
}
