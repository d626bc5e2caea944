//! Checks of header fields that are not needed to read the disk.

use alloc::format;
use core::ops::Range;

use imgprep_format_kit::first_nonzero_of;
use imgprep_map::{Error, ReadAt, Severity};

use crate::codes;
use crate::file_report::FileReport;
use crate::layout::{
    COWD_BYTES, DIRECTORY_AT_END, FLAG_COMPRESSED, FLAG_REDUNDANT, FLAG_ZEROED, HOSTED_BYTES, RawCowd,
    RawHosted, RawSe, SE_BYTES, SECTOR,
};
use crate::magic::Magic;
use crate::sparse::header;
use crate::stream;

/// Areas of an extent file according to its header, in bytes.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    /// End of the metadata; grains begin here.
    pub(crate) overhead: u64,
    /// Start of the free space, which extends to the end of the file.
    pub(crate) free: Option<u64>,
    /// Range in which grains must lie.
    pub(crate) grains: Option<Range<u64>>,
    /// Range in which grain tables must lie.
    pub(crate) tables: Option<Range<u64>>,
    /// Bytes of the directory, including entries that the disk does not need.
    pub(crate) directory_len: u64,
    /// Whether the directory follows the grains, which are then in disk order.
    pub(crate) is_stream: bool,
    /// Offset of the field with the location of the directory.
    pub(crate) directory_field: u64,
}

/// Checks the header of a file and reports the findings.
pub(crate) fn frame(
    file: &dyn ReadAt,
    magic: Magic,
    file_report: &mut FileReport<'_, '_>,
) -> Result<Frame, Error> {
    match magic {
        Magic::Hosted => hosted(file, file_report),
        Magic::Cowd => cowd(file, file_report),
        Magic::Se => sesparse(file, file_report),
    }
}

fn hosted(file: &dyn ReadAt, file_report: &mut FileReport<'_, '_>) -> Result<Frame, Error> {
    let bytes = header::<HOSTED_BYTES>(file)?;
    let raw = RawHosted::decode(&bytes);
    if let Some((index, byte)) = first_nonzero_of(&bytes, 79..HOSTED_BYTES) {
        let message = format!("padding byte {index} of the header is {byte:#04x}, expected 0");
        file_report.note(codes::CHECK_HEADER_PADDING, index as u64, message);
    }
    if raw.flags & FLAG_REDUNDANT != 0 && raw.rgd_offset == 0 {
        let message = "the flags declare a redundant grain directory, but it has no offset";
        file_report.note(codes::CHECK_REDUNDANT_NONE, 48, message.into());
    }
    if raw.flags & FLAG_ZEROED != 0 && raw.version < 2 {
        let message = format!("version {} has no zeroed grains, but the flags allow them", raw.version);
        file_report.note(codes::CHECK_VERSION, 4, message);
    }
    let overhead = raw.over_head.saturating_mul(SECTOR);
    if overhead > file.len() {
        let message = format!(
            "grains begin at {overhead} according to the header, but the file has {} bytes",
            file.len()
        );
        file_report.warning(codes::CHECK_OVERHEAD, 64, message);
    }
    let is_compressed = raw.flags & FLAG_COMPRESSED != 0;
    let is_at_end = raw.gd_offset == DIRECTORY_AT_END;
    let is_stream = is_compressed && raw.gd_offset.saturating_mul(SECTOR) >= overhead;
    let footer_at = if is_stream { stream::find(file)? } else { None };
    if let Some(at) = footer_at {
        footer(file, at, &bytes, is_at_end, file_report)?;
    }
    let directory_field = 56 + footer_at.filter(|_| is_at_end).unwrap_or(0);
    Ok(Frame { overhead: overhead.min(file.len()), is_stream, directory_field, ..Frame::default() })
}

/// Footer fields that reading does not compare: offset, length, name.
const FOOTER_FIELDS: [(usize, usize, &str); 8] = [
    (28, 8, "descriptorOffset"),
    (36, 8, "descriptorSize"),
    (48, 8, "rgdOffset"),
    (56, 8, "gdOffset"),
    (64, 8, "overHead"),
    (72, 1, "uncleanShutdown"),
    (73, 4, "newline check bytes"),
    (79, 433, "padding"),
];

/// Compares the footer at `at` with the header.
///
/// `gdOffset` is skipped if the header leaves it to the footer (`is_at_end`).
fn footer(
    file: &dyn ReadAt,
    at: u64,
    header: &[u8; HOSTED_BYTES],
    is_at_end: bool,
    file_report: &mut FileReport<'_, '_>,
) -> Result<(), Error> {
    let footer: [u8; HOSTED_BYTES] = file.array(at)?;
    for (start, len, name) in
        FOOTER_FIELDS.into_iter().filter(|(.., name)| !(is_at_end && *name == "gdOffset"))
    {
        let mut bytes = (0..).zip(footer.iter().zip(header)).skip(start).take(len);
        if let Some((first, (byte, other))) = bytes.find(|(_, (byte, other))| byte != other) {
            let place = if len > 8 { first } else { start };
            let message = format!(
                "the footer differs from the header in {name}: byte {first} is {byte:#04x}, there {other:#04x}"
            );
            // A reader that uses the footer gets another descriptor, which may name other files, or another
            // directory.
            let is_other = name.starts_with("descriptor") || name == "gdOffset";
            let severity = if is_other { Severity::Error } else { Severity::Warning };
            file_report.add(codes::CHECK_FOOTER, severity, at + place as u64, message);
        }
    }
    Ok(())
}

fn cowd(file: &dyn ReadAt, file_report: &mut FileReport<'_, '_>) -> Result<Frame, Error> {
    let bytes = header::<COWD_BYTES>(file)?;
    let raw = RawCowd::decode(&bytes);
    // freeSector: the sector for the next table or grain.
    let free = u64::from(raw.free_sector) * SECTOR;
    if free > file.len() {
        let message =
            format!("the file is in use up to {free} according to the header, but has {} bytes", file.len());
        file_report.warning(codes::CHECK_FREE_SECTOR, 28, message);
    }
    Ok(Frame {
        free: (free > 0 && free <= file.len()).then_some(free),
        directory_len: u64::from(raw.num_gd_entries) * 4,
        ..Frame::default()
    })
}

fn sesparse(file: &dyn ReadAt, file_report: &mut FileReport<'_, '_>) -> Result<Frame, Error> {
    let raw = RawSe::decode(&header::<SE_BYTES>(file)?);
    let bytes = |(offset, size): (u64, u64)| {
        let start = offset.saturating_mul(SECTOR);
        start..start.saturating_add(size.saturating_mul(SECTOR))
    };
    let places = [
        (80, "the volatile header", raw.volatile),
        (96, "the journal's header", raw.journal_header),
        (112, "the journal", raw.journal),
        (128, "the grain directory", raw.grain_directory),
        (144, "the grain tables", raw.grain_tables),
        (160, "the free bitmap", raw.free_bitmap),
        (176, "the back map", raw.backmap),
    ];
    for (at, name, place) in places {
        let Range { start, end } = bytes(place);
        if end > file.len() {
            let message = format!("{name} is at bytes {start}..{end}, but the file has {}", file.len());
            file_report.warning(codes::CHECK_PLACE_PAST_END, at, message);
        }
    }
    Ok(Frame {
        // No known image has a size of 0; its meaning is unknown, so it is ignored.
        grains: (raw.grains.1 > 0).then(|| bytes(raw.grains)),
        tables: (raw.grain_tables.1 > 0).then(|| bytes(raw.grain_tables)),
        directory_len: raw.grain_directory.1.saturating_mul(SECTOR),
        ..Frame::default()
    })
}
