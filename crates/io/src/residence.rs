//! The page cache as it was: pages of a source that were not in memory before they were read for us are
//! dropped behind us, so that one large disk does not push everything else out.
//!
//! The file is seen in windows. A window is asked about (`mincore`) before its first page is read, and so is what lies
//! ahead of it, before the system reads ahead. A window leaves when [`KEPT`] others came after it.

use std::collections::VecDeque;
use std::fs::File;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use memmap2::Mmap;

use crate::os;

/// Bytes of a window: as many as a unit of a conversion has.
const WINDOW: u64 = 2 << 20;

/// Windows that stay: more than the units that are worked on at one time have, on 16 threads.
const KEPT: usize = 128;

/// Windows that are read ahead of one that follows the last.
const AHEAD: u64 = 12;

/// What is known about the windows that were read last.
#[derive(Debug)]
pub(crate) struct Residence {
    /// Whether the system tells the truth about this file: to others than its owner and who may write to it, it says
    /// that all of it is in memory (mincore(2)).
    is_told: bool,
    windows: Mutex<VecDeque<Window>>,
    /// What left last.
    left: Mutex<Range<u64>>,
}

#[derive(Debug)]
struct Window {
    index: u64,
    /// Pages that were not in memory, as ranges of the file.
    missing: Vec<Range<u64>>,
}

impl Residence {
    /// Of a file of which nothing was read yet. `is_told`: whether this user may ask what is in memory.
    pub(crate) fn new(is_told: bool) -> Self {
        Self { is_told, windows: Mutex::default(), left: Mutex::new(0..0) }
    }

    /// Gets `range` ready to be looked at.
    pub(crate) fn enter(&self, mapping: &Mmap, file: &File, range: &Range<u64>) {
        let windows = range.start / WINDOW..range.end.min(mapping.len() as u64).div_ceil(WINDOW);
        let mut leaving = Vec::new();
        {
            let mut known = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
            windows.for_each(|index| self.note_with_next(&mut known, mapping, index, range));
            while known.len() > KEPT {
                leaving.extend(known.pop_front());
            }
        }
        self.leave(mapping, file, leaving);
        os::populate(mapping, range.clone());
    }

    /// Lets go of everything.
    pub(crate) fn leave_all(&self, mapping: &Mmap, file: &File) {
        let all = std::mem::take(&mut *self.windows.lock().unwrap_or_else(PoisonError::into_inner));
        self.leave(mapping, file, all);
    }

    /// Notes a window and reads what is wanted of it, and those behind it once two came one after the other.
    fn note_with_next(&self, known: &mut VecDeque<Window>, mapping: &Mmap, index: u64, wanted: &Range<u64>) {
        let of_window = |index: u64| index * WINDOW..((index + 1) * WINDOW).min(mapping.len() as u64);
        let window = of_window(index);
        let wanted = wanted.start.max(window.start)..wanted.end.min(window.end);
        let follows = index.checked_sub(1).is_some_and(|before| find(known, before).is_some());
        if find(known, index).is_none() {
            self.note(known, mapping, index, window);
        }
        if !self.is_told || find(known, index).is_some_and(|window| window.misses(&wanted)) {
            os::read_ahead(mapping, wanted);
        }
        for ahead in (index + 1..=index + AHEAD).take_while(|_| follows) {
            let window = of_window(ahead);
            if find(known, ahead).is_none()
                && !window.is_empty()
                && self.note(known, mapping, ahead, window.clone())
            {
                os::read_ahead(mapping, window);
            }
        }
    }

    /// Whether something of it may be missing.
    fn note(&self, known: &mut VecDeque<Window>, mapping: &Mmap, index: u64, range: Range<u64>) -> bool {
        let missing = if self.is_told { os::missing_pages(mapping, range) } else { Vec::new() };
        let may_miss = !self.is_told || !missing.is_empty();
        known.push_back(Window { index, missing });
        may_miss
    }

    /// The system reads ahead in pieces that know nothing of windows and leave only as a whole: so a range goes
    /// together with the one before it.
    fn leave(&self, mapping: &Mmap, file: &File, windows: impl IntoIterator<Item = Window>) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        for range in windows.into_iter().flat_map(|window| window.missing) {
            let start = if left.end == range.start { left.start } else { range.start };
            os::drop_pages(mapping, file, start..range.end);
            *left = range;
        }
    }
}

fn find(known: &VecDeque<Window>, index: u64) -> Option<&Window> {
    known.iter().rev().find(|window| window.index == index)
}

impl Window {
    fn misses(&self, range: &Range<u64>) -> bool {
        self.missing.iter().any(|missing| missing.start < range.end && range.start < missing.end)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::FileExt;

    use super::*;

    /// A file on a real file system, out of the page cache; `None` where that can't be had.
    fn cold_file(len: usize) -> Option<(tempfile::NamedTempFile, Mmap)> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&vec![7; len]).unwrap();
        file.as_file().sync_all().unwrap();
        let mapping = os::map(file.as_file(), len).unwrap();
        os::drop_pages(&mapping, file.as_file(), 0..len as u64);
        if missing(&mapping) == len as u64 {
            return Some((file, mapping));
        }
        eprintln!("SKIPPED: pages of temporary files can't be dropped, or nobody may ask about them");
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
        // Of the pages around, the system may read some ahead.
        os::read_no_further(file.as_file());
        file.as_file().read_exact_at(&mut buf, warm.start).unwrap();
        let before = missing(&mapping);
        assert!(before < LEN as u64);
        let residence = Residence::new(true);
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
    fn windows_leave_while_others_come() {
        let len = (KEPT + 40) * WINDOW as usize;
        let Some((file, mapping)) = cold_file(len) else { return };
        let residence = Residence::new(true);
        for at in (0..len as u64).step_by(WINDOW as usize) {
            residence.enter(&mapping, file.as_file(), &(at..at + WINDOW));
        }
        let in_memory = len as u64 - missing(&mapping);
        assert!(in_memory > 0 && in_memory <= KEPT as u64 * WINDOW, "{in_memory} bytes are in memory");
    }

    #[test]
    fn of_a_file_that_others_own_nothing_is_dropped() {
        let Some((file, mapping)) = cold_file(8 << 20) else { return };
        let residence = Residence::new(false);
        residence.enter(&mapping, file.as_file(), &(0..8 << 20));
        residence.leave_all(&mapping, file.as_file());
        assert_eq!(missing(&mapping), 0);
    }

    #[test]
    fn the_end_of_a_file_is_no_page_boundary() {
        let Some((file, mapping)) = cold_file(5 * 4096 + 17) else { return };
        let residence = Residence::new(true);
        residence.enter(&mapping, file.as_file(), &(4096..5 * 4096 + 17));
        assert_eq!(mapping[5 * 4096 + 16], 7);
        residence.leave_all(&mapping, file.as_file());
        assert_eq!(missing(&mapping), mapping.len() as u64);
    }
}
