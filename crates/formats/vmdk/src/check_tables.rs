//! Checks of directories and tables: redundant copies, and surplus entries.

use alloc::borrow::Cow;
use alloc::format;
use core::ops::{ControlFlow, Range};

use byteorder::{ByteOrder, LittleEndian};
use imgprep_format_kit::first_nonzero_in;
use imgprep_map::{Error, LastHole, ReadAt, usize_of};

use crate::check_header::Frame;
use crate::codes;
use crate::file_report::FileReport;
use crate::grain_walk::walk_directories;
use crate::holes::Holes;
use crate::layout::SECTOR;
use crate::tables::Tables;

/// Reports entries past those that the disk needs, in directory and last table.
pub(crate) fn beyond(
    file: &dyn ReadAt,
    tables: &Tables,
    frame: &Frame,
    file_report: &mut FileReport<'_, '_>,
) -> Result<(), Error> {
    for directory in [Some(tables.directory), tables.redundant].into_iter().flatten() {
        let needed = tables.directory_range(directory);
        let end = directory.saturating_add(frame.directory_len).max(needed.end).min(file.len());
        let padded = end.checked_next_multiple_of(SECTOR).unwrap_or(end).min(file.len());
        if let Some(at) = first_entry(file, needed.end..padded, tables.entry_bytes())? {
            let message =
                format!("a grain directory entry past the {} that the disk needs is not 0", tables.count());
            file_report.warning(codes::CHECK_TABLE_BEYOND_CAPACITY, at, message);
        }
        if tables.redundant == Some(tables.directory) {
            break;
        }
    }
    let Some(last) = tables.count().checked_sub(1) else { return Ok(()) };
    let Ok(Some(table)) = tables.table(file, last) else { return Ok(()) };
    let whole = table.start.saturating_add(tables.per_table * tables.entry_bytes()).min(file.len());
    if let Some(at) = first_entry(file, table.end..whole, tables.entry_bytes())? {
        let message = format!(
            "an entry of the last grain table past the end of the disk at {} is not 0",
            tables.capacity
        );
        file_report.warning(codes::CHECK_ENTRY_BEYOND_CAPACITY, at, message);
    }
    if let Some(place) = &frame.tables
        && (table.start < place.start || table.end > place.end)
    {
        let message = format!(
            "the last grain table is at {}, but tables must be at bytes {}..{}",
            table.start, place.start, place.end
        );
        file_report.warning(
            codes::CHECK_TABLE_OUTSIDE,
            tables.directory + last * tables.entry_bytes(),
            message,
        );
    }
    Ok(())
}

/// The first entry of a range that is not 0.
fn first_entry(file: &dyn ReadAt, range: Range<u64>, entry: u64) -> Result<Option<u64>, Error> {
    let start = range.start;
    let found = first_nonzero_in(file, &mut LastHole::default(), range)?;
    Ok(found.map(|(at, _)| at - (at - start) % entry))
}

/// Pass the ranges of directories and tables to a callback, in whole sectors.
pub(crate) fn places(
    file: &dyn ReadAt,
    tables: &Tables,
    frame: &Frame,
    see: &mut dyn FnMut(Range<u64>),
) -> Result<(), Error> {
    let padded = |range: Range<u64>| {
        range.start..range.end.checked_next_multiple_of(SECTOR).unwrap_or(range.end).min(file.len())
    };
    for directory in [Some(tables.directory), tables.redundant].into_iter().flatten() {
        let needed = tables.directory_range(directory);
        see(padded(directory..needed.end.max(directory.saturating_add(frame.directory_len))));
        let table_bytes = tables.per_table * tables.entry_bytes();
        let _ = walk_directories(file, tables, [directory], 0..tables.count(), |entries, is_hole| {
            if !is_hole && let Ok(Some(table)) = tables.table_of(file, directory, entries.start) {
                see(padded(table.start..table.start.saturating_add(table_bytes)));
            }
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(())
}

/// Compares the tables of both directories, entry by entry.
pub(crate) fn redundant(
    file: &dyn ReadAt,
    tables: &Tables,
    redundant: u64,
    file_report: &mut FileReport<'_, '_>,
) -> Result<(), Error> {
    let step = tables.entry_bytes();
    let (mut holes, mut copy_holes) = (Holes::new(file), Holes::new(file));
    let both = [tables.directory, redundant];
    let _ = walk_directories(file, tables, both, 0..tables.count(), |entries, is_hole| {
        let index = entries.start;
        if is_hole {
            return Ok(ControlFlow::Continue(()));
        }
        // Tables outside the file are reported when the file is opened.
        let both = (tables.table_of(file, tables.directory, index), tables.table_of(file, redundant, index));
        if let (Ok(table), Ok(copy)) = both
            && table != copy
        {
            let table_bytes = bytes(file, table.as_ref(), &mut holes)?;
            let copy_bytes = bytes(file, copy.as_ref(), &mut copy_holes)?;
            let place = copy.map_or(redundant + index * step, |copy| copy.start);
            compare(&table_bytes, &copy_bytes, place, file_report);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(())
}

/// A table; `None` if it is not allocated or lies in a hole.
fn bytes<'f>(
    file: &'f dyn ReadAt,
    table: Option<&Range<u64>>,
    holes: &mut Holes<'_>,
) -> Result<Cow<'f, [u8]>, Error> {
    match table {
        // OK: at most 512 entries of 4 bytes, inside the file.
        Some(table) if !holes.has(table) => Ok(file.slice(table.start, usize_of(table.end - table.start))?),
        _ => Ok(Cow::Borrowed(&[])),
    }
}

/// Reports runs of entries that differ.
///
/// `at` is the offset of the copy, or of its directory entry if there is no copy.
fn compare(table: &[u8], copy: &[u8], at: u64, file_report: &mut FileReport<'_, '_>) {
    let entry =
        |bytes: &[u8], index: usize| bytes.get(index * 4..index * 4 + 4).map_or(0, LittleEndian::read_u32);
    let count = table.len().max(copy.len()) / 4;
    let mut index = 0;
    while index < count {
        let (found, expected) = (entry(copy, index), entry(table, index));
        if found == expected {
            index += 1;
            continue;
        }
        let run = (index..count).take_while(|index| entry(table, *index) != entry(copy, *index)).count();
        let place = if copy.is_empty() { at } else { at + index as u64 * 4 };
        let message = format!(
            "{run} entries of the redundant grain table differ, the first: {found:#x}, {expected:#x} in the table that is read"
        );
        file_report.warning(codes::CHECK_REDUNDANT, place, message);
        index += run;
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec;
    use alloc::vec::Vec;
    use core::ops::ControlFlow;

    use imgprep_map::{Finding, Report};

    use super::*;

    #[test]
    fn the_first_entry_that_is_not_0() {
        let mut file = vec![0u8; 100];
        file[50] = 1;
        assert_eq!(first_entry(&file, 10..100, 4).unwrap(), Some(50));
        assert_eq!(first_entry(&file, 12..100, 8).unwrap(), Some(44));
        assert_eq!(first_entry(&file, 51..100, 4).unwrap(), None);
        assert_eq!(first_entry(&file, 50..50, 4).unwrap(), None);
    }

    #[test]
    fn runs_of_entries_that_differ() {
        let mut places = Vec::new();
        let mut take = |finding: Finding| {
            places.push(finding.at.unwrap());
            ControlFlow::Continue(())
        };
        let mut report = Report::new(&mut take);
        let mut file_report = FileReport { report: &mut report, name: String::new() };
        let table = [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0];
        compare(&table, &[1, 0, 0, 0, 9, 0, 0, 0, 8, 0, 0, 0, 4, 0, 0, 0], 100, &mut file_report);
        compare(&table, &[], 200, &mut file_report);
        compare(&[], &[0; 16], 300, &mut file_report);
        report.finish();
        assert_eq!(places, [104, 200]);
    }
}
