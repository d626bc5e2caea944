//! Structural checks that are not needed to locate the data.
//!
//! Anomalies that opening an image reports (a damaged copy, a replayed log, an unknown region) are not
//! reported again.

use alloc::format;
use core::ops::ControlFlow;

use imgprep_map::{Error, Finding, ReadAt, Report, StructureCounts};

use crate::codes;
use crate::layout::MIB;
use crate::map::Map;
use crate::metadata::Metadata;
use crate::{check_blocks, check_header, check_log, check_metadata, check_parent, check_region};

/// Checks an image whose log was replayed.
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
        let message = format!("the file size {} exceeds a whole MiB by {rest} bytes", file.len());
        report.note(codes::CHECK_FILE_UNALIGNED, file.len(), message);
    }
    Ok(report.finish())
}
