//! Compares a raw data file with the tables (section "Header", autoclear bit 1).
//!
//! "The external data file can be read as a consistent standalone raw image without looking at the qcow2
//! metadata". So the data file must be zero wherever the tables store nothing. The disk is read through its
//! tables; this check reports a difference between the two readings.

use alloc::format;
use core::ops::ControlFlow;

use imgprep_format_kit::first_nonzero_in;
use imgprep_map::{DiskMap, Error, Files, Finding, LastHole, Severity, Source};

use crate::codes;
use crate::map::Map;

/// Reports one finding if the data file has data that the disk does not use.
///
/// Reads the unused ranges of the data file up to the first byte that is not 0. Holes are skipped.
pub(crate) fn check(
    map: &Map,
    files: &dyn Files,
    found: &mut dyn FnMut(Finding) -> ControlFlow<()>,
) -> Result<(), Error> {
    let Some(data) = files.get(map.data_file()).filter(|_| map.header.has_raw_data_file()) else {
        return Ok(());
    };
    let (mut hole, mut first) = (LastHole::default(), Ok(None));
    map.visit(files, 0..map.disk.size, &mut |extent| {
        if !matches!(extent.source, Source::Data { .. } | Source::Compressed { .. }) {
            let end = extent.disk.end.min(data.len());
            first = first_nonzero_in(data, &mut hole, extent.disk.start..end);
        }
        if matches!(first, Ok(None)) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    if let Some((at, _)) = first.map_err(|error| error.in_file(map.data_file()))? {
        let message = format!(
            "the data file is to be read as a raw image and holds data at {at}, where the tables store nothing: the disk reads as zeros there, other programs may read the data"
        );
        let code = codes::DATA_FILE_UNALLOCATED;
        let _ = found(Finding { code, severity: Severity::Warning, at: None, message });
    }
    Ok(())
}
