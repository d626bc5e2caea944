//! `KEY = "VALUE"` lines of a descriptor.

use alloc::string::ToString;
use alloc::vec::Vec;

use imgprep_map::ImageName;

use crate::Corrupt;

/// The significant `KEY = "VALUE"` lines, in file order.
#[derive(Default)]
pub(crate) struct Values {
    found: Vec<(&'static str, Vec<u8>, u64)>,
}

/// Keys that determine the disk's contents or its parent.
pub(crate) const KEYS: [&str; 12] = [
    "version",
    "createType",
    "CID",
    "parentCID",
    "parentFileNameHint",
    "encoding",
    "isNativeSnapshot",
    "changeTrackPath",
    "ddb.uuid.image",
    "ddb.uuid.modification",
    "ddb.uuid.parent",
    "ddb.uuid.parentmodification",
];

/// Whether a key determines the disk's contents or its parent.
pub(crate) fn is_decisive(key: &[u8]) -> bool {
    KEYS.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(key))
}

impl Values {
    pub(crate) fn get(&self, key: &str) -> Option<(&[u8], u64)> {
        self.found.iter().find(|(name, ..)| *name == key).map(|(_, value, at)| (&value[..], *at))
    }

    pub(crate) fn add(&mut self, key: &'static str, value: &[u8], at: u64) -> Result<(), Corrupt> {
        match self.get(key) {
            Some((before, _)) if before == value => Ok(()),
            Some(_) => Err(Corrupt::Twice { at, key }),
            None => {
                self.found.push((key, value.to_vec(), at));
                Ok(())
            }
        }
    }
}

/// Splits a `KEY = "VALUE"` line; blanks and quotes are removed.
pub(crate) fn key_and_value(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = line.iter().position(|byte| *byte == b'=').filter(|_| !line.starts_with(b"#"))?;
    // OK: `equals` is the index of a byte.
    let (key, value) = (line[..equals].trim_ascii(), line[equals + 1..].trim_ascii());
    let inner = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    // A key is a single word. Otherwise the line is prose that contains an equals sign.
    let is_key = !key.is_empty() && !key.iter().any(u8::is_ascii_whitespace);
    is_key.then_some((key, inner.unwrap_or(value)))
}

pub(crate) fn id(key: &'static str, value: &[u8], at: u64) -> Result<u32, Corrupt> {
    let digits = core::str::from_utf8(value).ok().filter(|text| !text.starts_with('+'));
    digits.and_then(|text| u32::from_str_radix(text, 16).ok()).ok_or_else(|| Corrupt::Value {
        at,
        key,
        expected: "1 to 8 hexadecimal digits",
        found: ImageName(value.to_vec()).to_string(),
    })
}
