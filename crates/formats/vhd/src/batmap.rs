//! `XenServer`'s batmap: a map of the blocks whose sectors are all stored.
//!
//! It repeats information from the sector bitmaps. It is reported and checked, but not used for reading.

use alloc::format;
use core::ops::Range;

use imgprep_format_kit::Fields;
use imgprep_map::{Error, Finding, ReadAt, Severity, usize_of};

use crate::codes;
use crate::header::Header;
use crate::layout::{BATMAP_COOKIE, BATMAP_HEADER, SECTOR};

/// Bytes of the map per read of the checksum.
const CHUNK: u64 = 64 << 10;

/// The header of the map, and the range and the checksum of the map.
#[derive(Clone, Debug)]
pub(crate) struct Batmap {
    /// File offset of its header.
    pub(crate) at: u64,
    pub(crate) version: u32,
    /// File range of the map; `None` if it is past the end of the file or too long.
    pub(crate) map: Option<Range<u64>>,
    checksum: u32,
    expected: Option<u32>,
}

impl Batmap {
    /// Reads the header after the block allocation table, if there is one.
    pub(crate) fn read(file: &dyn ReadAt, header: &Header) -> Result<Option<Self>, Error> {
        // OK: the table is inside the file.
        let at = (header.raw.table_offset + header.entries * 4).next_multiple_of(SECTOR);
        if at.saturating_add(BATMAP_HEADER) > file.len() {
            return Ok(None);
        }
        let bytes: [u8; 28] = file.array(at)?;
        if !bytes.starts_with(&BATMAP_COOKIE) {
            return Ok(None);
        }
        let fields = Fields::be(&bytes);
        let (start, len) = (fields.u64::<8>(), u64::from(fields.u32::<16>()) * SECTOR);
        // No writer uses more sectors than the entries need: the checksum of a longer map is not computed.
        let needed = header.entries.div_ceil(8).next_multiple_of(SECTOR);
        let end = start.checked_add(len).filter(|end| *end <= file.len() && len <= needed);
        let map = end.map(|end| start..end);
        let version = fields.u32::<20>();
        let expected = map.clone().map(|map| checksum(file, map, version)).transpose()?;
        Ok(Some(Self { at, version, map, checksum: fields.u32::<24>(), expected }))
    }

    /// Whether the checksum in the header is right.
    pub(crate) fn is_sound(&self) -> bool {
        self.expected == Some(self.checksum)
    }

    /// The finding on an invalid offset or a wrong checksum.
    pub(crate) fn finding(&self) -> Option<Finding> {
        let unused = "it is not used for reading";
        let (code, at, message) = match self.expected {
            None => {
                let message = format!("XenServer's batmap has an invalid offset: {unused}");
                (codes::BATMAP_PAST_END, self.at + 8, message)
            }
            Some(expected) if expected != self.checksum => {
                let found = self.checksum;
                let message = format!(
                    "the checksum of XenServer's batmap is {found:#010x}, expected {expected:#010x}: {unused}"
                );
                (codes::BATMAP_CHECKSUM, self.at + 24, message)
            }
            Some(_) => return None,
        };
        Some(Finding { code, severity: Severity::Warning, at: Some(at), message })
    }
}

/// Ones' complement of the sum of all bytes. Version 1.1 adds them as signed bytes.
fn checksum(file: &dyn ReadAt, map: Range<u64>, version: u32) -> Result<u32, Error> {
    let is_signed = version == 0x0001_0001;
    let mut sum = 0u32;
    let mut at = map.start;
    while at < map.end {
        let len = (map.end - at).min(CHUNK);
        // OK: the length is at most 64 KiB.
        let bytes = file.slice(at, usize_of(len))?;
        for byte in bytes.iter() {
            let value =
                if is_signed && *byte >= 0x80 { u32::from(*byte) | 0xffff_ff00 } else { (*byte).into() };
            sum = sum.wrapping_add(value);
        }
        at += len;
    }
    Ok(!sum)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn version_1_1_sums_signed_bytes() {
        let file: &dyn ReadAt = &vec![1u8, 0xff, 0x80];
        assert_eq!(checksum(file, 0..3, 0x0001_0002).unwrap(), !(1 + 0xff + 0x80));
        assert_eq!(checksum(file, 0..3, 0x0001_0001).unwrap(), !1u32.wrapping_sub(1).wrapping_sub(128));
    }
}
