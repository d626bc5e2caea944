//! The parent locator: keys and values that identify the parent (2.6.2.6).

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::Range;

use byteorder::{ByteOrder, LittleEndian};
use imgprep_format_kit::{Fields, TextTooLong};
use imgprep_map::{Error, ImageName, Limits, ParentRef, ReadAt, usize_of};

use crate::codes;
use crate::guid::Guid;
use crate::layout::VHDX_LOCATOR;
use crate::metadata::Metadata;
use crate::{Corrupt, Unsupported};

/// Keys with paths of the parent, in the order in which they are tried.
pub(crate) const NAMES: [&str; 3] = ["relative_path", "volume_path", "absolute_win32_path"];
/// Keys with valid values of the parent's `DataWriteGuid`.
pub(crate) const LINKAGES: [&str; 2] = ["parent_linkage", "parent_linkage2"];

/// A value and its offset.
pub(crate) struct Value {
    pub(crate) key: String,
    pub(crate) text: String,
    pub(crate) at: u64,
}

/// The parent, if the file parameters declare one.
pub(crate) fn read(
    file: &dyn ReadAt,
    metadata: &Metadata,
    limits: &Limits,
) -> Result<Option<ParentRef>, Error> {
    if !metadata.has_parent {
        return Ok(None);
    }
    let missing = Corrupt::Missing {
        code: codes::METADATA_MISSING,
        at: metadata.table_at,
        what: "ParentLocator, though the image has a parent",
    };
    let locator = metadata.locator.clone().ok_or(missing)?;
    let values = values(file, &locator, limits)?;
    let bad = |at, reason| Error::from(Corrupt::Locator { at, reason });
    let find = |key: &&str| values.iter().find(|value| value.key == **key && !value.text.is_empty());
    let mut identities = Vec::new();
    for linkage in LINKAGES.iter().filter_map(find) {
        let guid = Guid::parse(&linkage.text).ok_or_else(|| bad(linkage.at, "a linkage that is no GUID"))?;
        identities.push(guid.to_string());
    }
    if identities.is_empty() {
        return Err(bad(locator.start, "no parent_linkage"));
    }
    let mut names = NAMES.iter().filter_map(find);
    let first = names.next().ok_or_else(|| bad(locator.start, "it does not name the parent"))?;
    let name = |value: &Value| ImageName(value.text.clone().into_bytes());
    Ok(Some(ParentRef {
        format: Some(crate::NAME.to_string()),
        others: names.map(name).collect(),
        identities,
        ..ParentRef::named(name(first), first.at)
    }))
}

pub(crate) fn values(file: &dyn ReadAt, locator: &Range<u64>, limits: &Limits) -> Result<Vec<Value>, Error> {
    let (at, len) = (locator.start, locator.end - locator.start);
    if len > limits.text_bytes {
        let (code, what) = (codes::LIMIT_TEXT, "parent locator");
        return Err(TextTooLong { code, at, what, found: len, limit: limits.text_bytes }.into());
    }
    // OK: at most 1 MiB, as every item.
    let bytes = file.slice(at, usize_of(len))?;
    let bad = |at, reason| Error::from(Corrupt::Locator { at, reason });
    let (head, rest) =
        bytes.split_first_chunk::<20>().ok_or_else(|| bad(at, "it is shorter than its header"))?;
    let head = Fields::le(head);
    let kind = Guid(head.array::<0, 16>());
    if kind != VHDX_LOCATOR {
        return Err(Unsupported::LocatorType { at, guid: kind.to_string() }.into());
    }
    let count = usize::from(head.u16::<18>());
    let entries = rest.as_chunks::<12>().0.get(..count);
    let entries = entries.ok_or_else(|| bad(at + 18, "it has no space for its entries"))?;
    let mut values = Vec::new();
    for (entry_at, entry) in (at + 20..).step_by(12).zip(entries) {
        let entry = Fields::le(entry);
        let (key_at, value_at) = (entry.u32::<0>(), entry.u32::<4>());
        let (key_len, value_len) = (entry.u16::<8>(), entry.u16::<10>());
        let outside = || bad(entry_at, "a key or value is outside it");
        let key = text(&bytes, key_at, key_len).ok_or_else(outside)?;
        let text = text(&bytes, value_at, value_len).ok_or_else(outside)?;
        values.push(Value { key, text, at: at + u64::from(value_at) });
    }
    Ok(values)
}

/// Decodes UTF-16LE without a final NUL; a NUL that a writer appended is ignored.
fn text(bytes: &[u8], at: u32, len: u16) -> Option<String> {
    let start = usize::try_from(at).ok()?;
    let bytes = bytes.get(start..start.checked_add(len.into())?)?;
    let units = bytes.chunks_exact(2).map(LittleEndian::read_u16);
    let text: String = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    Some(text.trim_end_matches('\0').to_string())
}
