//! Checks of parent locators that opening the parent does not require.
//!
//! Source: "Parent Locator Entries".

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use imgprep_format_kit::{first_nonzero, first_nonzero_of};
use imgprep_map::{Error, ReadAt, Report, usize_of};

use crate::codes;
use crate::header::Header;
use crate::layout::{LOCATOR, LOCATORS, LOCATORS_AT, PARENT_NAME, RawLocator, locators, parent_name};
use crate::parent::{Text, decode, text_of, wide};

/// Maximum length of a checked locator in bytes.
///
/// Longer ones are rejected when an image is opened.
const LONGEST: u32 = 1 << 20;

pub(crate) fn check(
    file: &dyn ReadAt,
    header: &Header,
    is_differencing: bool,
    report: &mut Report<'_>,
) -> Result<(), Error> {
    if !is_differencing {
        of_none(header, report);
        return Ok(());
    }
    let units = parent_name(&header.bytes).into_iter();
    let name_at = header.at + PARENT_NAME.0 as u64;
    let name = wide(units.clone());
    if is_broken(units) {
        let message = "the parent's name in the header is invalid UTF-16: unpaired surrogate";
        report.warning(codes::CHECK_PARENT_NAME, name_at, message.into());
    }
    let places = (header.at + LOCATORS_AT as u64..).step_by(LOCATOR);
    for (at, entry) in places.zip(locators(&header.bytes)) {
        locator(file, &entry, at, &name.0, report)?;
    }
    Ok(())
}

/// Reports parent fields of a disk without a parent.
fn of_none(header: &Header, report: &mut Report<'_>) {
    // Unique id and time stamp, then name and locators; a reserved field is between them.
    let ranges = [40..60, PARENT_NAME.0..LOCATORS_AT + LOCATORS * LOCATOR];
    let found = ranges.into_iter().find_map(|range| first_nonzero_of(&header.bytes, range));
    if let Some((index, _)) = found {
        let message = "the header describes a parent, but the disk type has none";
        report.note(codes::CHECK_PARENT_OF_NONE, header.at + index as u64, message.into());
    }
}

fn locator(
    file: &dyn ReadAt,
    entry: &[u8; LOCATOR],
    at: u64,
    name: &[u8],
    report: &mut Report<'_>,
) -> Result<(), Error> {
    let RawLocator { code, space, len, reserved, start } = RawLocator::decode(entry);
    if code == [0; 4] {
        if let Some((index, _)) = first_nonzero(entry) {
            let message = "a parent locator without a platform code has non-zero fields";
            report.note(codes::CHECK_LOCATOR_EMPTY, at + index as u64, message.into());
        }
        return Ok(());
    }
    if reserved != 0 {
        let message = format!("the reserved field of a parent locator is {reserved:#x}, expected 0");
        report.note(codes::CHECK_LOCATOR_RESERVED, at + 12, message);
    }
    // Some writers count bytes; the specification counts sectors.
    if u64::from(space) * 512 < u64::from(len) {
        let message =
            format!("a parent locator has space for {space} bytes or sectors, but a name of {len} bytes");
        report.warning(codes::CHECK_LOCATOR_SPACE, at + 4, message);
    }
    let is_inside = start.checked_add(len.into()).is_some_and(|end| end <= file.len());
    let Some(text) = text_of(&code).filter(|_| len > 0 && len <= LONGEST && is_inside) else {
        return Ok(());
    };
    // OK: at most 1 MiB, inside the file.
    let bytes = file.slice(start, usize_of(len))?;
    if let Some(reason) = broken(&bytes, text) {
        let message = format!("the name of a parent locator is {reason}");
        report.warning(codes::CHECK_LOCATOR_NAME, start, message);
    }
    let own = decode(&bytes, text);
    if !name.is_empty() && !own.0.is_empty() && !last_part(name).eq_ignore_ascii_case(last_part(&own.0)) {
        let (own, name) =
            (String::from_utf8_lossy(last_part(&own.0)), String::from_utf8_lossy(last_part(name)));
        let message = format!("a parent locator names {own:?}, but the header {name:?}");
        report.warning(codes::CHECK_PARENT_NAMES, start, message);
    }
    Ok(())
}

/// Reason why the bytes of a locator are invalid in its encoding.
fn broken(bytes: &[u8], text: Text) -> Option<&'static str> {
    match text {
        Text::Wide if !bytes.len().is_multiple_of(2) => Some("UTF-16 of an odd number of bytes"),
        Text::Wide => {
            let units: Vec<u16> = bytes.as_chunks().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
            is_broken(units.into_iter()).then_some("invalid UTF-16: unpaired surrogate")
        }
        Text::Url => core::str::from_utf8(bytes).is_err().then_some("no UTF-8"),
        Text::Narrow => None,
    }
}

fn is_broken(units: impl Iterator<Item = u16>) -> bool {
    char::decode_utf16(units.take_while(|unit| *unit != 0)).any(|unit| unit.is_err())
}

/// The part of a name after the last `/` or `\`.
fn last_part(name: &[u8]) -> &[u8] {
    name.rsplit(|byte| [b'/', b'\\'].contains(byte)).next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_of_a_name() {
        for name in ["C:\\a\\b.vhd", "./b.vhd", "b.vhd", "\\\\host\\share/b.vhd"] {
            assert_eq!(last_part(name.as_bytes()), b"b.vhd", "{name}");
        }
    }

    #[test]
    fn undecodable_names_are_reported() {
        assert_eq!(broken(b"a\0b", Text::Wide), Some("UTF-16 of an odd number of bytes"));
        assert_eq!(broken(b"\0\xd8a\0", Text::Wide), Some("invalid UTF-16: unpaired surrogate"));
        assert_eq!(broken(b"a\0\0\0\0\xd8", Text::Wide), None, "what is after the end does not count");
        assert_eq!(broken(b"\xff", Text::Url), Some("no UTF-8"));
        assert_eq!(broken(b"\xff", Text::Narrow), None);
    }
}
