//! `COWD` files (5.0, "ESX Server Sparse Extents"): header, raw -> validated.

use alloc::vec::Vec;

use imgprep_map::{Error, Finding, ParseOptions, ReadAt, Severity};

use crate::layout::{COWD_BYTES, RawCowd, SECTOR};
use crate::map::Kind;
use crate::sparse::{Sparse, check_directory, field, header, scan_directories};
use crate::tables::{Entries, Tables};
use crate::{Corrupt, Unsupported};

/// Entries of a grain table, always.
const GTES: u64 = 4096;
/// Sectors of a grain: QEMU's own bound, 1 GiB.
const GRAIN_LIMIT: u32 = 1 << 21;

pub(crate) fn read(file: &dyn ReadAt, options: &ParseOptions) -> Result<Sparse, Error> {
    let raw = RawCowd::decode(&header::<COWD_BYTES>(file)?);
    if raw.version != 1 {
        let (what, known) = ("a COWD file", "1 is");
        return Err(Unsupported::Version { at: 4, what, known, version: raw.version.into() }.into());
    }
    if raw.grain_size == 0 || !raw.grain_size.is_power_of_two() {
        return Err(field(16, "grainSize", "a power of two", raw.grain_size.into()));
    }
    if raw.grain_size > GRAIN_LIMIT {
        let (sectors, limit) = (raw.grain_size.into(), GRAIN_LIMIT.into());
        return Err(Unsupported::GrainSize { at: 16, sectors, limit }.into());
    }
    // OK: 32 bits each.
    let (capacity, grain) = (u64::from(raw.num_sectors) * SECTOR, u64::from(raw.grain_size) * SECTOR);
    let directory = u64::from(raw.gd_offset) * SECTOR;
    let tables = Tables {
        entries: Entries::Cowd,
        grain,
        per_table: GTES,
        capacity,
        directory,
        redundant: None,
        is_salvage: options.salvage,
    };
    let (expected, found) = (tables.count(), u64::from(raw.num_gd_entries));
    if found < expected {
        return Err(Corrupt::DirectoryShort { at: 24, expected, found }.into());
    }
    if expected > 0 && directory < COWD_BYTES as u64 {
        return Err(field(20, "gdOffset", "behind the header, 4 or more", raw.gd_offset.into()));
    }
    check_directory(file, 20, &tables, directory)?;
    let mut findings = scan_directories(file, &tables);
    if raw.unclean_shutdown != 0 {
        findings.push(Finding {
            code: "vmdk.header.dirty",
            severity: Severity::Warning,
            at: Some(1648),
            message: "the extent was not closed properly: its last writes may be missing".into(),
        });
    }
    if raw.flags != 3 {
        findings.push(Finding {
            code: "vmdk.header.flags",
            severity: Severity::Warning,
            at: Some(8),
            message: alloc::format!("flags are {:#x}, 0x3 is known", raw.flags),
        });
    }
    Ok(Sparse {
        what: "a COWD file",
        version: raw.version,
        capacity,
        capacity_at: 12,
        grain,
        is_packed: false,
        is_dirty: raw.unclean_shutdown != 0,
        descriptor: None,
        kind: if capacity == 0 { Kind::Zero } else { Kind::Sparse(tables) },
        fixed: Vec::from([(0..COWD_BYTES as u64, "the header")]),
        findings,
    })
}
