//! A walk over the entries of a table of 64-bit words, whose cost follows what the file holds.

use core::ops::{ControlFlow, Range};

use crate::size::usize_of;
use crate::{Error, ReadAt};

/// Bytes of an entry.
const ENTRY: u64 = 8;

/// Bytes of a table that are looked at at once.
const PAGE: u64 = 64 << 10;
/// Holes are not smaller than this, so smaller ranges are not checked.
const LEAST_HOLE: u64 = 4096;

/// Neighbouring entries of one value: more than one only where the value is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryRun {
    /// File offset of the first entry.
    pub at: u64,
    /// Its number in the table.
    pub index: u64,
    /// How many there are.
    pub count: u64,
    /// What each of them is.
    pub value: u64,
}

/// What is called for each run; `Break` ends the walk.
pub type EntryVisitor<'f> = &'f mut dyn FnMut(EntryRun) -> Result<ControlFlow<()>, Error>;

/// Walks `entries` of the table at `table`, which lie inside the file; `decode` knows their
/// byte order. A hole of the file is a run of zeros that costs one question.
pub fn walk_entries(
    file: &dyn ReadAt,
    table: u64,
    entries: Range<u64>,
    decode: fn([u8; 8]) -> u64,
    visit: EntryVisitor<'_>,
) -> Result<ControlFlow<()>, Error> {
    // OK: the caller held the table's end against the file's length.
    let (mut at, end) = (table + entries.start * ENTRY, table + entries.end * ENTRY);
    let mut index = entries.start;
    while at < end {
        let count = entries_in_hole(file, at, end);
        if count > 0 {
            if visit(EntryRun { at, index, count, value: 0 })?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            (at, index) = (at + count * ENTRY, index + count);
            continue;
        }
        // OK: at most 64 KiB.
        let bytes = file.slice(at, usize_of((end - at).min(PAGE)))?;
        for entry in bytes.as_chunks::<8>().0 {
            let value = decode(*entry);
            if visit(EntryRun { at, index, count: 1, value })?.is_break() {
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

    use super::*;
    use crate::ReadError;

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
        let mut take = |run: EntryRun| {
            runs.push((run.index, run.count, run.value));
            Ok(ControlFlow::Continue(()))
        };
        assert!(walk_entries(file, table, entries, u64::from_be_bytes, &mut take).unwrap().is_continue());
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
