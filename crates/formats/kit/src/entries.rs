//! A walk over the entries of a table, whose cost depends on what the file stores.

use alloc::borrow::Cow;
use core::ops::{ControlFlow, Range};

use imgprep_map::{Error, ReadAt, usize_of};

/// Bytes of a table per read.
const PAGE: u64 = 64 << 10;
/// Minimum size of a hole: smaller ranges are not checked.
const MIN_HOLE: u64 = 4096;

/// Adjacent entries with the same value.
///
/// A run has more than one entry only in a hole of the file, where all entries are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryRun<E = u64> {
    /// File offset of the first entry.
    pub at: u64,
    /// Its number in the table.
    pub index: u64,
    /// The number of entries.
    pub count: u64,
    /// The value of each of them.
    pub value: E,
}

/// Whether a walk continues.
pub type Flow = Result<ControlFlow<()>, Error>;

/// Walks `entries` of the table at `table`. They must be inside the file.
///
/// Entries have `N` bytes.
///
/// A hole of the file is one run of zeros, and is not read. `Break` ends the walk.
pub fn walk_entries<const N: usize, E>(
    file: &dyn ReadAt,
    table: u64,
    entries: Range<u64>,
    decode: impl Fn([u8; N]) -> E,
    mut visit: impl FnMut(EntryRun<E>) -> Flow,
) -> Flow {
    let width = N as u64;
    // OK: the caller compared the table's end with the file's length.
    let (mut at, end) = (table + entries.start * width, table + entries.end * width);
    let (mut index, zero) = (entries.start, [0; N]);
    while at < end {
        let hole = entries_in_hole(file, at, end, width);
        let (bytes, count) = if hole > 0 {
            (Cow::Borrowed(zero.as_slice()), hole)
        } else {
            // OK: at most 64 KiB.
            (file.slice(at, usize_of((end - at).min(PAGE / width * width)))?, 1)
        };
        let step = count * width;
        // One call of `visit` for both cases, so that it is inlined.
        for entry in bytes.as_chunks::<N>().0 {
            if visit(EntryRun { at, index, count, value: decode(*entry) })?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            (at, index) = (at + step, index + count);
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Number of whole entries from `at` on that are in a hole of the file.
fn entries_in_hole(file: &dyn ReadAt, at: u64, end: u64, width: u64) -> u64 {
    if end - at < MIN_HOLE {
        return 0;
    }
    (file.next_data(at).min(end).saturating_sub(at)) / width
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;
    use core::sync::atomic::{AtomicUsize, Ordering};

    use imgprep_map::ReadError;

    use super::*;

    /// A table of 100000 entries at 8. All but the last 10 are in a hole.
    struct Sparse;

    const LAST: u64 = 8 + 99_990 * 8;

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
        let take = |run: EntryRun| {
            runs.push((run.index, run.count, run.value));
            Ok(ControlFlow::Continue(()))
        };
        assert!(walk_entries(file, table, entries, u64::from_be_bytes, take).unwrap().is_continue());
        runs
    }

    #[test]
    fn a_hole_is_one_run_that_is_not_read() {
        let ones = 0x0101_0101_0101_0101;
        let found = runs(&Sparse, 8, 0..99_992);
        assert_eq!(found, [(0, 99_990, 0), (99_990, 1, ones), (99_991, 1, ones)]);
    }

    /// A file of zeros, which is one hole if holes are known, with its reads counted.
    struct Zeros {
        has_holes: bool,
        reads: AtomicUsize,
        longest: AtomicUsize,
    }

    impl Zeros {
        fn new(has_holes: bool) -> Self {
            Self { has_holes, reads: AtomicUsize::new(0), longest: AtomicUsize::new(0) }
        }

        /// Entries that are visited, reads, and bytes of the longest read.
        fn cost(self, entries: u64) -> (u64, usize, usize) {
            let visited = runs(&self, 8, 0..entries).iter().map(|(_, count, _)| count).sum();
            (visited, self.reads.into_inner(), self.longest.into_inner())
        }
    }

    impl ReadAt for Zeros {
        fn len(&self) -> u64 {
            1 << 20
        }
        fn read_exact_at(&self, buf: &mut [u8], _: u64) -> Result<(), ReadError> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            self.longest.fetch_max(buf.len(), Ordering::Relaxed);
            buf.fill(0);
            Ok(())
        }
        fn next_data(&self, at: u64) -> u64 {
            if self.has_holes { 1 << 20 } else { at }
        }
    }

    #[test]
    fn a_hole_of_4_kib_is_not_read_and_a_shorter_one_is() {
        assert_eq!(Zeros::new(true).cost(512), (512, 0, 0));
        assert_eq!(Zeros::new(true).cost(511), (511, 1, 511 * 8));
    }

    #[test]
    fn a_table_is_read_in_pieces_of_64_kib() {
        assert_eq!(Zeros::new(false).cost(3 * 8192 + 1), (3 * 8192 + 1, 4, 65536));
    }

    #[test]
    fn runs_have_the_offset_of_their_first_entry_and_break_ends_the_walk() {
        let mut found = Vec::new();
        let walked = walk_entries(&Sparse, 8, 0..99_992, u64::from_be_bytes, |run| {
            found.push((run.at, run.index, run.count));
            Ok(if run.index == 99_990 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        });
        assert!(walked.unwrap().is_break());
        assert_eq!(found.last(), Some(&(LAST, 99_990, 1)));
    }

    #[test]
    fn each_entry_is_visited_once_across_pages() {
        let mut file = vec![0; 3 * 65536];
        file[65536 + 8 + 7] = 5;
        let found = runs(&file, 8, 1..16384);
        assert_eq!(found.len(), 16383);
        assert_eq!(found[8191], (8192, 1, 5));
    }

    #[test]
    fn entries_have_the_width_of_their_decoder() {
        let file = vec![1, 2, 3, 4, 5, 6, 7, 8];
        let file: &dyn ReadAt = &file;
        let mut found = Vec::new();
        let walked = walk_entries(file, 2, 0..3, u16::from_be_bytes, |run| {
            found.push((run.at, run.value));
            Ok(ControlFlow::Continue(()))
        });
        assert!(walked.unwrap().is_continue());
        assert_eq!(found, [(2, 0x0304), (4, 0x0506), (6, 0x0708)]);
    }
}
