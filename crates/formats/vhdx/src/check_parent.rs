//! Checks of parent locator keys: missing, unknown or temporary (2.6.2.6).

use alloc::collections::BTreeSet;
use alloc::format;
use core::ops::Range;

use imgprep_map::{Error, ImageName, Limits, ReadAt, Report};

use crate::codes;
use crate::parent::{LINKAGES, NAMES, values};
use crate::reserved::reserved;

pub(crate) fn check(file: &dyn ReadAt, locator: &Range<u64>, report: &mut Report<'_>) -> Result<(), Error> {
    // With a parent, an invalid locator makes opening fail; without a parent, the locator is not used.
    let Ok(values) = values(file, locator, &Limits::default()) else { return Ok(()) };
    let at = locator.start;
    reserved(file, at + 16..at + 18, codes::CHECK_LOCATOR_RESERVED, "parent locator", report)?;
    let mut seen = BTreeSet::new();
    for value in &values {
        let is_known = NAMES.contains(&&*value.key) || LINKAGES.contains(&&*value.key);
        let key = ImageName(value.key.clone().into_bytes());
        if !is_known {
            let message = format!("the parent locator has the unknown key \"{key}\"");
            report.note(codes::CHECK_LOCATOR_KEY, value.at, message);
        }
        if value.text.is_empty() {
            let message = format!("the parent locator has an empty value for \"{key}\"");
            report.warning(codes::CHECK_LOCATOR_EMPTY, value.at, message);
        }
        if !seen.insert(&*value.key) {
            let message = format!("the parent locator has a duplicate \"{key}\", the first one is used");
            report.warning(codes::CHECK_LOCATOR_TWICE, value.at, message);
        }
    }
    if !seen.contains("parent_linkage") {
        let message = "the parent locator has no parent_linkage, which is required";
        report.warning(codes::CHECK_LOCATOR_LINKAGE, at, message.into());
    }
    if let Some(value) = values.iter().find(|value| value.key == "parent_linkage2") {
        let message = "parent_linkage2 is present, which is allowed only while the parent is being modified";
        report.note(codes::CHECK_LOCATOR_LINKAGE2, value.at, message.into());
    }
    if !seen.contains("relative_path") {
        let message = "no relative_path: the parent is not found after both files are moved";
        report.note(codes::CHECK_LOCATOR_RELATIVE, at, message.into());
    }
    Ok(())
}
