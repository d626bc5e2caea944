//! `COWD` files (5.0, "ESX Server Sparse Extents"): header, decoded and validated.

use alloc::vec::Vec;

use imgprep_map::{Error, Finding, ParseOptions, ReadAt, Severity};

use crate::codes;
use crate::error::HEADER_CODES;
use crate::layout::{COWD_BYTES, RawCowd, SECTOR};
use crate::part::Kind;
use crate::sparse::{Sparse, check_directory, header, scan_directories};
use crate::tables::{Entries, Tables};
use crate::{Corrupt, Unsupported};

/// Entries of a grain table, a constant.
const GTES: u64 = 4096;
/// Largest grain in sectors: QEMU's limit of 1 GiB.
const GRAIN_LIMIT: u32 = 1 << 21;

pub(crate) fn read(file: &dyn ReadAt, options: &ParseOptions) -> Result<Sparse, Error> {
    let raw = RawCowd::decode(&header::<COWD_BYTES>(file)?);
    if raw.version != 1 {
        let (what, known) = ("a COWD file", "1 is");
        return Err(Unsupported::Version { at: 4, what, known, version: raw.version.into() }.into());
    }
    if raw.grain_size == 0 || !raw.grain_size.is_power_of_two() {
        return Err(HEADER_CODES.field(16, "grainSize", "a power of two", raw.grain_size.into()));
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
        return Err(HEADER_CODES.field(20, "gdOffset", "after the header, 4 or more", raw.gd_offset.into()));
    }
    check_directory(file, 20, &tables, directory)?;
    let mut findings = scan_directories(file, &tables);
    if raw.unclean_shutdown != 0 {
        findings.push(Finding {
            code: codes::HEADER_DIRTY,
            severity: Severity::Warning,
            at: Some(1648),
            message: "the extent was not closed properly: its last writes may be missing".into(),
        });
    }
    if raw.flags != 3 {
        findings.push(Finding {
            code: codes::HEADER_FLAGS,
            severity: Severity::Warning,
            at: Some(8),
            message: alloc::format!("flags are {:#x}, expected 0x3", raw.flags),
        });
    }
    Ok(Sparse {
        what: "a COWD file",
        version: "1",
        capacity,
        capacity_at: 12,
        grain,
        is_compressed: false,
        is_dirty: raw.unclean_shutdown != 0,
        descriptor: None,
        kind: if capacity == 0 { Kind::Zero } else { Kind::Sparse(tables) },
        fixed: Vec::from([(0..COWD_BYTES as u64, "the header")]),
        findings,
    })
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use imgprep_format_kit::Invalid;
    use imgprep_map::Detail;

    use super::*;

    fn with(edits: &[(usize, &[u8])]) -> Result<Sparse, Error> {
        let mut file = vec![0; 4096];
        file[..4].copy_from_slice(b"COWD");
        for (at, value) in [(4, 1_u8), (8, 3), (12, 200), (16, 1), (20, 4), (24, 1)] {
            file[at] = value;
        }
        for (at, bytes) in edits {
            file[*at..*at + bytes.len()].copy_from_slice(bytes);
        }
        read(&file, &ParseOptions::default())
    }

    fn refused<D: Detail + Clone>(edits: &[(usize, &[u8])]) -> D {
        with(edits).err().unwrap().detail::<D>().unwrap().clone()
    }

    #[test]
    fn every_field_that_can_be_wrong() {
        assert_eq!(with(&[]).unwrap().capacity, 200 * 512);
        let field = |at, field, expected, found| Invalid::Field {
            code: HEADER_CODES.field,
            at,
            field,
            expected,
            found,
        };
        assert_eq!(refused::<Invalid>(&[(16, &[0])]), field(16, "grainSize", "a power of two", 0));
        assert_eq!(refused::<Invalid>(&[(16, &[3])]), field(16, "grainSize", "a power of two", 3));
        assert_eq!(
            refused::<Invalid>(&[(20, &[3])]),
            field(20, "gdOffset", "after the header, 4 or more", 3)
        );
        assert_eq!(
            refused::<Corrupt>(&[(24, &[0])]),
            Corrupt::DirectoryShort { at: 24, expected: 1, found: 0 }
        );
        let (table, file_len) = ("the grain directory", 4096);
        let past = Invalid::TablePastEnd {
            code: HEADER_CODES.past_end,
            at: 20,
            table,
            start: 4096,
            end: 4100,
            file_len,
        };
        assert_eq!(refused::<Invalid>(&[(20, &[8])]), past);
        let version = with(&[(4, &[2])]).err().unwrap();
        assert_eq!((version.code().id, version.at()), ("vmdk.header.version", Some(4)));
        let large = with(&[(16, &[0, 0, 0x40])]).err().unwrap();
        assert_eq!((large.code().id, large.at()), ("vmdk.header.grain-size", Some(16)));
        let odd = with(&[(8, &[7]), (1648, &[1])]).unwrap();
        let codes: Vec<_> = odd.findings.iter().map(|finding| finding.code.id).collect();
        assert_eq!((codes, odd.is_dirty), (Vec::from(["vmdk.header.dirty", "vmdk.header.flags"]), true));
    }
}
