//! Validation of the header of a dynamic or differencing disk.
//!
//! Source: "Dynamic Disk Header Format".

use imgprep_format_kit::Invalid;
use imgprep_map::{Error, ReadAt};

use crate::codes;
use crate::error::HEADER_CODES;
use crate::footer::Footer;
use crate::layout::{HEADER, RawHeader, SPARSE_COOKIE, checksum, footer_at};
use crate::{Corrupt, Part, Unsupported};

/// Name of the block allocation table in errors.
const TABLE: &str = "the block allocation table";

/// A header with consistent fields and a table inside the file.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    /// File offset of the header.
    pub(crate) at: u64,
    pub(crate) raw: RawHeader,
    pub(crate) bytes: [u8; 1024],
    /// In bytes: 2^12 to 2^28.
    pub(crate) block_size: u64,
    /// Number of entries of the block allocation table.
    pub(crate) entries: u64,
}

impl Header {
    pub(crate) fn read(file: &dyn ReadAt, footer: &Footer) -> Result<Self, Error> {
        let at = footer.raw.data_offset;
        HEADER_CODES.check_table(
            file,
            footer.at + footer_at::DATA_OFFSET,
            "the dynamic disk header",
            at,
            HEADER,
        )?;
        let bytes: [u8; 1024] = file.array(at)?;
        let raw = RawHeader::decode(&bytes);
        if raw.cookie != SPARSE_COOKIE {
            return Err(Corrupt::HeaderCookie { at, found: raw.cookie }.into());
        }
        let expected = checksum(&bytes, 36);
        if raw.checksum != expected {
            let found = raw.checksum;
            return Err(Corrupt::Checksum { at: at + 36, part: Part::Header, expected, found }.into());
        }
        if raw.version >> 16 != 1 {
            return Err(Unsupported::Version { at: at + 24, part: Part::Header, version: raw.version }.into());
        }
        let header =
            Self { at, block_size: block_size(&raw, at)?, entries: raw.max_table_entries.into(), bytes, raw };
        header.check_table(file, footer)?;
        Ok(header)
    }

    /// Checks that the block allocation table covers the disk and is inside the file.
    fn check_table(&self, file: &dyn ReadAt, footer: &Footer) -> Result<(), Invalid> {
        let size = footer.size.taken();
        let needed = size.div_ceil(self.block_size);
        if self.entries < needed {
            return Err(Invalid::TableTooShort {
                code: codes::BAT_TOO_SHORT,
                at: self.at + 28,
                table: TABLE,
                expected: needed,
                found: self.entries,
                size,
            });
        }
        // OK: at most 2^32 entries of 4 bytes.
        HEADER_CODES.check_table(file, self.at + 16, TABLE, self.raw.table_offset, self.entries * 4)
    }
}

fn block_size(raw: &RawHeader, at: u64) -> Result<u64, Error> {
    let (at, found) = (at + 32, raw.block_size);
    if !found.is_power_of_two() {
        return Err(HEADER_CODES.field(at, "block size", "a power of two", found.into()));
    }
    if !(1 << 12..=1 << 28).contains(&found) {
        return Err(Unsupported::BlockSize { at, found }.into());
    }
    Ok(found.into())
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;
    use crate::error::test::detail;
    use crate::footer::SelectedFooter;
    use crate::layout::RawFooter;

    /// A header at 512 and a table at 1536, for a disk of four blocks of 4 KiB.
    fn file(edit: impl Fn(&mut [u8])) -> Vec<u8> {
        let mut header = vec![0u8; 1024];
        header[..8].copy_from_slice(b"cxsparse");
        header[16..24].copy_from_slice(&1536u64.to_be_bytes());
        header[24..28].copy_from_slice(&0x0001_0000u32.to_be_bytes());
        header[28..32].copy_from_slice(&4u32.to_be_bytes());
        header[32..36].copy_from_slice(&4096u32.to_be_bytes());
        edit(&mut header);
        let sum = checksum(&header, 36);
        header[36..40].copy_from_slice(&sum.to_be_bytes());
        let mut file = vec![0; 512];
        file.extend(header);
        file.resize(1536 + 16, 0xff);
        file
    }

    fn footer(data_offset: u64) -> Footer {
        let raw = RawFooter {
            version: 0x0001_0000,
            disk_type: 3,
            data_offset,
            current_size: 16384,
            ..RawFooter::decode(&[0; 512])
        };
        Footer::new(&SelectedFooter { at: 9000, raw, tail: None, findings: Vec::new() }).unwrap()
    }

    fn refused<D: imgprep_map::Detail + Clone>(at: usize, bytes: &[u8]) -> D {
        let file = file(|header| header[at..at + bytes.len()].copy_from_slice(bytes));
        detail(Header::read(&file, &footer(512)).map(|_| ()))
    }

    #[test]
    fn a_good_header() {
        let header = Header::read(&file(|_| ()), &footer(512)).unwrap();
        assert_eq!((header.block_size, header.entries, header.raw.table_offset), (4096, 4, 1536));
    }

    #[test]
    fn a_header_past_the_end() {
        for data_offset in [600, u64::MAX] {
            let found = detail::<Invalid>(Header::read(&file(|_| ()), &footer(data_offset)).map(|_| ()));
            let (start, end) = (data_offset, data_offset.saturating_add(1024));
            let table = "the dynamic disk header";
            assert_eq!(
                found,
                Invalid::TablePastEnd {
                    code: codes::TABLE_PAST_END,
                    at: 9016,
                    table,
                    start,
                    end,
                    file_len: 1552
                }
            );
        }
    }

    #[test]
    fn each_field_that_can_be_wrong() {
        assert_eq!(
            refused::<Corrupt>(0, b"CXsparse"),
            Corrupt::HeaderCookie { at: 512, found: *b"CXsparse" }
        );
        let want = Unsupported::Version { at: 536, part: Part::Header, version: 0x0002_0000 };
        assert_eq!(refused::<Unsupported>(24, &[0, 2]), want);
        for found in [0u32, 4095, 12288] {
            let want = Invalid::Field {
                code: codes::HEADER_FIELD,
                at: 544,
                field: "block size",
                expected: "a power of two",
                found: found.into(),
            };
            assert_eq!(refused::<Invalid>(32, &found.to_be_bytes()), want);
        }
        for found in [512u32, 2048, 1 << 29, 1 << 31] {
            assert_eq!(
                refused::<Unsupported>(32, &found.to_be_bytes()),
                Unsupported::BlockSize { at: 544, found }
            );
        }
        let want = Invalid::TableTooShort {
            code: codes::BAT_TOO_SHORT,
            at: 540,
            table: TABLE,
            expected: 4,
            found: 3,
            size: 16384,
        };
        assert_eq!(refused::<Invalid>(28, &3u32.to_be_bytes()), want);
        let table = TABLE;
        let want = Invalid::TablePastEnd {
            code: codes::TABLE_PAST_END,
            at: 528,
            table,
            start: 1536,
            end: 1556,
            file_len: 1552,
        };
        assert_eq!(refused::<Invalid>(28, &5u32.to_be_bytes()), want);
        let want = Invalid::TablePastEnd {
            code: codes::TABLE_PAST_END,
            at: 528,
            table,
            start: u64::MAX,
            end: u64::MAX,
            file_len: 1552,
        };
        assert_eq!(refused::<Invalid>(16, &[0xff; 8]), want);
    }

    #[test]
    fn a_wrong_checksum() {
        let mut file = file(|_| ());
        let found = checksum(&file[512..1536], 36);
        file[512 + 1000] = 3;
        let expected = found.wrapping_sub(3);
        let want = Corrupt::Checksum { at: 548, part: Part::Header, expected, found };
        assert_eq!(detail::<Corrupt>(Header::read(&file, &footer(512)).map(|_| ())), want);
    }
}
