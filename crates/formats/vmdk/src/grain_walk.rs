//! Walks over grain directories and tables, for extents, file usage and checks.

use core::ops::{ControlFlow, Range};

use imgprep_format_kit::{EntryRun, Flow, walk_entries};
use imgprep_map::{Error, ReadAt};

use crate::holes::Holes;
use crate::tables::{Grain, Tables};

/// Visits the entries `entries` of directories with the same number of entries.
///
/// Entries are visited one at a time. Where all directories are holes of the file, the entries are visited as
/// one run (`true`); they are zero and are not read.
pub(crate) fn walk_directories<const D: usize>(
    file: &dyn ReadAt,
    tables: &Tables,
    directories: [u64; D],
    entries: Range<u64>,
    mut visit: impl FnMut(Range<u64>, bool) -> Flow,
) -> Flow {
    let step = tables.entry_bytes();
    // One `Holes` per directory, because the lookups alternate between directories.
    let mut places = directories.map(|directory| (directory, Holes::new(file)));
    let mut index = entries.start;
    while index < entries.end {
        let mut skipped = entries.end - index;
        for (directory, holes) in &mut places {
            if skipped > 0 {
                skipped = skipped.min(holes.entries(*directory + index * step, step));
            }
        }
        let next = index + skipped.max(1);
        if visit(index..next, skipped > 0)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        index = next;
    }
    Ok(ControlFlow::Continue(()))
}

/// Visits the entries `grains` of table `index`, with each grain's extent offset.
///
/// Consecutive zeros are visited as one run.
pub(crate) fn walk_table(
    file: &dyn ReadAt,
    tables: &Tables,
    (index, table): (u64, &Range<u64>),
    grains: Range<u64>,
    mut visit: impl FnMut(&EntryRun, u64) -> Flow,
) -> Flow {
    let first = tables.described(index).start;
    // OK: the grain begins inside the extent.
    let visit = |run: EntryRun| visit(&run, first + run.index * tables.grain);
    if tables.entry_bytes() == 8 {
        walk_entries(file, table.start, grains, u64::from_le_bytes, visit)
    } else {
        walk_entries(file, table.start, grains, |entry| u32::from_le_bytes(entry).into(), visit)
    }
}

/// Visits the grains that valid entries reference.
///
/// The arguments are the file offset of the entry, the offset of the grain in the extent, and its state.
pub(crate) fn walk_grains(
    file: &dyn ReadAt,
    tables: &Tables,
    see: &mut dyn FnMut(u64, u64, Grain),
) -> Result<(), Error> {
    let mut holes = Holes::new(file);
    let _ = walk_directories(file, tables, [tables.directory], 0..tables.count(), |entries, is_hole| {
        if is_hole {
            return Ok(ControlFlow::Continue(()));
        }
        // Read errors are reported where the data is read.
        let table = tables.table(file, entries.start).ok().flatten().filter(|table| !holes.has(table));
        let Some(table) = table else { return Ok(ControlFlow::Continue(())) };
        walk_table(file, tables, (entries.start, &table), tables.entries_of(&table), |run, start| {
            match tables.grain(run.value, run.at) {
                Ok(Grain::Unallocated) | Err(_) => {}
                Ok(grain) => see(run.at, start, grain),
            }
            Ok(ControlFlow::Continue(()))
        })
    })?;
    Ok(())
}
