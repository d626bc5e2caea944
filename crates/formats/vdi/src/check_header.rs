//! Checks of header fields that reading the disk does not require.

use alloc::format;

use imgprep_map::Report;

use crate::codes;
use crate::header::Header;
use crate::layout::{HEADER_V1, HEADER_V1_PLUS, SECTOR, TEXT};

pub(crate) fn check_header(header: &Header, file_len: u64, report: &mut Report<'_>) {
    check_texts(header, report);
    check_offsets(header, file_len, report);
    check_geometry(header, report);
    check_uuids(header, report);
}

fn check_texts(header: &Header, report: &mut Report<'_>) {
    if !header.text.starts_with(TEXT) {
        let message = "the file does not begin with \"<<< \", which every writer stores";
        report.note(codes::CHECK_TEXT, 0, message.into());
    }
    if !header.raw.comment.contains(&0) {
        let message = "the comment has 256 bytes and no NUL at its end";
        report.note(codes::CHECK_COMMENT, header.places.comment as u64, message.into());
    }
}

/// Checks the header size and the data offset. Only version 1 has these fields.
fn check_offsets(header: &Header, file_len: u64, report: &mut Report<'_>) {
    let (raw, places) = (&header.raw, header.places);
    if let (Some(size), Some(at)) = (raw.header_size, places.header_size)
        && size != HEADER_V1
        && size != HEADER_V1_PLUS
    {
        let message = format!("cbHeader is {size}, expected {HEADER_V1} or {HEADER_V1_PLUS}");
        report.note(codes::CHECK_HEADER_SIZE, at as u64, message);
    }
    let at = places.data_offset.unwrap_or(places.blocks) as u64;
    // OK: the sum is less than 2^35.
    let map_end = header.map_at + header.blocks() * 4;
    if header.data_at < map_end {
        let message = format!("the data begins at {}, but the map ends at {map_end}", header.data_at);
        report.warning(codes::CHECK_DATA_IN_MAP, at, message);
    } else if header.data_at > file_len {
        let message = format!("the data begins at {}, but the file has {file_len}", header.data_at);
        report.warning(codes::CHECK_DATA_PAST_END, at, message);
    }
}

/// Reports geometries that describe more than the disk.
///
/// They may describe less, because the last cylinder may be incomplete.
fn check_geometry(header: &Header, report: &mut Report<'_>) {
    let lchs = if header.has_lchs { header.raw.lchs } else { [0; 4] };
    for (code, at, [cylinders, heads, sectors, _]) in [
        (codes::CHECK_GEOMETRY, header.places.geometry, header.raw.geometry),
        (codes::CHECK_LOGICAL_GEOMETRY, crate::layout::LCHS_AT, lchs),
    ] {
        let [cylinders, heads, sectors] = [cylinders, heads, sectors].map(u64::from);
        let described = cylinders.saturating_mul(heads).saturating_mul(sectors).saturating_mul(SECTOR);
        if described > header.size() {
            let size = header.size();
            let message = format!("the geometry describes {described} bytes, but the disk has {size}");
            report.note(code, at as u64, message);
        }
    }
}

fn check_uuids(header: &Header, report: &mut Report<'_>) {
    let (raw, places) = (&header.raw, header.places);
    if header.image.known().is_none() {
        let message = "uuidCreate is null: no child can name this image";
        report.warning(codes::CHECK_UUID, places.image as u64, message.into());
    }
    if header.modified.known().is_none() {
        let message = "uuidModify is null: a child cannot detect a change of this image";
        report.note(codes::CHECK_MODIFIED_UUID, places.modified as u64, message.into());
    }
    let Some(at) = places.parent_modified else { return };
    match (header.kind.has_parent(), raw.parent_modified.known()) {
        (true, None) => {
            let message = "uuidParentModify is null: a change of the parent cannot be detected";
            report.note(codes::CHECK_PARENT_MODIFIED, at as u64, message.into());
        }
        (false, Some(_)) => {
            let message = "uuidParentModify is set, but there is no parent";
            report.warning(codes::CHECK_PARENT_MODIFIED, at as u64, message.into());
        }
        _ => {}
    }
}
