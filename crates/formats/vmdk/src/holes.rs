//! A cache of file holes: many tables in one hole need only one query.

use core::ops::Range;

use imgprep_map::ReadAt;

/// The most recently queried hole and data range of a file.
pub(crate) struct Holes<'a> {
    file: &'a dyn ReadAt,
    hole: Range<u64>,
    data: Range<u64>,
}

impl<'a> Holes<'a> {
    pub(crate) fn new(file: &'a dyn ReadAt) -> Self {
        Self { file, hole: 0..0, data: 0..0 }
    }

    /// Whether `range` lies completely in a hole.
    pub(crate) fn has(&mut self, range: &Range<u64>) -> bool {
        let is_in = |known: &Range<u64>| known.start <= range.start && range.start < known.end;
        if is_in(&self.data) {
            return false;
        }
        if !is_in(&self.hole) {
            let next = self.file.next_data(range.start);
            if next > range.start {
                self.hole = range.start..next;
            } else {
                self.data = range.start..self.file.next_hole(range.start);
                return false;
            }
        }
        range.end <= self.hole.end
    }

    /// Number of entries of `step` bytes from `at` on that lie in one hole.
    pub(crate) fn entries(&mut self, at: u64, step: u64) -> u64 {
        if self.has(&(at..at.saturating_add(step))) { (self.hole.end - at) / step } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicU32, Ordering};

    use imgprep_map::ReadError;

    use super::*;

    /// A file with data in 100..200 only, which counts queries.
    struct Gaps(AtomicU32);

    impl ReadAt for Gaps {
        fn len(&self) -> u64 {
            1000
        }
        fn read_exact_at(&self, buf: &mut [u8], _: u64) -> Result<(), ReadError> {
            buf.fill(0);
            Ok(())
        }
        fn next_data(&self, at: u64) -> u64 {
            self.0.fetch_add(1, Ordering::Relaxed);
            match at {
                0..100 => 100,
                100..200 => at,
                _ => 1000,
            }
        }
        fn next_hole(&self, at: u64) -> u64 {
            if (100..200).contains(&at) { 200 } else { at }
        }
    }

    #[test]
    fn each_hole_is_queried_once() {
        let file = Gaps(AtomicU32::new(0));
        let mut holes = Holes::new(&file);
        for index in 0..100 {
            assert_eq!(holes.has(&(index * 10..index * 10 + 10)), !(10..20).contains(&index), "{index}");
        }
        assert!(!holes.has(&(95..105)));
        assert_eq!((holes.entries(4, 8), holes.entries(92, 8), holes.entries(93, 8)), (12, 1, 0));
        assert_eq!(file.0.load(Ordering::Relaxed), 5);
    }
}
