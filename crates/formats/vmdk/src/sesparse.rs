//! seSparse files, of which no specification is public: what is read is what QEMU's
//! developers found out from ESX's log and by trying. Whatever they never saw is refused.

use alloc::vec::Vec;

use imgprep_map::{Error, ParseOptions, ReadAt};

use crate::layout::{RawSe, SE_BYTES, SE_VOLATILE_MAGIC, SECTOR};
use crate::map::Kind;
use crate::sparse::{Sparse, bytes, check_directory, field, header, scan_directories};
use crate::tables::{Entries, Tables};
use crate::{Corrupt, Unsupported};

/// 2.1, the only one that was seen.
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
        version: 2,
        capacity,
        capacity_at: 16,
        grain: tables.grain,
        is_packed: false,
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
        return Err(field(32, "grainTableSize", "1 to 64 sectors", raw.grain_table_size));
    }
    if !raw.grain_size.is_power_of_two() || raw.grain_size > 2048 {
        return Err(field(24, "grainSize", "a power of two, at most 2048 sectors", raw.grain_size));
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

/// The volatile header says whether the tables are behind the journal.
fn check_volatile(file: &dyn ReadAt, raw: &RawSe) -> Result<(), Error> {
    let at = inside(file, 80, "volatileHeaderOffset", raw.volatile.0)?;
    if at == 0 {
        return Err(field(80, "volatileHeaderOffset", "behind the constant header", 0));
    }
    let end = at.saturating_add(SECTOR);
    if end > file.len() {
        let (table, file_len) = ("the volatile header", file.len());
        return Err(Corrupt::TablePastEnd { at: 80, table, start: at, end, file_len }.into());
    }
    let found = u64::from_le_bytes(file.array(at)?);
    if found.to_le_bytes() != SE_VOLATILE_MAGIC {
        return Err(field(at, "the volatile header's magic", "0xcafecafe", found));
    }
    if file.array::<8>(at + 24)? != [0; 8] {
        return Err(Unsupported::Journal { at: at + 24 }.into());
    }
    Ok(())
}

/// A place in sectors as bytes, not behind the file's end.
fn inside(file: &dyn ReadAt, at: u64, name: &'static str, sectors: u64) -> Result<u64, Error> {
    match bytes(at, name, sectors)? {
        start if start <= file.len() => Ok(start),
        _ => Err(field(at, name, "inside the file", sectors)),
    }
}

/// Headers, journal, bitmap and back map, as far as they are in the file.
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
