//! Validation of the header.

use imgprep_format_kit::{Fields, Invalid, padded_head};
use imgprep_map::{Error, ReadAt};

use crate::codes;
use crate::error::HEADER_CODES;
use crate::layout::{
    HEAD, HEADER_V1, HEADER_V1_PLUS, PREHEADER, Places, RawHeader, SIGNATURE, SIGNATURE_AT, V0, V1,
    VERSION_AT,
};
use crate::uuid::Uuid;
use crate::{Corrupt, Unsupported};

/// Image type (`u32Type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Dynamic,
    Static,
    Undo,
    Differencing,
}

impl Kind {
    pub(crate) fn has_parent(self) -> bool {
        matches!(self, Self::Undo | Self::Differencing)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dynamic => "dynamic",
            Self::Static => "static",
            Self::Undo => "undo",
            Self::Differencing => "differencing",
        }
    }
}

/// A header with consistent fields and a map inside the file.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) raw: RawHeader,
    pub(crate) places: &'static Places,
    /// Major and minor version.
    pub(crate) version: (u16, u16),
    pub(crate) kind: Kind,
    /// The text before the signature.
    pub(crate) text: [u8; SIGNATURE_AT],
    /// File offset of the end of the header.
    pub(crate) end: u64,
    pub(crate) map_at: u64,
    pub(crate) data_at: u64,
    /// In bytes: a multiple of 512, not 0, less than 2^32.
    pub(crate) block_size: u64,
    pub(crate) has_lchs: bool,
    pub(crate) image: Uuid,
    pub(crate) modified: Uuid,
}

impl Header {
    pub(crate) fn read(file: &dyn ReadAt) -> Result<Self, Error> {
        let head = read_head(file)?;
        let version = version(&head)?;
        let places = if version.0 == 0 { &V0 } else { &V1 };
        let raw = RawHeader::decode(&head, places);
        let end = header_end(&raw, places, file.len())?;
        let kind = kind(&raw, places)?;
        check_sizes(&raw, places)?;
        let (map_at, data_at) = offsets(&raw, places);
        check_map(file, &raw, places, map_at)?;
        Ok(Self {
            version,
            kind,
            text: Fields::le(&head).array::<0, SIGNATURE_AT>(),
            end,
            map_at,
            data_at,
            block_size: raw.block_size.into(),
            has_lchs: version >= (1, 1) && raw.header_size.is_some_and(|size| size >= HEADER_V1_PLUS),
            image: raw.image,
            modified: raw.modified,
            places,
            raw,
        })
    }

    /// Size of the disk in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.raw.disk_size
    }

    /// Number of entries of the map.
    pub(crate) fn blocks(&self) -> u64 {
        self.raw.blocks.into()
    }

    /// Number of entries that describe the disk. The map may have more.
    pub(crate) fn used_blocks(&self) -> u64 {
        self.size().div_ceil(self.block_size)
    }

    /// File offset of the data of a stored block, after its extra space. Saturates.
    pub(crate) fn block_at(&self, number: u32) -> u64 {
        let extra = u64::from(self.raw.block_extra);
        // OK: both summands are less than 2^32.
        let stored = u64::from(number).saturating_mul(self.block_size + extra);
        self.data_at.saturating_add(stored).saturating_add(extra)
    }
}

/// Reads the beginning of the file, padded with zeros, and checks the signature.
fn read_head(file: &dyn ReadAt) -> Result<[u8; HEAD], Error> {
    if file.len() < PREHEADER {
        return Err(cut(PREHEADER, file.len()));
    }
    let head = padded_head::<HEAD>(file)?;
    let found = Fields::le(&head).array::<SIGNATURE_AT, 4>();
    if found == SIGNATURE { Ok(head) } else { Err(Corrupt::Signature { found }.into()) }
}

fn version(head: &[u8; HEAD]) -> Result<(u16, u16), Error> {
    let head = Fields::le(head);
    let (major, minor) = (head.u16::<{ VERSION_AT + 2 }>(), head.u16::<VERSION_AT>());
    if major > 1 || minor > 1 {
        return Err(Unsupported::Version { major, minor }.into());
    }
    Ok((major, minor))
}

/// File offset of the end of the header.
///
/// Fails if it is past the end of the file, or if `cbHeader` is too small.
fn header_end(raw: &RawHeader, places: &Places, file_len: u64) -> Result<u64, Error> {
    // OK: `end` is a constant below 512.
    let fields_end = places.end as u64;
    if fields_end > file_len {
        return Err(cut(fields_end, file_len));
    }
    let (Some(size), Some(at)) = (raw.header_size, places.header_size) else { return Ok(fields_end) };
    if size < HEADER_V1 {
        return Err(HEADER_CODES.field(at as u64, "cbHeader", "at least 384", size.into()));
    }
    let end = PREHEADER + u64::from(size);
    if end > file_len { Err(cut(end, file_len)) } else { Ok(end) }
}

fn kind(raw: &RawHeader, places: &Places) -> Result<Kind, Error> {
    Ok(match raw.kind {
        1 => Kind::Dynamic,
        2 => Kind::Static,
        3 => Kind::Undo,
        4 => Kind::Differencing,
        found => return Err(Unsupported::Kind { at: places.kind as u64, found }.into()),
    })
}

/// Checks the sizes of sectors and blocks and the number of map entries.
///
/// Fails if the map has fewer entries than the disk has blocks.
fn check_sizes(raw: &RawHeader, places: &Places) -> Result<(), Error> {
    let [.., sector] = raw.geometry;
    if sector != 512 {
        return Err(Unsupported::SectorSize { at: places.geometry as u64 + 12, found: sector }.into());
    }
    let block_size = u64::from(raw.block_size);
    if block_size == 0 || !block_size.is_multiple_of(512) {
        return Err(HEADER_CODES.field(
            places.block_size as u64,
            "cbBlock",
            "a multiple of 512 and not 0",
            block_size,
        ));
    }
    let (needed, found) = (raw.disk_size.div_ceil(block_size), u64::from(raw.blocks));
    if needed > found {
        return Err(Invalid::TableTooShort {
            code: codes::MAP_TOO_SHORT,
            at: places.blocks as u64,
            table: "the block map",
            expected: needed,
            found,
            size: raw.disk_size,
        }
        .into());
    }
    Ok(())
}

/// File offsets of the map and of the data. Version 0 has no fields for them.
fn offsets(raw: &RawHeader, places: &Places) -> (u64, u64) {
    let map_at = raw.map_offset.map_or(places.end as u64, u64::from);
    let data_at = raw.data_offset.map_or(map_at + u64::from(raw.blocks) * 4, u64::from);
    (map_at, data_at)
}

fn check_map(file: &dyn ReadAt, raw: &RawHeader, places: &Places, start: u64) -> Result<(), Error> {
    let at = places.map_offset.unwrap_or(places.blocks) as u64;
    // OK: the map has less than 2^34 bytes.
    HEADER_CODES.check_table(file, at, "the block map", start, u64::from(raw.blocks) * 4)?;
    Ok(())
}

fn cut(expected: u64, file_len: u64) -> Error {
    Invalid::HeaderCut { code: codes::HEADER_CUT, expected, file_len }.into()
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    /// A version 1.1 header of 400 bytes, for 5 blocks of 4 KiB and 100 bytes.
    fn file() -> Vec<u8> {
        let mut file = vec![0; 1024];
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(64, &SIGNATURE);
        put(68, &0x0001_0001u32.to_le_bytes());
        for (at, value) in [
            (72, 400u32),
            (76, 1),
            (80, 1),
            (340, 512),
            (344, 1024),
            (360, 512),
            (368, 5 * 4096 + 100),
            (376, 4096),
            (384, 6),
            (388, 0),
            (468, 512),
        ] {
            put(at, &value.to_le_bytes());
        }
        put(84, b"words");
        put(392, &[1; 16]);
        put(408, &[2; 16]);
        file
    }

    fn with(at: usize, bytes: &[u8]) -> Vec<u8> {
        let mut file = file();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    }

    fn refused<D: imgprep_map::Detail + Clone>(file: &[u8]) -> D {
        let error = Header::read(&file.to_vec()).unwrap_err();
        error.detail::<D>().unwrap_or_else(|| panic!("another error: {error}")).clone()
    }

    #[test]
    fn a_sound_header() {
        let header = Header::read(&file()).unwrap();
        assert_eq!((header.version, header.kind), ((1, 1), Kind::Dynamic));
        assert_eq!((header.map_at, header.data_at, header.end), (512, 1024, 472));
        assert_eq!((header.size(), header.blocks(), header.used_blocks()), (20580, 6, 6));
        assert!(header.has_lchs && header.raw.comment.starts_with(b"words\0"));
        assert_eq!(header.block_at(2), 1024 + 2 * 4096);
    }

    #[test]
    fn version_0_has_its_map_after_its_header() {
        let mut file = vec![0; 1024];
        let mut put = |at: usize, value: u32| file[at..at + 4].copy_from_slice(&value.to_le_bytes());
        put(64, u32::from_le_bytes(SIGNATURE));
        for (at, value) in [(68, 1), (72, 2), (348, 512), (352, 9000), (360, 512), (364, 18), (368, 4)] {
            put(at, value);
        }
        let header = Header::read(&file).unwrap();
        assert_eq!((header.version, header.kind), ((0, 1), Kind::Static));
        assert_eq!((header.map_at, header.data_at, header.end), (420, 492, 420));
        assert_eq!((header.size(), header.raw.allocated), (9000, 4));
        assert!(!header.has_lchs);
        for (at, code) in
            [(348, "vdi.header.sector-size"), (360, "vdi.header.field"), (364, "vdi.map.too-short")]
        {
            let mut bad = file.clone();
            bad[at..at + 4].fill(0);
            let error = Header::read(&bad).unwrap_err();
            assert_eq!((error.code().id, error.at()), (code, Some(at as u64)));
        }
        let cut = Invalid::HeaderCut { code: codes::HEADER_CUT, expected: 420, file_len: 419 };
        assert_eq!(refused::<Invalid>(&file[..419]), cut);
    }

    #[test]
    fn extra_space_stands_before_each_block() {
        let header = Header::read(&with(380, &512u32.to_le_bytes())).unwrap();
        assert_eq!(header.block_at(0), 1024 + 512);
        assert_eq!(header.block_at(2), 1024 + 2 * (4096 + 512) + 512);
        let header = Header::read(&with(380, &[0xff; 4])).unwrap();
        assert_eq!(header.block_at(u32::MAX - 2), u64::MAX, "it saturates");
    }

    #[test]
    fn a_logical_geometry_needs_room_and_version_1_1() {
        assert!(!Header::read(&with(72, &384u32.to_le_bytes())).unwrap().has_lchs);
        assert!(!Header::read(&with(68, &0x0001_0000u32.to_le_bytes())).unwrap().has_lchs);
    }

    #[test]
    fn each_invalid_field_is_reported_by_name() {
        let field = |at, field, expected, found| Invalid::Field {
            code: codes::HEADER_FIELD,
            at,
            field,
            expected,
            found,
        };
        let table = "the block map";
        let short = |found, size, expected| Invalid::TableTooShort {
            code: codes::MAP_TOO_SHORT,
            at: 384,
            table,
            expected,
            found,
            size,
        };
        let past = |start, end| Invalid::TablePastEnd {
            code: codes::MAP_PAST_END,
            at: 340,
            table,
            start,
            end,
            file_len: 1024,
        };
        for (file, want) in [
            (
                file()[..71].to_vec(),
                Invalid::HeaderCut { code: codes::HEADER_CUT, expected: 72, file_len: 71 },
            ),
            (
                file()[..455].to_vec(),
                Invalid::HeaderCut { code: codes::HEADER_CUT, expected: 456, file_len: 455 },
            ),
            (
                file()[..471].to_vec(),
                Invalid::HeaderCut { code: codes::HEADER_CUT, expected: 472, file_len: 471 },
            ),
            (with(72, &383u32.to_le_bytes()), field(72, "cbHeader", "at least 384", 383)),
            (
                with(72, &[0xff; 4]),
                Invalid::HeaderCut { code: codes::HEADER_CUT, expected: 72 + 0xffff_ffff, file_len: 1024 },
            ),
            (with(376, &[0; 4]), field(376, "cbBlock", "a multiple of 512 and not 0", 0)),
            (with(376, &[1, 2, 0, 0]), field(376, "cbBlock", "a multiple of 512 and not 0", 513)),
            (with(376, &[0, 2, 0, 0]), short(6, 20580, 41)),
            (with(384, &[5, 0, 0, 0]), short(5, 20580, 6)),
            (with(368, &[0xff; 8]), short(6, u64::MAX, 1 << 52)),
            (with(384, &[0xff; 4]), past(512, 512 + 0xffff_ffff * 4)),
            (with(340, &[0xff; 4]), past(0xffff_ffff, 0xffff_ffff + 24)),
        ] {
            assert_eq!(refused::<Invalid>(&file), want);
        }
        let signature = Corrupt::Signature { found: *b"VDI?" };
        assert_eq!(refused::<Corrupt>(&with(64, b"VDI?")), signature);
    }

    #[test]
    fn unsupported_values_are_reported_by_name() {
        for (file, want) in [
            (with(68, &[1, 0, 2, 0]), Unsupported::Version { major: 2, minor: 1 }),
            (with(68, &[2, 0, 1, 0]), Unsupported::Version { major: 1, minor: 2 }),
            (with(76, &[0; 4]), Unsupported::Kind { at: 76, found: 0 }),
            (with(76, &[5, 0, 0, 0]), Unsupported::Kind { at: 76, found: 5 }),
            (with(360, &[0, 16, 0, 0]), Unsupported::SectorSize { at: 360, found: 4096 }),
        ] {
            assert_eq!(refused::<Unsupported>(&file), want);
        }
    }
}
