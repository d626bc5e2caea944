//! seSparse files, which have no public specification.
//!
//! The reader follows the findings of QEMU's developers from ESX's log and from experiments. Everything
//! outside of those findings is rejected.

use alloc::vec::Vec;

use imgprep_map::{Error, ParseOptions, ReadAt};

use crate::error::HEADER_CODES;
use crate::layout::{RawSe, SE_BYTES, SE_VOLATILE_MAGIC, SECTOR};
use crate::part::Kind;
use crate::sparse::{Sparse, bytes, check_directory, header, scan_directories};
use crate::tables::{Entries, Tables};
use crate::{Corrupt, Unsupported};

/// 2.1, the only version seen so far.
const VERSION: u64 = 0x0000_0002_0000_0001;

pub(crate) fn read(file: &dyn ReadAt, options: &ParseOptions) -> Result<Sparse, Error> {
    let raw = RawSe::decode(&header::<SE_BYTES>(file)?);
    check_fields(&raw)?;
    check_volatile(file, &raw)?;
    let capacity = bytes(16, "capacity", raw.capacity)?;
    let tables_at = inside(file, 144, "grainTablesOffset", raw.grain_tables.0)?;
    let grains_at = bytes(192, "grainsOffset", raw.grains.0)?;
    // OK: bounded by `check_fields`.
    let tables = Tables {
        entries: Entries::Se { tables_at, grains_at },
        grain: raw.grain_size * SECTOR,
        per_table: raw.grain_table_size * SECTOR / 8,
        capacity,
        directory: bytes(128, "grainDirectoryOffset", raw.grain_directory.0)?,
        redundant: None,
        is_salvage: options.salvage,
    };
    let (expected, found) = (tables.count(), raw.grain_directory.1.saturating_mul(SECTOR / 8));
    if found < expected {
        return Err(Corrupt::DirectoryShort { at: 136, expected, found }.into());
    }
    check_directory(file, 128, &tables, tables.directory)?;
    let findings = scan_directories(file, &tables);
    Ok(Sparse {
        what: "an seSparse file",
        version: "2.1",
        capacity,
        capacity_at: 16,
        grain: tables.grain,
        is_compressed: false,
        is_dirty: false,
        descriptor: None,
        kind: if capacity == 0 { Kind::Zero } else { Kind::Sparse(tables) },
        fixed: fixed(file, &raw),
        findings,
    })
}

fn check_fields(raw: &RawSe) -> Result<(), Error> {
    if raw.version != VERSION {
        let (what, known) = ("an seSparse file", "2.1 (0x200000001) is");
        return Err(Unsupported::Version { at: 8, what, known, version: raw.version }.into());
    }
    if !(1..=64).contains(&raw.grain_table_size) {
        return Err(HEADER_CODES.field(32, "grainTableSize", "1 to 64 sectors", raw.grain_table_size));
    }
    if !raw.grain_size.is_power_of_two() || raw.grain_size > 2048 {
        return Err(HEADER_CODES.field(
            24,
            "grainSize",
            "a power of two, at most 2048 sectors",
            raw.grain_size,
        ));
    }
    let zeros = [(40, "flags", raw.flags)].into_iter().chain(
        [48, 56, 64, 72].into_iter().zip(raw.reserved).map(|(at, found)| (at, "a reserved field", found)),
    );
    for (at, field, found) in zeros {
        if found != 0 {
            return Err(Unsupported::SeField { at, field, known: "0", found }.into());
        }
    }
    Ok(())
}

/// Checks in the volatile header that the journal contains no pending changes.
fn check_volatile(file: &dyn ReadAt, raw: &RawSe) -> Result<(), Error> {
    let at = inside(file, 80, "volatileHeaderOffset", raw.volatile.0)?;
    if at == 0 {
        return Err(HEADER_CODES.field(80, "volatileHeaderOffset", "after the constant header", 0));
    }
    HEADER_CODES.check_table(file, 80, "the volatile header", at, SECTOR)?;
    let found = u64::from_le_bytes(file.array(at)?);
    if found.to_le_bytes() != SE_VOLATILE_MAGIC {
        return Err(HEADER_CODES.field(at, "the volatile header's magic", "0xcafecafe", found));
    }
    if file.array::<8>(at + 24)? != [0; 8] {
        return Err(Unsupported::Journal { at: at + 24 }.into());
    }
    Ok(())
}

/// Converts a location in sectors to bytes; fails past the end of the file.
fn inside(file: &dyn ReadAt, at: u64, name: &'static str, sectors: u64) -> Result<u64, Error> {
    match bytes(at, name, sectors)? {
        start if start <= file.len() => Ok(start),
        _ => Err(HEADER_CODES.field(at, name, "inside the file", sectors)),
    }
}

/// Headers, journal, bitmap and back map, clipped to the file.
fn fixed(file: &dyn ReadAt, raw: &RawSe) -> Vec<(core::ops::Range<u64>, &'static str)> {
    let places = [
        (raw.volatile, "the volatile header"),
        (raw.journal_header, "the journal's header"),
        (raw.journal, "the journal"),
        (raw.free_bitmap, "the free bitmap"),
        (raw.backmap, "the back map"),
    ];
    let clipped = places.into_iter().map(|((offset, size), name)| {
        let start = offset.saturating_mul(SECTOR);
        (start..start.saturating_add(size.saturating_mul(SECTOR)).min(file.len()), name)
    });
    let header = (0..SECTOR, "the header");
    core::iter::once(header).chain(clipped).filter(|(range, _)| range.start < range.end).collect()
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn with(edits: &[(usize, &[u8])]) -> Result<Sparse, Error> {
        let mut file = vec![0; 8192];
        let fields = [
            (0, 0xcafe_babe_u64),
            (8, VERSION),
            (16, 200),
            (24, 8),
            (32, 64),
            (80, 1),
            (88, 1),
            (128, 2),
            (136, 1),
        ];
        for (at, value) in fields.into_iter().chain([(144, 4), (152, 64), (192, 8), (512, 0xcafe_cafe)]) {
            file[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        for (at, bytes) in edits {
            file[*at..*at + bytes.len()].copy_from_slice(bytes);
        }
        read(&file, &ParseOptions::default())
    }

    fn refused(edits: &[(usize, &[u8])]) -> (&'static str, Option<u64>) {
        let error = with(edits).err().unwrap_or_else(|| panic!("{edits:?} is read"));
        (error.code().id, error.at())
    }

    #[test]
    fn every_field_that_can_be_wrong() {
        let sparse = with(&[]).unwrap();
        assert_eq!((sparse.capacity, sparse.grain, sparse.version), (200 * 512, 4096, "2.1"));
        let field = |at| ("vmdk.header.field", Some(at));
        assert_eq!(refused(&[(8, &[2])]), ("vmdk.header.version", Some(8)));
        assert_eq!(refused(&[(16, &[0xff; 8])]), field(16));
        assert_eq!(refused(&[(24, &[7])]), field(24));
        assert_eq!(refused(&[(24, &[0, 0x10])]), field(24));
        assert_eq!(refused(&[(32, &[0])]), field(32));
        assert_eq!(refused(&[(32, &[65])]), field(32));
        for at in [40, 48, 56, 64, 72] {
            assert_eq!(refused(&[(at, &[1])]), ("vmdk.sesparse.field", Some(at as u64)));
        }
        assert_eq!(refused(&[(80, &[0])]), field(80));
        assert_eq!(refused(&[(80, &[17])]), field(80));
        assert_eq!(refused(&[(80, &[16])]), ("vmdk.table.past-end", Some(80)));
        assert_eq!(refused(&[(512, &[0])]), field(512));
        assert_eq!(refused(&[(536, &[1])]), ("vmdk.sesparse.journal", Some(536)));
        assert_eq!(refused(&[(128, &[16])]), ("vmdk.table.past-end", Some(128)));
        assert_eq!(refused(&[(136, &[0])]), ("vmdk.directory.too-short", Some(136)));
        assert_eq!(refused(&[(144, &[17])]), field(144));
        assert_eq!(refused(&[(192, &[0xff; 8])]), field(192));
    }
}
