//! The common model of the three kinds of sparse extent files.

use alloc::format;
use alloc::vec::Vec;
use core::ops::Range;

use imgprep_format_kit::Invalid;
use imgprep_map::{Error, Finding, ReadAt, Severity};

use crate::codes;
use crate::error::HEADER_CODES;
use crate::layout::SECTOR;
use crate::part::Kind;
use crate::tables::Tables;

/// A parsed sparse extent file.
pub(crate) struct Sparse {
    /// Description for messages: `a KDMV file`.
    pub(crate) what: &'static str,
    pub(crate) version: &'static str,
    /// Bytes of the disk in this extent.
    pub(crate) capacity: u64,
    /// File offset of the capacity field, which is in sectors.
    pub(crate) capacity_at: u64,
    /// Bytes of a grain.
    pub(crate) grain: u64,
    pub(crate) is_compressed: bool,
    pub(crate) is_dirty: bool,
    /// Range of the embedded descriptor in the file.
    pub(crate) descriptor: Option<Range<u64>>,
    /// How its grains are located.
    pub(crate) kind: Kind,
    /// Headers and other fixed structures, for `file_usage`.
    pub(crate) fixed: Vec<(Range<u64>, &'static str)>,
    pub(crate) findings: Vec<Finding>,
}

/// Reads the whole header; fails if the file is too short.
pub(crate) fn header<const N: usize>(file: &dyn ReadAt) -> Result<[u8; N], Error> {
    if file.len() < N as u64 {
        return Err(
            Invalid::HeaderCut { code: codes::HEADER_CUT, expected: N as u64, file_len: file.len() }.into()
        );
    }
    Ok(file.array(0)?)
}

/// Converts a size or location in sectors to bytes.
pub(crate) fn bytes(at: u64, name: &'static str, sectors: u64) -> Result<u64, Error> {
    sectors
        .checked_mul(SECTOR)
        .ok_or_else(|| HEADER_CODES.field(at, name, "at most 2^55 - 1 sectors", sectors))
}

/// Fails unless the directory at `start` lies inside the file.
///
/// `at` is the offset of the field that references it.
pub(crate) fn check_directory(file: &dyn ReadAt, at: u64, tables: &Tables, start: u64) -> Result<(), Error> {
    HEADER_CODES.check_table(file, at, "the grain directory", start, tables.directory_bytes())?;
    Ok(())
}

/// Directory entries that are checked when a file is opened: enough for 32 TiB.
const SCANNED: u64 = 1 << 20;

/// Findings for invalid directory entries.
///
/// Reading the ranges of such entries is an error.
pub(crate) fn scan_directories(file: &dyn ReadAt, tables: &Tables) -> Vec<Finding> {
    let primary = bad_entries(file, tables, tables.directory);
    let redundant = tables.redundant.map(|redundant| bad_entries(file, tables, redundant));
    let mut findings = Vec::new();
    if let Some((at, count)) = primary {
        let remedy = match redundant {
            Some(None) => "; the redundant directory is valid",
            _ => "",
        };
        let message =
            format!("grain directory entries that reference no table inside the file: {count}{remedy}");
        let (code, severity) = (codes::DIRECTORY_ENTRIES, Severity::Error);
        findings.push(Finding { code, severity, at: Some(at), message });
    }
    if let Some(Some((at, count))) = redundant {
        let message =
            format!("redundant grain directory entries that reference no table inside the file: {count}");
        let (code, severity) = (codes::REDUNDANT_ENTRIES, Severity::Warning);
        findings.push(Finding { code, severity, at: Some(at), message });
    }
    findings
}

/// The first invalid entry of a directory, and the number of invalid entries.
fn bad_entries(file: &dyn ReadAt, tables: &Tables, directory: u64) -> Option<(u64, u64)> {
    let range = tables.directory_range(directory);
    if file.next_data(range.start) >= range.end {
        return None;
    }
    let bad = |index: &u64| tables.table_of(file, directory, *index).is_err();
    let mut found = (0..tables.count().min(SCANNED)).filter(bad);
    let first = found.next()?;
    Some((directory + first * tables.entry_bytes(), 1 + found.count() as u64))
}
