//! The header: raw -> validated (specification, section "Header").

use alloc::format;
use alloc::vec::Vec;

use imgprep_format_kit::{Invalid, TextTooLong};
use imgprep_map::{Error, Limits, ReadAt, usize_of};

use crate::Unsupported;
use crate::codes;
use crate::error::HEADER_CODES;
use crate::layout::{
    BACKING_FILE, BACKING_FORMAT_NO_PROBE, ENTRY, HEADER, KNOWN_FEATURES, MAGIC, NEED_CHECK, RawHeader,
};

/// A header with consistent fields and an L1 table inside the file.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) raw: RawHeader,
    /// A power of two from 2^12 to 2^26, in bytes.
    pub(crate) cluster_size: u64,
    /// Entries of a table: 2^9 to 2^27.
    pub(crate) table_entries: u64,
    /// End of the header's clusters, in bytes: at most 2^58.
    pub(crate) length: u64,
    /// Offset and length, inside the header's clusters and the file.
    pub(crate) backing_name: Option<(u64, usize)>,
}

impl Header {
    pub(crate) fn read(file: &dyn ReadAt, limits: &Limits) -> Result<Self, Error> {
        let raw = read_raw(file)?;
        if raw.features & !KNOWN_FEATURES != 0 {
            return Err(unknown(raw.features & !KNOWN_FEATURES));
        }
        let is_between =
            |value: u32, least: u32, most: u32| value.is_power_of_two() && (least..=most).contains(&value);
        if !is_between(raw.cluster_size, 1 << 12, 1 << 26) {
            let expected = "a power of two from 4096 to 67108864";
            return Err(HEADER_CODES.field(4, "cluster_size", expected, raw.cluster_size.into()));
        }
        if !is_between(raw.table_size, 1, 16) {
            return Err(HEADER_CODES.field(
                8,
                "table_size",
                "a power of two from 1 to 16",
                raw.table_size.into(),
            ));
        }
        if raw.header_size == 0 {
            return Err(HEADER_CODES.field(12, "header_size", "at least 1", 0));
        }
        let cluster_size = u64::from(raw.cluster_size);
        let header = Self {
            cluster_size,
            table_entries: cluster_size * u64::from(raw.table_size) / ENTRY,
            length: cluster_size * u64::from(raw.header_size),
            backing_name: None,
            raw,
        };
        header.check_l1(file)?;
        let backing_name = header.find_backing_name(file, limits)?;
        Ok(Self { backing_name, ..header })
    }

    /// Bytes of a table, L1 or L2: 4 KiB to 1 GiB.
    pub(crate) fn table_bytes(&self) -> u64 {
        self.table_entries * ENTRY
    }

    /// Bytes of the disk that an L2 table describes: at most 2^53.
    pub(crate) fn l2_coverage(&self) -> u64 {
        self.table_entries * self.cluster_size
    }

    /// Number of L1 entries that the disk needs: at most as many as the table has.
    pub(crate) fn l1_entries(&self) -> u64 {
        self.raw.image_size.div_ceil(self.l2_coverage())
    }

    pub(crate) fn needs_check(&self) -> bool {
        self.raw.features & NEED_CHECK != 0
    }

    pub(crate) fn is_backing_raw(&self) -> bool {
        self.raw.features & BACKING_FORMAT_NO_PROBE != 0
    }

    /// Checks the location and the length of the L1 table.
    ///
    /// It must be after the header and inside the file, and cover the disk.
    fn check_l1(&self, file: &dyn ReadAt) -> Result<(), Error> {
        let (start, size) = (self.raw.l1_table_offset, self.raw.image_size);
        if self.l1_entries() > self.table_entries {
            return Err(HEADER_CODES.field(
                48,
                "image_size",
                "at most the size that its L1 table covers",
                size,
            ));
        }
        if !start.is_multiple_of(self.cluster_size) {
            return Err(HEADER_CODES.field(40, "l1_table_offset", "a multiple of the cluster size", start));
        }
        if start < self.length {
            return Err(HEADER_CODES.field(40, "l1_table_offset", "after the header clusters", start));
        }
        HEADER_CODES.check_table(file, 40, "the L1 table", start, self.table_bytes())?;
        Ok(())
    }

    fn find_backing_name(&self, file: &dyn ReadAt, limits: &Limits) -> Result<Option<(u64, usize)>, Error> {
        if self.raw.features & BACKING_FILE == 0 {
            return Ok(None);
        }
        let start = u64::from(self.raw.backing_filename_offset);
        let len = u64::from(self.raw.backing_filename_size);
        if start < HEADER {
            return Err(HEADER_CODES.field(56, "backing_filename_offset", "at least 64", start));
        }
        if len == 0 || start + len > self.length {
            let expected = "at least 1, inside the header's clusters";
            return Err(HEADER_CODES.field(60, "backing_filename_size", expected, len));
        }
        if len > limits.text_bytes {
            let (code, what) = (codes::LIMIT_TEXT, "backing file name");
            return Err(TextTooLong { code, at: 60, what, found: len, limit: limits.text_bytes }.into());
        }
        HEADER_CODES.check_table(file, 56, "the backing file name", start, len)?;
        Ok(Some((start, usize_of(len))))
    }
}

fn unknown(bits: u64) -> Error {
    let names: Vec<_> = (0..64).filter(|bit| bits >> bit & 1 == 1).map(|bit| format!("bit {bit}")).collect();
    Unsupported::Features { names: names.join(", ") }.into()
}

fn read_raw(file: &dyn ReadAt) -> Result<RawHeader, Error> {
    if file.len() < HEADER {
        return Err(
            Invalid::HeaderCut { code: codes::HEADER_CUT, expected: HEADER, file_len: file.len() }.into()
        );
    }
    let bytes = file.array::<64>(0)?;
    let raw = RawHeader::decode(&bytes);
    if raw.magic != MAGIC {
        let (code, expected) = (codes::HEADER_MAGIC, "the QED magic");
        return Err(Invalid::Magic { code, expected, found: raw.magic }.into());
    }
    Ok(raw)
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    /// 1 MiB in clusters of 4 KiB, tables of two clusters, L1 table at 4096.
    fn good() -> Vec<u8> {
        let mut file = vec![0; 3 * 4096];
        file[..4].copy_from_slice(&MAGIC);
        file[4..8].copy_from_slice(&4096u32.to_le_bytes());
        (file[8], file[12], file[41]) = (2, 1, 0x10);
        file[48..56].copy_from_slice(&(1u64 << 20).to_le_bytes());
        file
    }

    fn with(edits: &[(usize, &[u8])]) -> Result<Header, Error> {
        let mut file = good();
        for (at, bytes) in edits {
            file[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        Header::read(&file, &Limits::default())
    }

    fn corrupt(result: Result<Header, Error>) -> Invalid {
        result.expect_err("it is refused").detail::<Invalid>().expect("it is corrupt").clone()
    }

    #[test]
    fn a_header_by_hand() {
        let header = with(&[]).unwrap();
        assert_eq!((header.cluster_size, header.table_entries, header.length), (4096, 1024, 4096));
        assert_eq!((header.table_bytes(), header.l2_coverage(), header.l1_entries()), (8192, 4 << 20, 1));
        assert!(header.backing_name.is_none() && !header.needs_check());
    }

    #[test]
    fn a_truncated_header_is_rejected() {
        let file = good()[..63].to_vec();
        let result = Header::read(&file, &Limits::default());
        assert_eq!(
            corrupt(result),
            Invalid::HeaderCut { code: codes::HEADER_CUT, expected: 64, file_len: 63 }
        );
    }

    #[test]
    fn every_field_out_of_range_is_rejected() {
        let four_gib = (4u64 << 30).to_le_bytes();
        let grown = ((4u64 << 30) + 1).to_le_bytes();
        assert!(with(&[(48, &four_gib)]).is_ok(), "1024 tables of 4 MiB");
        for (at, bytes, name, found) in [
            (4, &2048u32.to_le_bytes()[..], "cluster_size", 2048),
            (4, &5000u32.to_le_bytes(), "cluster_size", 5000),
            (4, &(1u32 << 27).to_le_bytes(), "cluster_size", 1 << 27),
            (4, &[0; 4], "cluster_size", 0),
            (8, &[0], "table_size", 0),
            (8, &[3], "table_size", 3),
            (8, &[32], "table_size", 32),
            (12, &[0], "header_size", 0),
            (40, &[1], "l1_table_offset", 0x1001),
            (40, &[0, 0], "l1_table_offset", 0),
            (48, &grown, "image_size", (4 << 30) + 1),
            (48, &[0xff; 8], "image_size", u64::MAX),
        ] {
            match corrupt(with(&[(at, bytes)])) {
                Invalid::Field { at: place, field, found: value, .. } => {
                    assert_eq!((place, field, value), (at as u64, name, found));
                }
                other => panic!("{name}: {other:?}"),
            }
        }
        assert_eq!(
            corrupt(with(&[(0, b"QEE")])),
            Invalid::Magic { code: codes::HEADER_MAGIC, expected: "the QED magic", found: *b"QEE\0" }
        );
        let after = Invalid::Field {
            code: codes::HEADER_FIELD,
            at: 40,
            field: "l1_table_offset",
            expected: "after the header clusters",
            found: 4096,
        };
        assert_eq!(corrupt(with(&[(12, &[2])])), after);
    }

    #[test]
    fn the_l1_table_lies_inside_the_file() {
        let past = |start: u64, end| Invalid::TablePastEnd {
            code: codes::TABLE_PAST_END,
            at: 40,
            table: "the L1 table",
            start,
            end,
            file_len: 3 * 4096,
        };
        assert_eq!(corrupt(with(&[(41, &[0x20])])), past(0x2000, 0x4000));
        let last = u64::MAX - 4095;
        assert_eq!(corrupt(with(&[(40, &last.to_le_bytes())])), past(last, u64::MAX));
    }

    #[test]
    fn unknown_features_are_named_by_their_bits() {
        let features = |names: &str| Unsupported::Features { names: names.into() };
        let error = with(&[(16, &[0x0a, 0, 0, 0, 0, 0, 0, 0x80])]).unwrap_err();
        assert_eq!((error.detail(), error.at()), (Some(&features("bit 3, bit 63")), Some(16)));
        assert!(with(&[(24, &[0xff; 16])]).is_ok(), "compatible and autoclear bits change nothing");
        assert!(with(&[(16, &[2])]).unwrap().needs_check());
        assert!(with(&[(16, &[4])]).unwrap().backing_name.is_none());
    }

    #[test]
    fn a_backing_name_must_be_inside_the_header_clusters() {
        let name =
            |start: u32, len: u32| with(&[(16, &[1]), (56, &start.to_le_bytes()), (60, &len.to_le_bytes())]);
        assert_eq!(name(64, 4032).unwrap().backing_name, Some((64, 4032)));
        assert_eq!(name(4095, 1).unwrap().backing_name, Some((4095, 1)));
        for (start, len, at) in [(63, 1, 56), (0, 1, 56), (64, 0, 60), (64, 4033, 60), (u32::MAX, 1, 60)] {
            let found = corrupt(name(start, len));
            assert!(
                matches!(found, Invalid::Field { at: place, .. } if place == at),
                "{start} {len}: {found:?}"
            );
        }
        let mut file = good();
        (file[16], file[56], file[60]) = (1, 64, 9);
        let (code, what) = (codes::LIMIT_TEXT, "backing file name");
        let too_long = TextTooLong { code, at: 60, what, found: 9, limit: 8 };
        let error = Header::read(&file, &Limits { text_bytes: 8, ..Limits::default() }).unwrap_err();
        assert_eq!(error.detail(), Some(&too_long));
    }
}
