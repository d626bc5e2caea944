//! Grain directories and grain tables of all three kinds of sparse extents.

use core::ops::Range;

use imgprep_format_kit::Invalid;
use imgprep_map::{Error, ReadAt};

use crate::Corrupt;
use crate::codes;
use crate::error::HEADER_CODES;
use crate::layout::{MARKER_BYTES, Marker, RECORD_HEAD, SECTOR};

/// Encoding of the entries of an extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entries {
    /// Sector numbers of 32 bits.
    Hosted { has_zeroed: bool, is_compressed: bool },
    /// Sector numbers of 32 bits.
    Cowd,
    /// Table and grain numbers of 64 bits.
    ///
    /// `tables_at` and `grains_at` are byte offsets.
    Se { tables_at: u64, grains_at: u64 },
}

/// State of a grain according to its table entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grain {
    /// Never written: read from the parent, or as zeros.
    Unallocated,
    /// Written as zeros.
    Zero,
    Data {
        at: u64,
    },
    /// `at` is the file offset of the grain's head.
    Compressed {
        at: u64,
    },
}

/// Tables of one extent. Only offsets are kept in memory; walks read the entries.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    pub(crate) entries: Entries,
    /// Bytes of a grain: 512 to 2^30.
    pub(crate) grain: u64,
    /// Entries of a table: 1 to 4096.
    pub(crate) per_table: u64,
    /// Bytes of the disk in this extent.
    pub(crate) capacity: u64,
    /// Offset of the directory, which lies inside the file.
    pub(crate) directory: u64,
    /// Offset of the redundant directory, if it lies inside the file.
    pub(crate) redundant: Option<u64>,
    /// Whether a lost table may be located by the redundant directory.
    pub(crate) is_salvage: bool,
}

const DIRECTORY: &str = "grain directory";

impl Tables {
    /// Bytes of a directory or table entry.
    pub(crate) fn entry_bytes(&self) -> u64 {
        if matches!(self.entries, Entries::Se { .. }) { 8 } else { 4 }
    }

    /// Bytes of the extent that one table describes: at most 2^42.
    pub(crate) fn coverage(&self) -> u64 {
        self.grain * self.per_table
    }

    /// Number of directory entries, all of which lie inside the file.
    pub(crate) fn count(&self) -> u64 {
        self.capacity.div_ceil(self.coverage())
    }

    /// File range of the whole directory at `start`.
    pub(crate) fn directory_range(&self, start: u64) -> Range<u64> {
        start..start.saturating_add(self.directory_bytes())
    }

    /// Bytes of a whole directory.
    pub(crate) fn directory_bytes(&self) -> u64 {
        self.count().saturating_mul(self.entry_bytes())
    }

    /// The range of the extent that table `index` describes.
    pub(crate) fn described(&self, index: u64) -> Range<u64> {
        // OK: `index` is below `count`, so the start is inside the extent.
        let start = index * self.coverage();
        start..self.capacity.min(start.saturating_add(self.coverage()))
    }

    /// The range of the table of directory entry `index`, inside the file.
    ///
    /// It contains only the entries that the extent needs. `None` if the table is not allocated.
    pub(crate) fn table(&self, file: &dyn ReadAt, index: u64) -> Result<Option<Range<u64>>, Error> {
        let found = self.table_of(file, self.directory, index);
        match (self.redundant, &found) {
            (Some(redundant), Err(_)) if self.is_salvage => self.table_of(file, redundant, index).or(found),
            _ => found,
        }
    }

    pub(crate) fn table_of(
        &self,
        file: &dyn ReadAt,
        directory: u64,
        index: u64,
    ) -> Result<Option<Range<u64>>, Error> {
        // OK: inside the directory, which is inside the file.
        let at = directory + index * self.entry_bytes();
        let Some(start) = self.directory_entry(self.read_entry(file, at)?, at)? else { return Ok(None) };
        let described = self.described(index);
        let needed = (described.end - described.start).div_ceil(self.grain) * self.entry_bytes();
        HEADER_CODES.check_table(file, at, "the grain table", start, needed)?;
        // OK: inside the file.
        Ok(Some(start..start + needed))
    }

    /// Reads the directory or table entry at file offset `at`.
    pub(crate) fn read_entry(&self, file: &dyn ReadAt, at: u64) -> Result<u64, Error> {
        Ok(match self.entries {
            Entries::Se { .. } => u64::from_le_bytes(file.array(at)?),
            Entries::Hosted { .. } | Entries::Cowd => u32::from_le_bytes(file.array(at)?).into(),
        })
    }

    fn directory_entry(&self, found: u64, at: u64) -> Result<Option<u64>, Corrupt> {
        let reason = match self.entries {
            Entries::Se { tables_at, .. } => {
                let table = found & 0xffff_ffff;
                match found >> 32 {
                    0 if table == 0 => return Ok(None),
                    // OK: 2^32 tables of at most 2^15 bytes; the start is below 2^63.
                    0x1000_0000 => return Ok(Some(tables_at + table * self.per_table * 8)),
                    _ => "the high half of an allocated entry is 0x10000000",
                }
            }
            Entries::Hosted { .. } | Entries::Cowd => match found {
                0 => return Ok(None),
                1 => "sector 1 is the header's or the descriptor's",
                // OK: 32 bits.
                sector => return Ok(Some(sector * SECTOR)),
            },
        };
        Err(Corrupt::Entry { at, table: DIRECTORY, found, reason })
    }

    /// Decodes the table entry `found` at file offset `at`.
    pub(crate) fn grain(&self, found: u64, at: u64) -> Result<Grain, Corrupt> {
        let bad = |reason| Err(Corrupt::Entry { at, table: "grain table", found, reason });
        match self.entries {
            Entries::Hosted { has_zeroed, is_compressed } => match found {
                0 => Ok(Grain::Unallocated),
                1 if has_zeroed => Ok(Grain::Zero),
                1 => bad("sector 1 is the header's, and the header says no zeroed grains"),
                // OK: 32 bits.
                sector if is_compressed => Ok(Grain::Compressed { at: sector * SECTOR }),
                sector => Ok(Grain::Data { at: sector * SECTOR }),
            },
            Entries::Cowd => match found {
                0 => Ok(Grain::Unallocated),
                1..4 => bad("the first four sectors are the header"),
                // OK: 32 bits.
                sector => Ok(Grain::Data { at: sector * SECTOR }),
            },
            Entries::Se { grains_at, .. } => match found >> 60 {
                0 if found == 0 => Ok(Grain::Unallocated),
                0 => bad("an unallocated grain has a number"),
                // Unmapped by the guest. The entry keeps the former grain number.
                1 | 2 => Ok(Grain::Zero),
                3 => {
                    let number =
                        (found & 0x0fff_0000_0000_0000) >> 48 | (found & 0x0000_ffff_ffff_ffff) << 12;
                    // Saturated: past the end of any file.
                    Ok(Grain::Data { at: grains_at.saturating_add(number.saturating_mul(self.grain)) })
                }
                _ => bad("the type in the highest four bits is 0 to 3"),
            },
        }
    }

    /// Indices of the table's entries, all of which lie inside the file.
    pub(crate) fn entries_of(&self, table: &Range<u64>) -> Range<u64> {
        0..(table.end - table.start) / self.entry_bytes()
    }

    /// Offset and length of the payload of a compressed grain.
    ///
    /// `head` is the offset of the grain's head, `entry` that of its table entry, `start` the grain's first
    /// byte in the extent.
    pub(crate) fn compressed(
        &self,
        file: &dyn ReadAt,
        entry: u64,
        head: u64,
        start: u64,
    ) -> Result<(u64, u32), Error> {
        let past_end = |end| past_end(entry, head..end, file.len());
        let head_end = head + MARKER_BYTES as u64;
        if head_end > file.len() {
            return Err(past_end(head_end));
        }
        let bad_length =
            |found| Error::new(Corrupt::GrainLength { at: head + 8, limit: self.compressed_limit(), found });
        let Marker::Grain { lba, size } = Marker::decode(file.array(head)?) else {
            return Err(bad_length(0));
        };
        let expected = start / SECTOR;
        if lba != expected {
            return Err(Corrupt::GrainLba { at: head, expected, found: lba }.into());
        }
        if u64::from(size) > self.compressed_limit() {
            return Err(bad_length(size.into()));
        }
        let end = head + RECORD_HEAD + u64::from(size);
        if end > file.len() {
            return Err(past_end(end));
        }
        Ok((head + RECORD_HEAD, size))
    }

    /// Largest payload of a compressed grain in bytes.
    ///
    /// QEMU's limit is twice the grain; zlib never adds more than a few bytes in a thousand.
    pub(crate) fn compressed_limit(&self) -> u64 {
        self.grain * 2
    }
}

/// The error of the entry at `at`, whose data extends past the end of the file.
pub(crate) fn past_end(at: u64, data: Range<u64>, file_len: u64) -> Error {
    let (code, Range { start, end }) = (codes::GRAIN_PAST_END, data);
    Invalid::DataPastEnd { code, at, start, end, file_len }.into()
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn tables(entries: Entries) -> Tables {
        Tables {
            entries,
            grain: 4096,
            per_table: 512,
            capacity: 1 << 30,
            directory: 4096,
            redundant: None,
            is_salvage: false,
        }
    }

    const HOSTED: Entries = Entries::Hosted { has_zeroed: false, is_compressed: false };
    const SE: Entries = Entries::Se { tables_at: 1 << 20, grains_at: 2 << 20 };

    fn bad(result: Result<Grain, Corrupt>) -> (u64, &'static str) {
        match result {
            Err(Corrupt::Entry { at: 9, table: "grain table", found, reason }) => (found, reason),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_state_of_a_hosted_grain() {
        let plain = tables(HOSTED);
        assert_eq!(plain.grain(0, 9), Ok(Grain::Unallocated));
        assert_eq!(bad(plain.grain(1, 9)).0, 1);
        assert_eq!(plain.grain(2, 9), Ok(Grain::Data { at: 1024 }));
        assert_eq!(plain.grain(0xffff_ffff, 9), Ok(Grain::Data { at: 0xffff_ffff * 512 }));
        let zeroed = tables(Entries::Hosted { has_zeroed: true, is_compressed: true });
        assert_eq!(zeroed.grain(0, 9), Ok(Grain::Unallocated));
        assert_eq!(zeroed.grain(1, 9), Ok(Grain::Zero));
        assert_eq!(zeroed.grain(2, 9), Ok(Grain::Compressed { at: 1024 }));
    }

    #[test]
    fn every_state_of_a_cowd_grain() {
        let cowd = tables(Entries::Cowd);
        assert_eq!(cowd.grain(0, 9), Ok(Grain::Unallocated));
        for sector in 1..4 {
            assert_eq!(bad(cowd.grain(sector, 9)).0, sector);
        }
        assert_eq!(cowd.grain(4, 9), Ok(Grain::Data { at: 2048 }));
    }

    #[test]
    fn every_state_of_an_sesparse_grain() {
        let se = tables(SE);
        let grain = |entry: u64| se.grain(entry, 9);
        assert_eq!(grain(0), Ok(Grain::Unallocated));
        assert_eq!(bad(grain(7)).0, 7);
        assert_eq!(grain(1 << 60), Ok(Grain::Zero));
        assert_eq!(grain(1 << 60 | 5), Ok(Grain::Zero));
        assert_eq!(grain(2 << 60), Ok(Grain::Zero));
        // The low 12 bits of the number are stored above the other bits.
        assert_eq!(grain(3 << 60 | 5 << 48), Ok(Grain::Data { at: (2 << 20) + 5 * 4096 }));
        assert_eq!(grain(3 << 60 | 1), Ok(Grain::Data { at: (2 << 20) + 4096 * 4096 }));
        assert_eq!(grain(0x3fff_ffff_ffff_ffff), Ok(Grain::Data { at: u64::MAX }));
        assert_eq!(bad(grain(4 << 60)).0, 4 << 60);
    }

    #[test]
    fn directory_entries() {
        let hosted = tables(HOSTED);
        assert_eq!(hosted.directory_entry(0, 9), Ok(None));
        assert_eq!(hosted.directory_entry(3, 9), Ok(Some(1536)));
        let bad = hosted.directory_entry(1, 9);
        assert!(matches!(bad, Err(Corrupt::Entry { at: 9, table: DIRECTORY, found: 1, .. })), "{bad:?}");
        let se = tables(SE);
        let entry = |entry: u64| se.directory_entry(entry, 9);
        assert_eq!(entry(0), Ok(None));
        assert_eq!(entry(0x1000_0000_0000_0002), Ok(Some((1 << 20) + 2 * 4096)));
        for found in [2, 1 << 60 | 1 << 32, 2 << 60] {
            let bad = entry(found);
            assert!(matches!(bad, Err(Corrupt::Entry { at: 9, found: f, .. }) if f == found), "{bad:?}");
        }
    }

    #[test]
    fn a_table_past_the_end_and_its_redundant_copy() {
        let mut file = vec![0u8; 16384];
        file[4096..4100].copy_from_slice(&[0xff, 0, 0, 0]);
        file[8192..8196].copy_from_slice(&[20, 0, 0, 0]);
        let mut tables = tables(HOSTED);
        tables.redundant = Some(8192);
        let error = tables.table(&file, 0).unwrap_err();
        let want = Invalid::TablePastEnd {
            code: codes::TABLE_PAST_END,
            at: 4096,
            table: "the grain table",
            start: 0xff * 512,
            end: 0xff * 512 + 2048,
            file_len: 16384,
        };
        assert_eq!(error.detail(), Some(&want));
        tables.is_salvage = true;
        assert_eq!(tables.table(&file, 0).unwrap(), Some(10240..12288));
    }

    #[test]
    fn the_head_of_a_compressed_grain_is_compared_with_its_entry() {
        let tables = tables(Entries::Hosted { has_zeroed: false, is_compressed: true });
        let mut file = vec![0u8; 2048];
        let head = |lba: u64, size: u32| {
            let mut head = lba.to_le_bytes().to_vec();
            head.extend(size.to_le_bytes());
            head
        };
        let mut at = |head: alloc::vec::Vec<u8>| {
            file[1024..1036].copy_from_slice(&head);
            tables.compressed(&file, 77, 1024, 4096)
        };
        assert_eq!(at(head(8, 100)).unwrap(), (1036, 100));
        let lba = Corrupt::GrainLba { at: 1024, expected: 8, found: 9 };
        assert_eq!(at(head(9, 100)).unwrap_err().detail(), Some(&lba));
        for found in [0, 8193] {
            let error = at(head(8, u32::try_from(found).unwrap())).unwrap_err();
            assert_eq!(error.detail(), Some(&Corrupt::GrainLength { at: 1032, limit: 8192, found }));
        }
        let (code, start, end) = (codes::GRAIN_PAST_END, 1024, 2049);
        let past = Invalid::DataPastEnd { code, at: 77, start, end, file_len: 2048 };
        assert_eq!(at(head(8, 1013)).unwrap_err().detail(), Some(&past));
    }
}
