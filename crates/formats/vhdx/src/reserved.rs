//! Reserved bytes of the specification.

use alloc::format;
use core::ops::Range;

use imgprep_format_kit::first_nonzero_in;
use imgprep_map::{Code, Error, LastHole, ReadAt, Report};

/// Reports a note if a byte of the reserved range `range` is not 0.
pub(crate) fn reserved(
    file: &dyn ReadAt,
    range: Range<u64>,
    code: &'static Code,
    what: &str,
    report: &mut Report<'_>,
) -> Result<(), Error> {
    if let Some((at, byte)) = first_nonzero_in(file, &mut LastHole::default(), range)? {
        report.note(code, at, format!("{what}: a reserved byte is {byte:#04x}, expected 0"));
    }
    Ok(())
}
