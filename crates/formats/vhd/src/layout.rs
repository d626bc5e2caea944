//! On-disk structures: sizes, offsets, magics, decoding.

use imgprep_format_kit::Fields;

/// Name of the format.
pub const NAME: &str = "vhd";
/// First bytes of a footer and of its copy.
pub(crate) const COOKIE: [u8; 8] = *b"conectix";
/// Cookie that `vhd-util` writes while it resizes an image.
pub(crate) const POISON: [u8; 8] = *b"v_poison";
/// First bytes of the header of a dynamic or differencing disk.
pub(crate) const SPARSE_COOKIE: [u8; 8] = *b"cxsparse";
/// First bytes of the header of `XenServer`'s batmap, its map of full blocks.
pub(crate) const BATMAP_COOKIE: [u8; 8] = *b"tdbatmap";

pub(crate) const SECTOR: u64 = 512;
/// Length of a footer in bytes.
pub const FOOTER: u64 = 512;
/// Length of a footer by an old Virtual PC, which omits the last, reserved byte.
pub(crate) const SHORT_FOOTER: u64 = 511;
/// Length of the header of a dynamic or differencing disk in bytes.
pub(crate) const HEADER: u64 = 1024;
/// Bytes of the batmap header that contain fields.
pub(crate) const BATMAP_HEADER: u64 = 28;
/// Table entry of a block that was never written.
pub(crate) const UNUSED: u32 = 0xffff_ffff;

/// Feature bit: the image may be deleted at shutdown.
pub(crate) const TEMPORARY: u32 = 1 << 0;
/// Feature bit: reserved, always set.
pub(crate) const RESERVED: u32 = 1 << 1;

/// Offsets of footer fields, for errors and findings.
pub(crate) mod footer_at {
    pub(crate) const FEATURES: u64 = 8;
    pub(crate) const VERSION: u64 = 12;
    pub(crate) const DATA_OFFSET: u64 = 16;
    pub(crate) const CURRENT_SIZE: u64 = 48;
    pub(crate) const GEOMETRY: u64 = 56;
    pub(crate) const DISK_TYPE: u64 = 60;
    pub(crate) const CHECKSUM: u64 = 64;
    pub(crate) const SAVED_STATE: u64 = 84;
    pub(crate) const HIDDEN: u64 = 85;
}

/// The unvalidated fields of a footer ("Hard Disk Footer Format").
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawFooter {
    pub(crate) cookie: [u8; 8],       // 0
    pub(crate) features: u32,         // 8
    pub(crate) version: u32,          // 12
    pub(crate) data_offset: u64,      // 16
    pub(crate) timestamp: u32,        // 24
    pub(crate) creator: [u8; 4],      // 28
    pub(crate) creator_version: u32,  // 32
    pub(crate) creator_host: [u8; 4], // 36
    pub(crate) original_size: u64,    // 40
    pub(crate) current_size: u64,     // 48
    pub(crate) cylinders: u16,        // 56
    pub(crate) heads: u8,             // 58
    pub(crate) sectors_per_track: u8, // 59
    pub(crate) disk_type: u32,        // 60
    pub(crate) checksum: u32,         // 64
    pub(crate) uuid: [u8; 16],        // 68
    pub(crate) saved_state: u8,       // 84
    pub(crate) hidden: u8,            // 85, XenServer's; else reserved
}

impl RawFooter {
    pub(crate) fn decode(bytes: &[u8; 512]) -> Self {
        let fields = Fields::be(bytes);
        Self {
            cookie: fields.array::<0, 8>(),
            features: fields.u32::<8>(),
            version: fields.u32::<12>(),
            data_offset: fields.u64::<16>(),
            timestamp: fields.u32::<24>(),
            creator: fields.array::<28, 4>(),
            creator_version: fields.u32::<32>(),
            creator_host: fields.array::<36, 4>(),
            original_size: fields.u64::<40>(),
            current_size: fields.u64::<48>(),
            cylinders: fields.u16::<56>(),
            heads: fields.u8::<58>(),
            sectors_per_track: fields.u8::<59>(),
            disk_type: fields.u32::<60>(),
            checksum: fields.u32::<64>(),
            uuid: fields.array::<68, 16>(),
            saved_state: fields.u8::<84>(),
            hidden: fields.u8::<85>(),
        }
    }

    /// Whether a `tapdisk` of any version created the image.
    pub(crate) fn is_by_tapdisk(&self) -> bool {
        self.creator.starts_with(b"tap")
    }
}

/// The unvalidated header of a dynamic or differencing disk.
///
/// Without the names of the parent. Source: "Dynamic Disk Header Format".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawHeader {
    pub(crate) cookie: [u8; 8],        // 0
    pub(crate) table_offset: u64,      // 16
    pub(crate) version: u32,           // 24
    pub(crate) max_table_entries: u32, // 28
    pub(crate) block_size: u32,        // 32
    pub(crate) checksum: u32,          // 36
    pub(crate) parent_uuid: [u8; 16],  // 40
    pub(crate) parent_timestamp: u32,  // 56
}

/// Offset and length in bytes of the parent name: 256 big-endian UTF-16 units.
pub(crate) const PARENT_NAME: (usize, usize) = (64, 512);
/// Offset of the parent locator entries in the header.
pub(crate) const LOCATORS_AT: usize = 576;
/// Number of parent locator entries in the header.
pub(crate) const LOCATORS: usize = 8;
/// Length of a parent locator entry in bytes.
pub(crate) const LOCATOR: usize = 24;

/// The unvalidated fields of a parent locator entry ("Dynamic Disk Header Format").
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawLocator {
    pub(crate) code: [u8; 4], // 0
    pub(crate) space: u32,    // 4, in sectors or bytes
    pub(crate) len: u32,      // 8, in bytes
    pub(crate) reserved: u32, // 12
    pub(crate) start: u64,    // 16
}

impl RawLocator {
    pub(crate) fn decode(bytes: &[u8; LOCATOR]) -> Self {
        let fields = Fields::be(bytes);
        Self {
            code: fields.array::<0, 4>(),
            space: fields.u32::<4>(),
            len: fields.u32::<8>(),
            reserved: fields.u32::<12>(),
            start: fields.u64::<16>(),
        }
    }
}

/// The parent locator entries of a header.
pub(crate) fn locators(header: &[u8; 1024]) -> [[u8; LOCATOR]; LOCATORS] {
    let bytes = Fields::be(header).array::<LOCATORS_AT, { LOCATORS * LOCATOR }>();
    let (entries, _) = bytes.as_chunks::<LOCATOR>();
    entries.first_chunk().copied().unwrap_or([[0; LOCATOR]; LOCATORS])
}

/// The UTF-16 units of the parent name in a header.
pub(crate) fn parent_name(header: &[u8; 1024]) -> [u16; PARENT_NAME.1 / 2] {
    let bytes = Fields::be(header).array::<{ PARENT_NAME.0 }, { PARENT_NAME.1 }>();
    let mut units = [0; PARENT_NAME.1 / 2];
    for (unit, bytes) in units.iter_mut().zip(bytes.as_chunks().0) {
        *unit = u16::from_be_bytes(*bytes);
    }
    units
}

impl RawHeader {
    pub(crate) fn decode(bytes: &[u8; 1024]) -> Self {
        let fields = Fields::be(bytes);
        Self {
            cookie: fields.array::<0, 8>(),
            table_offset: fields.u64::<16>(),
            version: fields.u32::<24>(),
            max_table_entries: fields.u32::<28>(),
            block_size: fields.u32::<32>(),
            checksum: fields.u32::<36>(),
            parent_uuid: fields.array::<40, 16>(),
            parent_timestamp: fields.u32::<56>(),
        }
    }
}

/// Checksum of a footer or a header.
///
/// Ones' complement of the sum of all bytes, without the checksum field at `field_at`.
pub(crate) fn checksum(bytes: &[u8], field_at: usize) -> u32 {
    let sum = |bytes: &[u8]| bytes.iter().fold(0u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
    // OK: `field_at` is a constant inside the structure.
    !sum(bytes).wrapping_sub(sum(&bytes[field_at..field_at + 4]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_leaves_itself_out() {
        let mut bytes = [0u8; 512];
        bytes[..8].copy_from_slice(&COOKIE);
        let sum = COOKIE.iter().map(|byte| u32::from(*byte)).sum::<u32>();
        assert_eq!(checksum(&bytes, 64), !sum);
        bytes[64..68].copy_from_slice(&[9; 4]);
        assert_eq!(checksum(&bytes, 64), !sum);
    }
}
