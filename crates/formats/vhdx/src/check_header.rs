//! Checks of fields that reading does not need: identifier, headers (2.2.1, 2.2.2).

use alloc::format;

use byteorder::{ByteOrder, LittleEndian};
use imgprep_format_kit::first_nonzero_in;
use imgprep_map::{Error, LastHole, ReadAt, Report};

use crate::codes;
use crate::guid::Guid;
use crate::header::check_seal;
use crate::layout::{
    CREATOR_BYTES, FILE, HEADER, HEADER_BYTES, HEADERS, KIB, MIB, REGION_TABLES, RawHeader, TABLE_BYTES,
};
use crate::reserved::reserved;

/// Bytes of the defined header fields.
const FIELDS: u64 = 80;

pub(crate) fn check(file: &dyn ReadAt, report: &mut Report<'_>) -> Result<(), Error> {
    creator(file, report)?;
    area(file, report)?;
    let mut valid = alloc::vec::Vec::new();
    for at in HEADERS {
        let bytes = file.array::<HEADER_BYTES>(at)?;
        if check_seal(&bytes, HEADER).is_ok() {
            let end = at + HEADER_BYTES as u64;
            reserved(file, at + FIELDS..end, codes::CHECK_HEADER_RESERVED, "header", report)?;
            valid.push((at, RawHeader::decode(&bytes)));
        }
    }
    valid.sort_by_key(|(_, raw)| core::cmp::Reverse(raw.sequence_number));
    if let Some((at, raw)) = valid.first() {
        current(*at, raw, report);
    }
    if let [current, other] = valid.as_slice() {
        copies(&current.1, other.0, &other.1, report);
    }
    Ok(())
}

/// Checks that the creator's name is text up to a NUL, with only zeros after it.
fn creator(file: &dyn ReadAt, report: &mut Report<'_>) -> Result<(), Error> {
    let start = FILE.len() as u64;
    let bytes = file.array::<CREATOR_BYTES>(start)?;
    let units = bytes.chunks_exact(2).map(LittleEndian::read_u16);
    let len = units.clone().take_while(|unit| *unit != 0).count();
    let text_end = start + 2 * len as u64;
    if let Some((at, byte)) =
        first_nonzero_in(file, &mut LastHole::default(), text_end..start + CREATOR_BYTES as u64)?
    {
        let message = format!("the creator's name is followed by {byte:#04x}, expected 0");
        report.note(codes::CHECK_CREATOR, at, message);
    } else if char::decode_utf16(units.take(len)).any(|c| c.is_err()) {
        report.note(codes::CHECK_CREATOR, start, "the creator's name is invalid UTF-16".into());
    }
    Ok(())
}

/// Checks the space between the structures of the first MiB.
fn area(file: &dyn ReadAt, report: &mut Report<'_>) -> Result<(), Error> {
    let header = HEADER_BYTES as u64;
    let gaps = [
        FILE.len() as u64 + CREATOR_BYTES as u64..HEADERS[0],
        HEADERS[0] + header..HEADERS[0] + 64 * KIB,
        HEADERS[1] + header..HEADERS[1] + 64 * KIB,
        REGION_TABLES[1] + TABLE_BYTES as u64..MIB.min(file.len()),
    ];
    for gap in gaps {
        reserved(file, gap, codes::CHECK_HEADER_AREA, "between the headers", report)?;
    }
    Ok(())
}

/// Checks the current header.
fn current(at: u64, raw: &RawHeader, report: &mut Report<'_>) {
    for (field, name, guid) in
        [(16, "FileWriteGuid", raw.file_write_guid), (32, "DataWriteGuid", raw.data_write_guid)]
    {
        if guid == Guid::ZERO {
            let message = format!("{name} is all zeros, expected a random one: images must not share it");
            report.note(codes::CHECK_HEADER_GUID, at + field, message);
        }
    }
    if raw.log_length == 0 {
        let message = "LogLength is 0, expected at least 1 MiB: the image cannot be written to";
        report.note(codes::CHECK_NO_LOG, at + 68, message.into());
    }
}

/// Compares both headers.
///
/// Writers update one after the other, so only the sequence numbers should differ (2.2.2.1).
fn copies(current: &RawHeader, at: u64, other: &RawHeader, report: &mut Report<'_>) {
    let ahead = current.sequence_number - other.sequence_number;
    if ahead > 1 {
        let (found, counts) = (other.sequence_number, current.sequence_number);
        let message = format!(
            "the sequence numbers of the headers are {found} and {counts}, expected a difference of one"
        );
        report.note(codes::CHECK_HEADER_SEQUENCE, at + 8, message);
    }
    let guids = [
        (16, "FileWriteGuid", other.file_write_guid, current.file_write_guid),
        (32, "DataWriteGuid", other.data_write_guid, current.data_write_guid),
    ];
    for (field, name, found, counts) in guids {
        if found != counts {
            let message = format!("{name} is {found} in the older header, {counts} in the current one");
            report.note(codes::CHECK_HEADERS_DIFFER, at + field, message);
        }
    }
    // A reader that falls back to the older header replays another log or none.
    if other.log_guid != current.log_guid {
        let (found, counts) = (other.log_guid, current.log_guid);
        let message = format!("LogGuid is {found} in the older header, {counts} in the current one");
        report.warning(codes::CHECK_HEADERS_DIFFER, at + 48, message);
    }
    let numbers = [
        (64, "LogVersion", u64::from(other.log_version), u64::from(current.log_version)),
        (66, "Version", other.version.into(), current.version.into()),
        (68, "LogLength", other.log_length.into(), current.log_length.into()),
        (72, "LogOffset", other.log_offset, current.log_offset),
    ];
    for (field, name, found, counts) in numbers {
        if found != counts {
            let message = format!("{name} is {found} in the older header, {counts} in the current one");
            report.warning(codes::CHECK_HEADERS_DIFFER, at + field, message);
        }
    }
}
