//! Parent of a differencing disk: names, unique id and time stamp.
//!
//! Source: "Dynamic Disk Header Format", "Parent Locator". Names are listed in the order in which
//! they should be tried.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use imgprep_map::{Code, Error, Finding, ImageName, Limits, ParentRef, ReadAt, Severity, hex, usize_of};

use crate::Unsupported;
use crate::codes;
use crate::error::HEADER_CODES;
use crate::header::Header;
use crate::layout::{LOCATOR, LOCATORS_AT, PARENT_NAME, RawLocator, SECTOR, locators, parent_name};

/// The parent of a differencing disk.
#[derive(Clone, Debug)]
pub(crate) struct Parent {
    pub(crate) named: ParentRef,
    /// File ranges of the names outside of the header.
    pub(crate) places: Vec<Range<u64>>,
    /// File ranges that are reserved for all locators, also of kinds that are not read. They are not validated.
    pub(crate) spaces: Vec<Range<u64>>,
    /// Platform codes and names of the supported locators.
    pub(crate) locators: Vec<(&'static str, ImageName)>,
    /// The name in the header.
    pub(crate) header_name: ImageName,
    pub(crate) findings: Vec<Finding>,
}

/// Encoding of the name in a locator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    /// UTF-16, little-endian.
    Wide,
    /// Bytes of an unknown code page: deprecated.
    Narrow,
    /// A UTF-8 URL.
    Url,
}

/// Platform codes in the order in which their names are tried.
///
/// Names relative to the child precede absolute names in the same encoding.
const CODES: [([u8; 4], &str, Text); 5] = [
    (*b"W2ru", "W2ru", Text::Wide),
    (*b"W2ku", "W2ku", Text::Wide),
    (*b"MacX", "MacX", Text::Url),
    (*b"Wi2r", "Wi2r", Text::Narrow),
    (*b"Wi2k", "Wi2k", Text::Narrow),
];

/// A name with its file offset and its rank in the order of the attempts.
struct Name {
    rank: usize,
    at: u64,
    name: ImageName,
}

impl Parent {
    pub(crate) fn read(file: &dyn ReadAt, header: &Header, limits: &Limits) -> Result<Self, Error> {
        let header_name = header_name(&header.bytes);
        let mut parent = Self {
            named: ParentRef::named(ImageName(Vec::new()), header.at + PARENT_NAME.0 as u64),
            places: Vec::new(),
            spaces: Vec::new(),
            locators: Vec::new(),
            header_name: header_name.clone(),
            findings: Vec::new(),
        };
        let mut names = Vec::new();
        let places = (header.at + LOCATORS_AT as u64..).step_by(LOCATOR);
        for (at, entry) in places.zip(locators(&header.bytes)) {
            names.extend(parent.locator(file, &entry, at, limits)?);
        }
        let at = header.at + PARENT_NAME.0 as u64;
        names.push(Name { rank: CODES.len(), at, name: header_name });
        names.sort_by_key(|name| name.rank);
        parent.name(names);
        parent.identify(header);
        Ok(parent)
    }

    /// Reads the locator of the header entry at `entry_at`.
    ///
    /// Returns `None` if it is empty or of an unknown kind. Fails if the name exceeds the limit or the file.
    fn locator(
        &mut self,
        file: &dyn ReadAt,
        entry: &[u8; LOCATOR],
        entry_at: u64,
        limits: &Limits,
    ) -> Result<Option<Name>, Error> {
        // The length is in bytes. The space, which some writers store in sectors, is not used.
        let RawLocator { code, space, len, start, .. } = RawLocator::decode(entry);
        if code == [0; 4] || len == 0 {
            return Ok(None);
        }
        self.spaces.push(start..start.saturating_add(space_of(space, len)).min(file.len()).max(start));
        let known = CODES.into_iter().enumerate().find(|(_, (known, ..))| code == *known);
        let Some((rank, (_, kind, text))) = known else {
            let shown = ImageName(code.to_vec());
            let message = format!("unknown parent locator kind \"{shown}\"");
            self.add(codes::LOCATOR_UNKNOWN, Severity::Note, entry_at, message);
            return Ok(None);
        };
        if u64::from(len) > limits.text_bytes {
            let (at, found, limit) = (entry_at + 8, len.into(), limits.text_bytes);
            return Err(Unsupported::TextTooLong { at, kind: kind.into(), found, limit }.into());
        }
        HEADER_CODES.check_table(file, entry_at + 16, "a parent locator", start, len.into())?;
        self.places.push(start..start + u64::from(len));
        // OK: the length is checked against the limit and against the file.
        let bytes = file.slice(start, usize_of(len))?;
        let name = decode(&bytes, text);
        self.locators.push((kind, name.clone()));
        Ok(Some(Name { rank, at: start, name }))
    }

    /// Stores the non-empty names in the given order, without duplicates.
    fn name(&mut self, names: Vec<Name>) {
        let mut names = names.into_iter().filter(|name| !name.name.0.is_empty());
        let Some(first) = names.next() else {
            let message = "the image has a parent, but does not name it";
            self.add(codes::PARENT_UNNAMED, Severity::Error, self.named.at, message.into());
            return;
        };
        (self.named.name, self.named.at) = (first.name, first.at);
        for Name { name, .. } in names {
            if name != self.named.name && !self.named.others.contains(&name) {
                self.named.others.push(name);
            }
        }
    }

    fn identify(&mut self, header: &Header) {
        if header.raw.parent_uuid == [0; 16] {
            let message = "the parent's unique id is empty, as XenServer writes it for a RAW parent: the parent cannot be verified";
            self.add(codes::PARENT_NO_UUID, Severity::Warning, header.at + 40, message.into());
            return;
        }
        self.named.identities.push(hex(&header.raw.parent_uuid));
    }

    fn add(&mut self, code: &'static Code, severity: Severity, at: u64, message: String) {
        self.findings.push(Finding { code, severity, at: Some(at), message });
    }
}

/// Encoding of the names of this platform code, or `None` if it is unknown.
pub(crate) fn text_of(code: &[u8]) -> Option<Text> {
    CODES.iter().find(|(known, ..)| code == known).map(|(.., text)| *text)
}

/// The parent name in the header: big-endian UTF-16 up to the first zero.
fn header_name(header: &[u8; 1024]) -> ImageName {
    wide(parent_name(header).into_iter())
}

pub(crate) fn decode(bytes: &[u8], text: Text) -> ImageName {
    let narrow = || bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    match text {
        Text::Wide => wide(bytes.as_chunks().0.iter().map(|unit| u16::from_le_bytes(*unit))),
        Text::Narrow => ImageName(narrow().to_vec()),
        Text::Url => ImageName(url(narrow())),
    }
}

pub(crate) fn wide(units: impl Iterator<Item = u16>) -> ImageName {
    let units = char::decode_utf16(units.take_while(|unit| *unit != 0));
    let text: String = units.map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    ImageName(text.into_bytes())
}

/// Decodes the path of a `file:` URL; other URLs are unchanged.
///
/// `vhd-util` writes URLs that violate the standard: `file://./parent.vhd` is a relative path.
fn url(bytes: &[u8]) -> Vec<u8> {
    let Some(path) = bytes.strip_prefix(b"file://") else { return bytes.to_vec() };
    let path = path.strip_prefix(b"localhost").filter(|path| path.starts_with(b"/")).unwrap_or(path);
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, after)) = rest.split_first() {
        let byte = after.get(..2).filter(|_| *first == b'%').and_then(escaped);
        out.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    out
}

/// The byte with these two hexadecimal digits.
fn escaped(digits: &[u8]) -> Option<u8> {
    let text = core::str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_hexdigit))?;
    u8::from_str_radix(text, 16).ok()
}

/// Bytes that are reserved for a locator of `len` bytes: its space, which some writers store in sectors.
fn space_of(space: u32, len: u32) -> u64 {
    let bytes = if space < len { u64::from(space) * SECTOR } else { space.into() };
    bytes.max(len.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &ImageName) -> &str {
        core::str::from_utf8(&name.0).unwrap()
    }

    #[test]
    fn names_of_every_kind() {
        assert_eq!(text(&decode(b".\0\\\0\xe9\0.\0v\0\0\0x\0", Text::Wide)), ".\\\u{e9}.v");
        assert_eq!(text(&decode(b"a.vhd\0\0", Text::Narrow)), "a.vhd");
        assert_eq!(text(&decode(b"\0\xd8", Text::Wide)), "\u{fffd}", "half a pair");
        assert_eq!(text(&decode(b"a", Text::Wide)), "", "half a unit");
    }

    #[test]
    fn file_urls_are_decoded_to_paths() {
        for (url, want) in [
            ("file://./parent.vhd", "./parent.vhd"),
            ("file:///Users/a%20b/p.vhd", "/Users/a b/p.vhd"),
            ("file://localhost/p.vhd", "/p.vhd"),
            ("file://100%.vhd", "100%.vhd"),
            ("file://a%zz%4", "a%zz%4"),
            ("http://host/p.vhd", "http://host/p.vhd"),
        ] {
            assert_eq!(text(&decode(url.as_bytes(), Text::Url)), want, "{url}");
        }
    }
}
