//! `KDMV` files (5.0, "Hosted Sparse Extents" and "Stream-Optimized Compressed Sparse
//! Extents"): header, raw -> validated.

use alloc::format;
use alloc::vec::Vec;

use imgprep_map::{Error, Finding, ParseOptions, ReadAt, Severity};

use crate::error::Refusal;
use crate::layout::{
    DIRECTORY_AT_END, FLAG_COMPRESSED, FLAG_MARKERS, FLAG_NEWLINES, FLAG_REDUNDANT, FLAG_ZEROED,
    HOSTED_BYTES, HOSTED_MAGIC, KNOWN_FLAGS, NEWLINES, RawHosted, SECTOR,
};
use crate::map::Kind;
use crate::sparse::{Sparse, bytes, check_directory, field, head, header, scan_directories};
use crate::stream::{self, Footer};
use crate::tables::{Entries, Tables};
use crate::{Corrupt, Unsupported};

/// Sectors of a plain grain: QEMU's own bound, 1 GiB.
const GRAIN_LIMIT: u64 = 1 << 21;
/// Sectors of a compressed grain, which is unpacked in memory: 32 MiB.
const PACKED_GRAIN_LIMIT: u64 = 1 << 16;
/// Entries of a grain table: the specification's constant, which QEMU takes for a bound.
const GTES_LIMIT: u32 = 512;

pub(crate) fn read(file: &dyn ReadAt, options: &ParseOptions) -> Result<Sparse, Error> {
    let raw = RawHosted::decode(&header::<HOSTED_BYTES>(file)?);
    if !head(file)?.starts_with(&HOSTED_MAGIC) {
        return Err(Corrupt::Magic { expected: "\"KDMV\"", found: head(file)? }.into());
    }
    check_fields(&raw)?;
    let is_packed = check_packing(&raw)?;
    let capacity = bytes(12, "capacity", raw.capacity)?;
    // OK: bounded by `check_fields`.
    let grain = raw.grain_size * SECTOR;
    let mut sparse = Sparse {
        what: if is_packed { "a stream-optimized KDMV file" } else { "a sparse KDMV file" },
        version: raw.version,
        capacity,
        capacity_at: 12,
        grain,
        is_packed,
        is_dirty: raw.unclean_shutdown != 0,
        descriptor: None,
        kind: Kind::Zero,
        fixed: Vec::from([(0..SECTOR, "the header")]),
        findings: findings(&raw),
    };
    if raw.descriptor_offset != 0 && raw.descriptor_size != 0 {
        let start = bytes(28, "descriptorOffset", raw.descriptor_offset)?;
        let end = start.saturating_add(bytes(36, "descriptorSize", raw.descriptor_size)?);
        if end > file.len() {
            let (table, file_len) = ("the descriptor", file.len());
            return Err(Corrupt::TablePastEnd { at: 28, table, start, end, file_len }.into());
        }
        sparse.descriptor = Some(start..end);
        sparse.fixed.push((start..end, "the descriptor"));
    }
    let tables = Tables {
        entries: Entries::Hosted { has_zeroed: raw.flags & FLAG_ZEROED != 0, is_packed },
        grain,
        per_table: raw.num_gtes_per_gt.into(),
        capacity,
        directory: 0,
        redundant: None,
        is_salvage: options.salvage,
    };
    if capacity == 0 {
        return Ok(sparse);
    }
    place_tables(file, &raw, tables, options, &mut sparse)?;
    Ok(sparse)
}

/// Finds the grain directory, or what is left to go by.
fn place_tables(
    file: &dyn ReadAt,
    raw: &RawHosted,
    mut tables: Tables,
    options: &ParseOptions,
    sparse: &mut Sparse,
) -> Result<(), Error> {
    let (mut at, mut sector) = (56, raw.gd_offset);
    if sector == DIRECTORY_AT_END {
        match stream::footer(file, raw)? {
            Footer::Found { at: footer_at, gd_offset } => {
                (at, sector) = (footer_at + 56, gd_offset);
                sparse.fixed.push((footer_at - SECTOR..file.len(), "the footer"));
            }
            Footer::Missing if options.salvage => {
                sparse.kind = stream::walk(file, raw, &tables, options)?;
                return Ok(());
            }
            Footer::Missing => {
                sparse.kind = Kind::Refused(Refusal::Corrupt(Corrupt::StreamCut { file_len: file.len() }));
                return Ok(());
            }
        }
    }
    place_redundant(file, raw, &mut tables, sparse);
    let placed = bytes(at, "gdOffset", sector).and_then(|start| {
        tables.directory = start;
        if start == 0 {
            return Err(field(at, "gdOffset", "not 0", 0));
        }
        check_directory(file, at, &tables, start)
    });
    match (placed, tables.redundant) {
        (Ok(()), _) => {}
        (Err(_), Some(redundant)) if options.salvage => tables.directory = redundant,
        (Err(_), None) if options.salvage && sparse.is_packed => {
            sparse.kind = stream::walk(file, raw, &tables, options)?;
            return Ok(());
        }
        (Err(error), _) => return Err(error),
    }
    sparse.findings.extend(scan_directories(file, &tables));
    sparse.kind = Kind::Sparse(tables);
    Ok(())
}

/// The redundant directory is not used for reading, unless the other one is lost.
fn place_redundant(file: &dyn ReadAt, raw: &RawHosted, tables: &mut Tables, sparse: &mut Sparse) {
    if raw.flags & FLAG_REDUNDANT == 0 || raw.rgd_offset == 0 || raw.rgd_offset == DIRECTORY_AT_END {
        return;
    }
    let start = raw.rgd_offset.saturating_mul(SECTOR);
    if check_directory(file, 48, tables, start).is_ok() {
        tables.redundant = Some(start);
    } else {
        sparse.findings.push(Finding {
            code: "vmdk.redundant.past-end",
            severity: Severity::Warning,
            at: Some(48),
            message: format!("the redundant grain directory at {start} does not lie inside the file"),
        });
    }
}

fn check_fields(raw: &RawHosted) -> Result<(), Error> {
    if !(1..=3).contains(&raw.version) {
        let (what, known) = ("a KDMV file", "1 to 3 are");
        return Err(Unsupported::Version { at: 4, what, known, version: raw.version.into() }.into());
    }
    // First of all: where they are wrong nothing else can be believed.
    if raw.flags & FLAG_NEWLINES != 0 && raw.newlines != NEWLINES {
        return Err(Corrupt::Newlines { found: raw.newlines }.into());
    }
    if raw.grain_size < 8 || !raw.grain_size.is_power_of_two() {
        return Err(field(20, "grainSize", "a power of two, 8 sectors or more", raw.grain_size));
    }
    let limit = if raw.flags & FLAG_COMPRESSED == 0 { GRAIN_LIMIT } else { PACKED_GRAIN_LIMIT };
    if raw.grain_size > limit {
        return Err(Unsupported::GrainSize { at: 20, sectors: raw.grain_size, limit }.into());
    }
    if raw.num_gtes_per_gt == 0 || raw.num_gtes_per_gt > GTES_LIMIT {
        return Err(field(44, "numGTEsPerGT", "1 to 512", raw.num_gtes_per_gt.into()));
    }
    Ok(())
}

/// Whether grains are compressed. Only all of it together is in use: flag, markers and method.
fn check_packing(raw: &RawHosted) -> Result<bool, Error> {
    let (flags, algorithm) = (raw.flags, raw.compress_algorithm);
    let refuse = |at, what| Err(Unsupported::Packing { at, what, flags, algorithm }.into());
    match (flags & FLAG_COMPRESSED != 0, flags & FLAG_MARKERS != 0, algorithm) {
        (false, false, 0) => Ok(false),
        (true, true, 1) => Ok(true),
        (true, true, 0) => Err(field(77, "compressAlgorithm", "1 (deflate) with compressed grains", 0)),
        (true, true, _) => refuse(77, "a compression method that is not known"),
        (true, false, _) => refuse(8, "compressed grains without markers, which tell their length"),
        (false, true, _) => refuse(8, "markers without compression"),
        (false, false, _) => {
            Err(field(77, "compressAlgorithm", "0 without compressed grains", algorithm.into()))
        }
    }
}

fn findings(raw: &RawHosted) -> Vec<Finding> {
    let mut findings = Vec::new();
    if raw.unclean_shutdown != 0 {
        findings.push(Finding {
            code: "vmdk.header.dirty",
            severity: Severity::Warning,
            at: Some(72),
            message: "the extent was not closed properly: its last writes may be missing".into(),
        });
    }
    let unknown = raw.flags & !KNOWN_FLAGS;
    if unknown != 0 {
        findings.push(Finding {
            code: "vmdk.header.flags",
            severity: Severity::Warning,
            at: Some(8),
            message: format!("flags {unknown:#x} are not known"),
        });
    }
    findings
}
