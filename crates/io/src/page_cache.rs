//! Leaves the page cache unchanged: pages of a source that were not cached before they were read are dropped afterwards,
//! so that one large disk does not evict everything else.
//!
//! The file is divided into windows. Before the first page of a window is read, `mincore` reports which of its pages are
//! cached, and those ahead of it, before the system reads ahead. A window is dropped after [`KEPT`] others were read.
//!
//! In a sequential read, missing pages are loaded by plain reads whose bytes are discarded: for those the
//! system reads ahead in large requests and keeps them in large folios, at half the processor time of
//! `madvise(MADV_WILLNEED)`, which works page by page (`docs/performance.md`).

use std::collections::VecDeque;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use memmap2::Mmap;

use crate::os;

/// Bytes of a window: the size of a chunk of a conversion.
const WINDOW: u64 = 2 << 20;

/// Windows that are kept: more than the chunks in flight of 16 threads.
const KEPT: usize = 128;

/// Windows that are queried in advance in a sequential read: more than the system reads ahead.
const AHEAD: u64 = 24;

/// Windows that one sequential read by several threads spans.
const STRIDE: u64 = 16;

/// Bytes of one discarded read: few enough to stay in a core's cache.
const PIECE: u64 = 64 << 10;

/// The state of the windows that were read last.
#[derive(Debug)]
pub(crate) struct PageCache {
    /// Whether the system reports residency of this file. For a user who neither owns it nor may write to it, the system
    /// reports that all of it is cached (mincore(2)).
    is_accurate: bool,
    /// Whether the windows are read sequentially.
    is_in_a_row: AtomicBool,
    known: Mutex<Known>,
    /// The range that was dropped last.
    left: Mutex<Range<u64>>,
}

#[derive(Debug, Default)]
struct Known {
    windows: VecDeque<Window>,
    /// The furthest window of the current sequential read.
    front: u64,
    /// How often it advanced without a jump.
    steps: u32,
}

#[derive(Debug)]
struct Window {
    index: u64,
    /// Pages that were not cached, as ranges of the file.
    missing: Vec<Range<u64>>,
}

/// What a read of a range finds.
struct Entered {
    /// The parts of the range that were not cached.
    missing: Vec<Range<u64>>,
    /// Whether it belongs to a sequential read.
    is_sequential: bool,
}

impl PageCache {
    /// The state of a file that was not read yet. `is_accurate`: whether the system reports residency to this user.
    pub(crate) fn new(is_accurate: bool) -> Self {
        Self {
            is_accurate,
            is_in_a_row: AtomicBool::default(),
            known: Mutex::default(),
            left: Mutex::new(0..0),
        }
    }

    /// Starts to read a range that is needed later.
    pub(crate) fn prefetch(&self, mapping: &Mmap, file: &File, range: &Range<u64>) {
        let missing: Vec<_> = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            indexes(mapping, range)
                .filter_map(|index| {
                    self.note(&mut known, mapping, file, index);
                    known.find(index).and_then(|window| window.missing_of(range))
                })
                .collect()
        };
        for missing in missing {
            os::read_ahead(mapping, missing);
        }
    }

    /// Reads `range` into memory and maps it.
    pub(crate) fn enter(&self, mapping: &Mmap, file: &File, range: &Range<u64>) {
        let Entered { missing, is_sequential } = self.note_entered(mapping, file, range);
        if !self.is_accurate {
            os::read_ahead(mapping, range.clone());
        }
        for missing in missing {
            if is_sequential {
                self.read(file, missing);
            } else {
                os::read_ahead(mapping, missing);
            }
        }
        os::populate(mapping, range.clone());
    }

    /// Prepares a positioned read of `range`, which needs no pages in the mapping.
    pub(crate) fn enter_copied(&self, mapping: &Mmap, file: &File, range: &Range<u64>) {
        let Entered { missing, is_sequential } = self.note_entered(mapping, file, range);
        for missing in missing {
            if is_sequential {
                self.announce_reads_in_a_row(file);
            } else {
                os::read_ahead(mapping, missing);
            }
        }
    }

    /// Records the windows of a range, and drops the oldest ones.
    fn note_entered(&self, mapping: &Mmap, file: &File, range: &Range<u64>) -> Entered {
        let (mut is_sequential, mut missing) = (false, Vec::new());
        let leaving: Vec<Window> = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            for index in indexes(mapping, range) {
                is_sequential |= self.note_with_next(&mut known, mapping, file, index);
                missing.extend(known.find(index).and_then(|window| window.missing_of(range)));
            }
            let too_many = known.windows.len().saturating_sub(KEPT);
            known.windows.drain(..too_many).collect()
        };
        self.leave(mapping, file, leaving);
        Entered { missing, is_sequential }
    }

    /// Drops all windows.
    pub(crate) fn leave_all(&self, mapping: &Mmap, file: &File) {
        let all = std::mem::take(&mut *self.known.lock().unwrap_or_else(PoisonError::into_inner)).windows;
        self.leave(mapping, file, all);
    }

    /// Adds a window, and in a sequential read also the next ones. Returns whether the read is sequential.
    fn note_with_next(&self, known: &mut Known, mapping: &Mmap, file: &File, index: u64) -> bool {
        let follows = known.moves_on(index);
        self.note(known, mapping, file, index);
        for ahead in (index + 1..=index + AHEAD).take_while(|_| follows) {
            if self.note(known, mapping, file, ahead) && !self.is_accurate {
                os::read_ahead(mapping, window(mapping, ahead));
            }
        }
        follows
    }

    /// Records which pages of a window are missing. Returns whether the window is new.
    fn note(&self, known: &mut Known, mapping: &Mmap, file: &File, index: u64) -> bool {
        let range = window(mapping, index);
        if range.is_empty() || known.find(index).is_some() {
            return false;
        }
        let assumes_cached = !self.is_accurate || os::is_cached(file, &range);
        let missing = if assumes_cached { Vec::new() } else { os::missing_pages(mapping, range) };
        known.windows.push_back(Window { index, missing });
        true
    }

    fn announce_reads_in_a_row(&self, file: &File) {
        if !self.is_in_a_row.swap(true, Ordering::Relaxed) {
            os::reads_in_a_row(file);
        }
    }

    /// Loads a range, with read-ahead of the system. Read errors are reported when the mapping is read.
    fn read(&self, file: &File, range: Range<u64>) {
        self.announce_reads_in_a_row(file);
        let mut buffer = vec![0; PIECE as usize];
        for at in range.clone().step_by(buffer.len()) {
            let len = (range.end - at).min(PIECE) as usize;
            let _ = file.read_at(&mut buffer[..len], at);
        }
    }

    /// Drops a range together with the previous one: the system reads ahead in folios, which are not aligned to windows
    /// and are dropped only as a whole.
    fn leave(&self, mapping: &Mmap, file: &File, windows: impl IntoIterator<Item = Window>) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        for range in windows.into_iter().flat_map(|window| window.missing) {
            let start = if left.end == range.start { left.start } else { range.start };
            os::drop_pages(mapping, file, start..range.end);
            *left = range;
        }
    }
}

/// The windows that a range overlaps.
fn indexes(mapping: &Mmap, range: &Range<u64>) -> Range<u64> {
    range.start / WINDOW..range.end.min(mapping.len() as u64).div_ceil(WINDOW)
}

fn window(mapping: &Mmap, index: u64) -> Range<u64> {
    index * WINDOW..((index + 1) * WINDOW).min(mapping.len() as u64)
}

impl Known {
    fn find(&self, index: u64) -> Option<&Window> {
        self.windows.iter().rev().find(|window| window.index == index)
    }

    /// Whether the file is read sequentially, by any number of threads.
    fn moves_on(&mut self, index: u64) -> bool {
        if index.abs_diff(self.front) > STRIDE {
            self.steps = 0;
        } else if index > self.front {
            self.steps = self.steps.saturating_add(1);
        }
        if index > self.front || self.steps == 0 {
            self.front = index;
        }
        self.steps >= 2
    }
}

impl Window {
    /// From the first to the last byte of `range` that was not cached.
    fn missing_of(&self, range: &Range<u64>) -> Option<Range<u64>> {
        let parts = || self.missing.iter().filter(|part| part.start < range.end && range.start < part.end);
        Some(parts().next()?.start.max(range.start)..parts().next_back()?.end.min(range.end))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// A file that is not in the page cache; `None` if the file system does not support that.
    fn cold_file(len: usize) -> Option<(tempfile::NamedTempFile, Mmap)> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&vec![7; len]).unwrap();
        file.as_file().sync_all().unwrap();
        let mapping = os::map(file.as_file(), len).unwrap();
        os::drop_pages(&mapping, file.as_file(), 0..len as u64);
        if missing(&mapping) == len as u64 {
            return Some((file, mapping));
        }
        imgprep_tests::skip("page-cache-control", "pages that leave the page cache after reading");
        None
    }

    fn missing(mapping: &Mmap) -> u64 {
        os::missing_pages(mapping, 0..mapping.len() as u64).iter().map(|range| range.end - range.start).sum()
    }

    #[test]
    fn what_was_not_in_memory_leaves_again_and_what_was_stays() {
        const LEN: usize = 64 << 20;
        let Some((file, mapping)) = cold_file(LEN) else { return };
        let warm = 10 << 20..12 << 20;
        let mut buf = vec![0; 2 << 20];
        // The system may read some of the adjacent pages ahead.
        os::read_no_further(file.as_file());
        file.as_file().read_exact_at(&mut buf, warm.start).unwrap();
        let before = missing(&mapping);
        assert!(before < LEN as u64);
        let residence = PageCache::new(true);
        for at in (0..LEN as u64).step_by(1 << 20) {
            residence.enter(&mapping, file.as_file(), &(at..at + (1 << 20)));
            assert_eq!(mapping[at as usize], 7);
        }
        assert!(missing(&mapping) < before, "it was read");
        residence.leave_all(&mapping, file.as_file());
        assert_eq!(missing(&mapping), before);
        assert!(os::missing_pages(&mapping, warm).is_empty());
    }

    #[test]
    fn positioned_reads_leave_the_cache_as_it_was() {
        let Some((file, mapping)) = cold_file(64 << 20) else { return };
        let cached = 10 << 20..11 << 20;
        os::read_no_further(file.as_file());
        let mut buffer = vec![0; 1 << 20];
        file.as_file().read_exact_at(&mut buffer, cached.start).unwrap();
        let before = os::missing_pages(&mapping, 0..64 << 20);
        assert_eq!(before, [0..cached.start, cached.end..64 << 20]);
        assert!(os::is_cached(file.as_file(), &cached) || !has_cachestat(file.as_file()));
        assert!(!os::is_cached(file.as_file(), &(cached.start..cached.end + 4096)));
        let residence = PageCache::new(true);
        for at in (0..64 << 20).step_by(buffer.len()) {
            residence.enter_copied(&mapping, file.as_file(), &(at..at + (1 << 20)));
            file.as_file().read_exact_at(&mut buffer, at).unwrap();
            assert!(buffer.iter().all(|byte| *byte == 7), "{at}");
        }
        assert!(missing(&mapping) < 64 << 20);
        residence.leave_all(&mapping, file.as_file());
        assert_eq!(os::missing_pages(&mapping, 0..64 << 20), before);
    }

    /// Whether the system has `cachestat`: an empty range is always cached.
    fn has_cachestat(file: &File) -> bool {
        os::is_cached(file, &(0..0))
    }

    #[test]
    fn windows_leave_while_others_come() {
        let len = (KEPT + 40) * WINDOW as usize;
        let Some((file, mapping)) = cold_file(len) else { return };
        let residence = PageCache::new(true);
        for at in (0..len as u64).step_by(WINDOW as usize) {
            residence.enter(&mapping, file.as_file(), &(at..at + WINDOW));
        }
        let in_memory = len as u64 - missing(&mapping);
        assert!(in_memory > 0 && in_memory <= KEPT as u64 * WINDOW, "{in_memory} bytes are in memory");
    }

    #[test]
    fn what_was_announced_comes_and_leaves_again() {
        let Some((file, mapping)) = cold_file(32 << 20) else { return };
        let residence = PageCache::new(true);
        let scattered = [20 << 20, 3 << 20, 11 << 20].map(|at| at..at + (64 << 10));
        for range in &scattered {
            residence.prefetch(&mapping, file.as_file(), range);
        }
        for range in &scattered {
            residence.enter(&mapping, file.as_file(), range);
            assert_eq!(mapping[range.start as usize], 7);
        }
        assert!(mapping.len() as u64 - missing(&mapping) >= 3 * (64 << 10));
        residence.leave_all(&mapping, file.as_file());
        assert_eq!(missing(&mapping), mapping.len() as u64);
    }

    #[test]
    fn sequential_and_random_reads_are_distinguished() {
        let moves = |indexes: &[u64]| {
            let mut known = Known::default();
            indexes.iter().map(|index| known.moves_on(*index)).collect::<Vec<_>>()
        };
        assert_eq!(moves(&[0, 1, 2, 3]), [false, false, true, true]);
        // Two threads, in no strict order.
        assert_eq!(moves(&[1, 0, 3, 2, 2, 5, 4]), [false, false, true, true, true, true, true]);
        // From the middle on, and after a jump.
        assert_eq!(moves(&[900, 901, 902, 7, 8, 9]), [false, false, true, false, false, true]);
        assert!(!moves(&[900, 901, 50, 950, 51, 300, 301, 80]).contains(&true));
    }

    #[test]
    fn of_a_file_that_others_own_nothing_is_dropped() {
        let Some((file, mapping)) = cold_file(8 << 20) else { return };
        let residence = PageCache::new(false);
        residence.enter(&mapping, file.as_file(), &(0..8 << 20));
        residence.leave_all(&mapping, file.as_file());
        assert_eq!(missing(&mapping), 0);
    }

    #[test]
    fn the_end_of_a_file_is_no_page_boundary() {
        let Some((file, mapping)) = cold_file(5 * 4096 + 17) else { return };
        let residence = PageCache::new(true);
        residence.enter(&mapping, file.as_file(), &(4096..5 * 4096 + 17));
        assert_eq!(mapping[5 * 4096 + 16], 7);
        residence.leave_all(&mapping, file.as_file());
        assert_eq!(missing(&mapping), mapping.len() as u64);
    }
}
