//! A cache of the last hole of a file.

use core::ops::Range;

use crate::ReadAt;

/// Answers [`ReadAt::next_data`] from the last known hole: a table may reference
/// millions of offsets in one hole.
#[derive(Clone, Debug, Default)]
pub struct LastHole(Range<u64>);

impl LastHole {
    /// See [`ReadAt::next_data`].
    pub fn next_data(&mut self, file: &dyn ReadAt, at: u64) -> u64 {
        if self.0.contains(&at) {
            return self.0.end;
        }
        let data = file.next_data(at);
        if data > at {
            // Holes with the same end are the same hole.
            let start = if data == self.0.end { self.0.start.min(at) } else { at };
            self.0 = start..data;
        }
        data
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::ReadError;

    /// Data from 100 to 200 only; counts the questions.
    struct Gaps(AtomicU32);

    impl ReadAt for Gaps {
        fn len(&self) -> u64 {
            1000
        }
        fn read_exact_at(&self, _: &mut [u8], at: u64) -> Result<(), ReadError> {
            panic!("{at} is read")
        }
        fn next_data(&self, at: u64) -> u64 {
            self.0.fetch_add(1, Ordering::Relaxed);
            match at {
                0..100 => 100,
                100..200 => at,
                _ => 1000,
            }
        }
    }

    #[test]
    fn a_known_hole_is_queried_once() {
        let (file, mut hole) = (Gaps(AtomicU32::new(0)), LastHole::default());
        let mut ask = |at| (hole.next_data(&file, at), file.0.load(Ordering::Relaxed));
        assert_eq!([ask(900), ask(950), ask(999)], [(1000, 1), (1000, 1), (1000, 1)]);
        // Further down the same hole is known from there on.
        assert_eq!([ask(300), ask(500), ask(300)], [(1000, 2), (1000, 2), (1000, 2)]);
        assert_eq!([ask(150), ask(199), ask(999)], [(150, 3), (199, 4), (1000, 4)]);
        assert_eq!([ask(10), ask(99), ask(300)], [(100, 5), (100, 5), (1000, 6)]);
    }
}
