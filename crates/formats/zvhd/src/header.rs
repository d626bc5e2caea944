//! Validation of the header page fields that both formats share.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;

use core::fmt::Write;

use imgprep_map::{Error, Facts, ParseOptions, ReadAt, SizeChoice, Value};

use crate::Corrupt;
use crate::layout::{BLOCK, CHECKSUM_AT, COOKIE_ZVHD, COOKIE_ZVHD2, PAGE, PAGE_BYTES, RawHeader, checksum};
use crate::layout::{ZVHD, ZVHD2};

/// The format by the cookie of the first page.
pub(crate) fn cookie_of(file: &dyn ReadAt) -> Result<&'static str, Error> {
    if file.len() < PAGE {
        return Err(Corrupt::TooShort { format: ZVHD, expected: PAGE, file_len: file.len() }.into());
    }
    match &file.array(0)? {
        COOKIE_ZVHD => Ok(ZVHD),
        COOKIE_ZVHD2 => Ok(ZVHD2),
        found => Err(Corrupt::NoHeader { at: 0, found: *found }.into()),
    }
}

/// Reads the header page at file offset `at`.
///
/// Fails if its cookie is not `cookie` or its checksum is wrong.
pub(crate) fn read(file: &dyn ReadAt, at: u64, cookie: [u8; 8]) -> Result<RawHeader, Error> {
    let page: [u8; PAGE_BYTES] = file.array(at)?;
    let raw = RawHeader::decode(&page);
    if raw.cookie != cookie {
        return Err(Corrupt::NoHeader { at, found: raw.cookie }.into());
    }
    let expected = checksum(&page);
    if raw.checksum != expected && raw.checksum != checksum_before_hiding(&raw, expected) {
        let at = at + CHECKSUM_AT as u64;
        return Err(Corrupt::Checksum { at, expected, found: raw.checksum }.into());
    }
    Ok(raw)
}

/// The checksum of the page without the hidden flag.
///
/// Early tools of the `tap` family (creator versions 0.1 and 1.1) did not update the checksum when they set the flag,
/// and the vendor's reader accepts that. For other creators, this is `checksum`.
fn checksum_before_hiding(raw: &RawHeader, checksum: u32) -> u32 {
    let is_early = matches!(raw.application_version, 0x0000_0001 | 0x0001_0001);
    // The ones' complement of a sum that is smaller by the flag.
    if raw.application.starts_with(b"tap") && is_early { checksum + u32::from(raw.hidden) } else { checksum }
}

/// Rejects the value `found` of a header field unless it is `expected`.
///
/// `page` is the file offset of the header page, `at` the offset of the field in it.
pub(crate) fn require(
    page: u64,
    at: u64,
    field: &'static str,
    expected: u64,
    found: u64,
) -> Result<(), Corrupt> {
    if expected == found { Ok(()) } else { Err(Corrupt::Field { at: page + at, field, expected, found }) }
}

/// The validated sizes of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) original: u64,
    pub(crate) current: u64,
    /// Blocks of the original size.
    pub(crate) blocks: u64,
}

impl Sizes {
    /// Validates the sizes of the header page at file offset `page`.
    ///
    /// Fails if the current size is less than the original size.
    pub(crate) fn validate(raw: &RawHeader, page: u64) -> Result<Self, Corrupt> {
        if raw.current_size < raw.original_size {
            let (expected, found) = (raw.original_size, raw.current_size);
            return Err(Corrupt::Field { at: page + 48, field: "current size", expected, found });
        }
        let blocks = raw.original_size.div_ceil(BLOCK);
        Ok(Self { original: raw.original_size, current: raw.current_size, blocks })
    }

    pub(crate) fn chosen(&self, options: &ParseOptions) -> u64 {
        match options.size {
            SizeChoice::Current => self.current,
            SizeChoice::Original => self.original,
        }
    }
}

/// The facts that both formats report.
pub(crate) fn facts(
    format: &'static str,
    variant: String,
    raw: &RawHeader,
    sizes: &Sizes,
    data_blocks: u64,
) -> Facts {
    let mut facts = Facts::new(format, variant);
    facts.cluster_size = Some(BLOCK);
    facts.details = vec![
        ("original-size", Value::Number(sizes.original)),
        ("current-size", Value::Number(sizes.current)),
        ("data-blocks", Value::Number(data_blocks)),
        ("uuid", Value::Text(uuid_text(&raw.uuid))),
        ("time-stamp", Value::Number(u64::from(raw.time_stamp) + SECONDS_TO_2000)),
        ("creator", Value::Text(creator(raw))),
    ];
    facts
}

/// Seconds from 1970 to 2000-01-01 00:00 UTC, the epoch of the time stamp.
pub(crate) const SECONDS_TO_2000: u64 = 946_684_800;

fn uuid_text(uuid: &[u8; 16]) -> String {
    let mut text = String::new();
    for (index, byte) in uuid.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn creator(raw: &RawHeader) -> String {
    let name = String::from_utf8_lossy(&raw.application);
    let name = name.trim_end_matches(['\0', ' ']).escape_debug().to_string();
    format!("{name} {}.{}", raw.application_version >> 16, raw.application_version & 0xffff)
}
