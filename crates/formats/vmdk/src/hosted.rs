//! `KDMV` files: decoding and validation of the header
//! (5.0, "Hosted Sparse Extents" and "Stream-Optimized Compressed Sparse Extents").

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use imgprep_map::{Detail as _, Error, Finding, ParseOptions, ReadAt, Severity};

use crate::codes;
use crate::error::HEADER_CODES;
use crate::layout::{
    DIRECTORY_AT_END, FLAG_COMPRESSED, FLAG_MARKERS, FLAG_NEWLINES, FLAG_REDUNDANT, FLAG_ZEROED,
    HOSTED_BYTES, HOSTED_MAGIC, KNOWN_FLAGS, NEWLINES, RawHosted, SECTOR,
};
use crate::magic::head;
use crate::part::Kind;
use crate::refusal::Refusal;
use crate::sparse::{Sparse, bytes, check_directory, header, scan_directories};
use crate::stream::{self, Footer};
use crate::tables::{Entries, Tables};
use crate::{Corrupt, Unsupported};

/// Largest uncompressed grain in sectors: QEMU's limit of 1 GiB.
const GRAIN_LIMIT: u64 = 1 << 21;
/// Largest compressed grain in sectors: 32 MiB, as it is decompressed in memory.
const COMPRESSED_GRAIN_LIMIT: u64 = 1 << 16;
/// Largest grain table in entries: constant in the specification, a limit in QEMU.
const GTES_LIMIT: u32 = 512;

pub(crate) fn read(file: &dyn ReadAt, options: &ParseOptions) -> Result<Sparse, Error> {
    let raw = RawHosted::decode(&header::<HOSTED_BYTES>(file)?);
    if !head(file)?.starts_with(&HOSTED_MAGIC) {
        return Err(Corrupt::Magic { expected: "\"KDMV\"", found: head(file)? }.into());
    }
    check_fields(&raw)?;
    let is_compressed = check_compression(&raw)?;
    let capacity = bytes(12, "capacity", raw.capacity)?;
    // OK: bounded by `check_fields`.
    let grain = raw.grain_size * SECTOR;
    let mut sparse = Sparse {
        what: if is_compressed { "a stream-optimized KDMV file" } else { "a sparse KDMV file" },
        version: match raw.version {
            1 => "1",
            2 => "2",
            // `check_fields` rejects all other versions.
            _ => "3",
        },
        capacity,
        capacity_at: 12,
        grain,
        is_compressed,
        is_dirty: raw.unclean_shutdown != 0,
        descriptor: None,
        kind: Kind::Zero,
        fixed: Vec::from([(0..SECTOR, "the header")]),
        findings: findings(&raw),
    };
    if raw.descriptor_offset != 0 && raw.descriptor_size != 0 {
        let start = bytes(28, "descriptorOffset", raw.descriptor_offset)?;
        let len = bytes(36, "descriptorSize", raw.descriptor_size)?;
        HEADER_CODES.check_table(file, 28, "the descriptor", start, len)?;
        // OK: inside the file.
        let end = start + len;
        sparse.descriptor = Some(start..end);
        sparse.fixed.push((start..end, "the descriptor"));
    }
    let tables = Tables {
        entries: Entries::Hosted { has_zeroed: raw.flags & FLAG_ZEROED != 0, is_compressed },
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

/// Locates the grain directory.
///
/// A salvage may use the redundant directory or the markers instead.
fn place_tables(
    file: &dyn ReadAt,
    raw: &RawHosted,
    mut tables: Tables,
    options: &ParseOptions,
    sparse: &mut Sparse,
) -> Result<(), Error> {
    let (mut at, mut sector) = (56, raw.gd_offset);
    if sector == DIRECTORY_AT_END {
        let Footer::Found { at: footer_at, gd_offset, end } = stream::footer(file, raw)? else {
            let cut = Refusal::Corrupt(Corrupt::StreamCut { file_len: file.len() });
            let is_salvage = options.salvage;
            sparse.kind =
                if is_salvage { stream::walk(file, raw, &tables, options)? } else { Kind::Refused(cut) };
            return Ok(());
        };
        (at, sector) = (footer_at + 56, gd_offset);
        sparse.fixed.push((footer_at - SECTOR..end, "the footer"));
        if let Some(refusal) = place_end(file, end, sparse)?.filter(|_| !options.salvage) {
            sparse.kind = Kind::Refused(refusal);
            return Ok(());
        }
    }
    place_redundant(file, raw, &mut tables, sparse);
    let placed = bytes(at, "gdOffset", sector).and_then(|start| {
        tables.directory = start;
        if start == 0 {
            return Err(HEADER_CODES.field(at, "gdOffset", "not 0", 0));
        }
        check_directory(file, at, &tables, start)
    });
    match (placed, tables.redundant) {
        (Ok(()), _) => {}
        (Err(_), Some(redundant)) if options.salvage => tables.directory = redundant,
        (Err(_), None) if options.salvage && sparse.is_compressed => {
            sparse.kind = stream::walk(file, raw, &tables, options)?;
            return Ok(());
        }
        (Err(error), _) => return Err(error),
    }
    sparse.findings.extend(scan_directories(file, &tables));
    sparse.kind = Kind::Sparse(tables);
    Ok(())
}

/// Checks the bytes after the end of a stream.
///
/// Zeros are accepted: tools that write whole blocks leave them.
fn place_end(file: &dyn ReadAt, end: u64, sparse: &mut Sparse) -> Result<Option<Refusal>, Error> {
    let file_len = file.len();
    if stream::data_end(file)?.is_some_and(|data_end| data_end > end) {
        let after = Corrupt::StreamAfterEnd { end, file_len };
        let (code, severity, message) = (after.code(), Severity::Error, after.to_string());
        sparse.findings.push(Finding { code, severity, at: Some(end), message });
        return Ok(Some(Refusal::Corrupt(after)));
    }
    if end < file_len {
        sparse.findings.push(Finding {
            code: codes::STREAM_ZEROS_AFTER,
            severity: Severity::Note,
            at: Some(end),
            message: format!("the stream ends at {end}, and bytes {end}..{file_len} are zeros"),
        });
    }
    Ok(None)
}

/// Locates the redundant directory. It is only read if the other one is lost.
fn place_redundant(file: &dyn ReadAt, raw: &RawHosted, tables: &mut Tables, sparse: &mut Sparse) {
    if raw.flags & FLAG_REDUNDANT == 0 || raw.rgd_offset == 0 || raw.rgd_offset == DIRECTORY_AT_END {
        return;
    }
    let start = raw.rgd_offset.saturating_mul(SECTOR);
    if check_directory(file, 48, tables, start).is_ok() {
        tables.redundant = Some(start);
    } else {
        sparse.findings.push(Finding {
            code: codes::REDUNDANT_PAST_END,
            severity: Severity::Warning,
            at: Some(48),
            message: format!("the redundant grain directory at {start} is outside the file"),
        });
    }
}

fn check_fields(raw: &RawHosted) -> Result<(), Error> {
    if !(1..=3).contains(&raw.version) {
        let (what, known) = ("a KDMV file", "1 to 3");
        return Err(Unsupported::Version { at: 4, what, known, version: raw.version.into() }.into());
    }
    // This check is first: if these bytes are wrong, no other field is reliable.
    if raw.flags & FLAG_NEWLINES != 0 && raw.newlines != NEWLINES {
        return Err(Corrupt::Newlines { found: raw.newlines }.into());
    }
    if raw.grain_size < 8 || !raw.grain_size.is_power_of_two() {
        return Err(HEADER_CODES.field(20, "grainSize", "a power of two, 8 sectors or more", raw.grain_size));
    }
    let limit = if raw.flags & FLAG_COMPRESSED == 0 { GRAIN_LIMIT } else { COMPRESSED_GRAIN_LIMIT };
    if raw.grain_size > limit {
        return Err(Unsupported::GrainSize { at: 20, sectors: raw.grain_size, limit }.into());
    }
    if raw.num_gtes_per_gt == 0 || raw.num_gtes_per_gt > GTES_LIMIT {
        return Err(HEADER_CODES.field(44, "numGTEsPerGT", "1 to 512", raw.num_gtes_per_gt.into()));
    }
    Ok(())
}

/// Whether grains are compressed.
///
/// Flag, markers and method are supported together only.
fn check_compression(raw: &RawHosted) -> Result<bool, Error> {
    let (flags, algorithm) = (raw.flags, raw.compress_algorithm);
    let refuse = |at, what| Err(Unsupported::Compression { at, what, flags, algorithm }.into());
    match (flags & FLAG_COMPRESSED != 0, flags & FLAG_MARKERS != 0, algorithm) {
        (false, false, 0) => Ok(false),
        (true, true, 1) => Ok(true),
        (true, true, 0) => {
            Err(HEADER_CODES.field(77, "compressAlgorithm", "1 (deflate) with compressed grains", 0))
        }
        (true, true, _) => refuse(77, "an unknown compression method"),
        (true, false, _) => refuse(8, "compressed grains without markers, which define their length"),
        (false, true, _) => refuse(8, "markers without compression"),
        (false, false, _) => {
            Err(HEADER_CODES.field(77, "compressAlgorithm", "0 without compressed grains", algorithm.into()))
        }
    }
}

fn findings(raw: &RawHosted) -> Vec<Finding> {
    let mut findings = Vec::new();
    if raw.unclean_shutdown != 0 {
        findings.push(Finding {
            code: codes::HEADER_DIRTY,
            severity: Severity::Warning,
            at: Some(72),
            message: "the extent was not closed properly: its last writes may be missing".into(),
        });
    }
    let unknown = raw.flags & !KNOWN_FLAGS;
    if unknown != 0 {
        findings.push(Finding {
            code: codes::HEADER_FLAGS,
            severity: Severity::Warning,
            at: Some(8),
            message: format!("unknown flags {unknown:#x}"),
        });
    }
    findings
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use imgprep_format_kit::Invalid;
    use imgprep_map::Detail;

    use super::*;
    use crate::layout::DIRECTORY_AT_END as AT_END;

    /// An image of 1 MiB in grains of 64 KiB.
    ///
    /// The directory is in sector 1, its table in sectors 2 to 5.
    fn plain() -> Vec<u8> {
        let mut file = vec![0; 8192];
        file[..12].copy_from_slice(b"KDMV\x01\0\0\0\x01\0\0\0");
        for (at, value) in [(12, 2048_u64), (20, 128), (56, 1), (64, 16)] {
            file[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        file[44..48].copy_from_slice(&512_u32.to_le_bytes());
        file[73..77].copy_from_slice(&NEWLINES);
        file[512] = 2;
        file
    }

    fn with(edits: &[(usize, &[u8])]) -> Result<Sparse, Error> {
        let mut file = plain();
        for (at, bytes) in edits {
            file[*at..*at + bytes.len()].copy_from_slice(bytes);
        }
        read(&file, &ParseOptions::default())
    }

    fn refused<D: Detail + Clone>(edits: &[(usize, &[u8])]) -> D {
        let error = with(edits).err().unwrap_or_else(|| panic!("{edits:?} is read"));
        error.detail::<D>().unwrap_or_else(|| panic!("{error}")).clone()
    }

    fn unsupported(edits: &[(usize, &[u8])]) -> Unsupported {
        let error = with(edits).err().unwrap_or_else(|| panic!("{edits:?} is read"));
        error.detail::<Unsupported>().unwrap_or_else(|| panic!("{error}")).clone()
    }

    #[test]
    fn a_plain_header() {
        let sparse = with(&[]).unwrap();
        assert_eq!(
            (sparse.capacity, sparse.grain, sparse.is_compressed, sparse.is_dirty),
            (1 << 20, 65536, false, false)
        );
        assert!(sparse.findings.is_empty() && sparse.descriptor.is_none());
        let Kind::Sparse(tables) = sparse.kind else { panic!("{:?}", sparse.kind) };
        assert_eq!((tables.directory, tables.count(), tables.redundant), (512, 1, None));
        assert!(matches!(with(&[(12, &[0, 0])]).unwrap().kind, Kind::Zero));
    }

    #[test]
    fn every_field_that_can_be_wrong() {
        let field = |at, field, expected, found| Invalid::Field {
            code: HEADER_CODES.field,
            at,
            field,
            expected,
            found,
        };
        let grain = "a power of two, 8 sectors or more";
        assert_eq!(refused::<Invalid>(&[(20, &[4])]), field(20, "grainSize", grain, 4));
        assert_eq!(refused::<Invalid>(&[(20, &[24])]), field(20, "grainSize", grain, 24));
        assert_eq!(refused::<Invalid>(&[(44, &[0, 0])]), field(44, "numGTEsPerGT", "1 to 512", 0));
        assert_eq!(refused::<Invalid>(&[(44, &[1, 2])]), field(44, "numGTEsPerGT", "1 to 512", 513));
        assert_eq!(refused::<Invalid>(&[(56, &[0])]), field(56, "gdOffset", "not 0", 0));
        assert_eq!(refused::<Corrupt>(&[(73, b"\r")]), Corrupt::Newlines { found: *b"\r \r\n" });
        let sectors = "at most 2^55 - 1 sectors";
        assert_eq!(refused::<Invalid>(&[(12, &[0xff; 8])]), field(12, "capacity", sectors, u64::MAX));
        assert_eq!(refused::<Invalid>(&[(63, &[0x80])]), field(56, "gdOffset", sectors, 1 | 1 << 63));
        let past = |at, table, start, end| Invalid::TablePastEnd {
            code: HEADER_CODES.past_end,
            at,
            table,
            start,
            end,
            file_len: 8192,
        };
        assert_eq!(refused::<Invalid>(&[(56, &[16])]), past(56, "the grain directory", 8192, 8196));
        assert_eq!(
            refused::<Invalid>(&[(28, &[15]), (36, &[2])]),
            past(28, "the descriptor", 15 * 512, 17 * 512)
        );
        assert_eq!(
            refused::<Invalid>(&[(77, &[1])]),
            field(77, "compressAlgorithm", "0 without compressed grains", 1)
        );
        let cut = read(&vec![b'K'; 511], &ParseOptions::default()).err().unwrap();
        assert_eq!(
            cut.detail(),
            Some(&Invalid::HeaderCut { code: codes::HEADER_CUT, expected: 512, file_len: 511 })
        );
    }

    #[test]
    fn unsupported_combinations_are_rejected_by_name() {
        let (what, known) = ("a KDMV file", "1 to 3");
        assert_eq!(unsupported(&[(4, &[4])]), Unsupported::Version { at: 4, what, known, version: 4 });
        let large = Unsupported::GrainSize { at: 20, sectors: 1 << 22, limit: 1 << 21 };
        assert_eq!(unsupported(&[(20, &[0, 0, 0x40])]), large);
        let compression =
            |at, what, flags, algorithm| Unsupported::Compression { at, what, flags, algorithm };
        let what = "compressed grains without markers, which define their length";
        assert_eq!(unsupported(&[(10, &[1]), (77, &[1])]), compression(8, what, 0x1_0001, 1));
        assert_eq!(unsupported(&[(10, &[2])]), compression(8, "markers without compression", 0x2_0001, 0));
        let what = "an unknown compression method";
        assert_eq!(unsupported(&[(10, &[3]), (77, &[2])]), compression(77, what, 0x3_0001, 2));
    }

    #[test]
    fn oddities_are_findings() {
        let codes = |edits: &[(usize, &[u8])]| -> Vec<_> {
            with(edits).unwrap().findings.iter().map(|finding| (finding.code.id, finding.at)).collect()
        };
        assert_eq!(codes(&[(72, &[1])]), [("vmdk.header.dirty", Some(72))]);
        assert_eq!(codes(&[(11, &[0x80])]), [("vmdk.header.flags", Some(8))]);
        assert_eq!(codes(&[(8, &[3]), (48, &[0xff])]), [("vmdk.redundant.past-end", Some(48))]);
        assert_eq!(codes(&[(512, &[0xff])]), [("vmdk.directory.entries", Some(512))]);
        // The redundant directory in sector 8 references a table past the end of the file.
        assert_eq!(
            codes(&[(8, &[3]), (48, &[8]), (4096, &[0xff])]),
            [("vmdk.redundant.entries", Some(4096))]
        );
    }

    /// A stream with one grain in sector 16 that ends after the grain.
    fn cut_stream() -> Vec<u8> {
        let mut file = plain();
        file[10] = 3;
        file[77] = 1;
        file[56..64].copy_from_slice(&AT_END.to_le_bytes());
        file.resize(8192, 0);
        file.extend(256_u64.to_le_bytes());
        file.extend([100, 0, 0, 0]);
        file.resize(8192 + 512, 7);
        file
    }

    #[test]
    fn a_stream_without_end_is_cut() {
        let file = cut_stream();
        let sparse = read(&file, &ParseOptions::default()).unwrap();
        let Kind::Refused(Refusal::Corrupt(found)) = sparse.kind else { panic!("{:?}", sparse.kind) };
        assert_eq!(found, Corrupt::StreamCut { file_len: 8704 });
    }

    #[test]
    fn a_salvage_walks_along_the_markers_within_its_limits() {
        let file = cut_stream();
        let options = ParseOptions { salvage: true, ..ParseOptions::default() };
        let Kind::Walked(walked) = read(&file, &options).unwrap().kind else { panic!("not walked") };
        let record = crate::walked::Record { start: 256 * 512, at: 8192 + 12, len: 100 };
        assert_eq!((&walked.records[..], walked.unknown), (&[record][..], 256 * 512 + 65536..1 << 20));
        let mut tight = options;
        tight.limits.resident_bytes = 0;
        let error = read(&file, &tight).err().unwrap();
        assert_eq!(error.detail(), Some(&Unsupported::TooManyGrains { at: 8192, limit: 0 }));
    }
}
