//! Checks of the reserved bytes of the region tables (2.2.3).
//!
//! Differing copies and unknown regions are reported when the image is opened.

use imgprep_format_kit::Fields;
use imgprep_map::{Error, ReadAt, Report};

use crate::codes;
use crate::header::check_seal;
use crate::layout::{MAX_ENTRIES, REGION, REGION_TABLES, RawRegion, TABLE_BYTES, split_table};
use crate::reserved::reserved;

pub(crate) fn check(file: &dyn ReadAt, report: &mut Report<'_>) -> Result<(), Error> {
    for at in REGION_TABLES {
        let bytes = file.slice(at, TABLE_BYTES)?;
        if check_seal(&bytes, REGION).is_err() {
            continue;
        }
        reserved(file, at + 12..at + 16, codes::CHECK_REGION_RESERVED, "head of the region table", report)?;
        let (head, entries) = split_table::<16>(&bytes);
        let count = u64::from(Fields::le(&head).u32::<8>().min(MAX_ENTRIES));
        let entries_end = 16 + count * 32;
        for (entry_at, entry) in (16..entries_end).step_by(32).zip(entries) {
            let required = RawRegion::decode(entry).required;
            if required > 1 {
                let message = alloc::format!(
                    "a region's flags are {required:#x}, all bits but the lowest are reserved"
                );
                report.note(codes::CHECK_REGION_RESERVED, at + entry_at + 28, message);
            }
        }
        let rest = at + entries_end..at + TABLE_BYTES as u64;
        reserved(
            file,
            rest,
            codes::CHECK_REGION_RESERVED,
            "after the last entry of the region table",
            report,
        )?;
    }
    Ok(())
}
