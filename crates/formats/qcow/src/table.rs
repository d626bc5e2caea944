//! A walk over the entries of a table, whose cost follows what the file holds.

use core::ops::{ControlFlow, Range};

use byteorder::{BigEndian, ByteOrder};
use imgprep_map::{Error, ReadAt};

use crate::layout::ENTRY;

/// Bytes of a table that are looked at at once.
const PAGE: u64 = 64 << 10;
/// Holes are not smaller than this, so nobody asks for them below.
const LEAST_HOLE: u64 = 4096;

/// Neighbouring entries of one value: more than one only where the value is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// File offset of the first entry.
    pub(crate) at: u64,
    /// Its number in the table.
    pub(crate) index: u64,
    pub(crate) count: u64,
    pub(crate) value: u64,
}

/// What is called for each run; `Break` ends the walk.
pub(crate) type Visit<'f> = &'f mut dyn FnMut(Run) -> Result<ControlFlow<()>, Error>;

/// Walks `entries` of the table at `table`, which lie inside the file. A hole of the file
/// is a run of zeros that costs one question.
pub(crate) fn walk(
    file: &dyn ReadAt,
    table: u64,
    entries: Range<u64>,
    visit: Visit<'_>,
) -> Result<ControlFlow<()>, Error> {
    // OK: the caller held the table's end against the file's length.
    let (mut at, end) = (table + entries.start * ENTRY, table + entries.end * ENTRY);
    let mut index = entries.start;
    while at < end {
        let count = entries_in_hole(file, at, end);
        if count > 0 {
            if visit(Run { at, index, count, value: 0 })?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            (at, index) = (at + count * ENTRY, index + count);
            continue;
        }
        // OK: at most 64 KiB.
        let bytes = file.slice(at, usize::try_from((end - at).min(PAGE)).unwrap_or(0))?;
        for entry in bytes.chunks_exact(8) {
            let value = BigEndian::read_u64(entry);
            if visit(Run { at, index, count: 1, value })?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            (at, index) = (at + ENTRY, index + 1);
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Whole entries from `at` on that lie in a hole of the file.
fn entries_in_hole(file: &dyn ReadAt, at: u64, end: u64) -> u64 {
    if end - at < LEAST_HOLE {
        return 0;
    }
    (file.next_data(at).min(end).saturating_sub(at)) / ENTRY
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use imgprep_map::ReadError;

    use super::*;

    /// A table of 100000 entries at 8, of which only the last 10 are not in a hole.
    struct Sparse;

    const LAST: u64 = 8 + 99_990 * ENTRY;

    impl ReadAt for Sparse {
        fn len(&self) -> u64 {
            LAST + 80
        }
        fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
            assert!(at >= LAST, "a hole is read at {at}");
            buf.fill(1);
            Ok(())
        }
        fn next_data(&self, at: u64) -> u64 {
            at.max(LAST)
        }
    }

    fn runs(file: &dyn ReadAt, table: u64, entries: Range<u64>) -> Vec<(u64, u64, u64)> {
        let mut runs = Vec::new();
        let mut take = |run: Run| {
            runs.push((run.index, run.count, run.value));
            Ok(ControlFlow::Continue(()))
        };
        assert!(walk(file, table, entries, &mut take).unwrap().is_continue());
        runs
    }

    #[test]
    fn a_hole_is_one_run_that_is_not_read() {
        let ones = 0x0101_0101_0101_0101;
        let found = runs(&Sparse, 8, 0..99_992);
        assert_eq!(found, [(0, 99_990, 0), (99_990, 1, ones), (99_991, 1, ones)]);
    }

    #[test]
    fn entries_come_one_by_one_across_pages() {
        let mut file = vec![0; 3 * 65536];
        file[65536 + 8 + 7] = 5;
        let found = runs(&file, 8, 1..16384);
        assert_eq!(found.len(), 16383);
        assert_eq!(found[8191], (8192, 1, 5));
    }
}
