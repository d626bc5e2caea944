//! Ranges of a disk that contain nothing.

use std::ops::Range;

/// Free ranges of a disk: sorted, not empty, with gaps between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mask(Vec<Range<u64>>);

impl Mask {
    /// Sorts and merges ranges in any order.
    pub(crate) fn new(ranges: impl IntoIterator<Item = Range<u64>>) -> Self {
        let mut all: Vec<_> = ranges.into_iter().filter(|range| !range.is_empty()).collect();
        all.sort_unstable_by_key(|range| (range.start, range.end));
        all.dedup_by(|next, merged| {
            let is_adjacent = next.start <= merged.end;
            if is_adjacent {
                merged.end = merged.end.max(next.end);
            }
            is_adjacent
        });
        Self(all)
    }

    /// All ranges.
    pub(crate) fn ranges(&self) -> &[Range<u64>] {
        &self.0
    }

    /// The parts of `range` in ascending order, and whether each of them is free.
    pub(crate) fn parts(&self, range: Range<u64>) -> impl Iterator<Item = (Range<u64>, bool)> {
        let first = self.0.partition_point(|free| free.end <= range.start);
        let mut free = self.0[first..].iter().peekable();
        let mut at = range.start;
        std::iter::from_fn(move || {
            let start = at;
            if start >= range.end {
                return None;
            }
            let next = free.next_if(|free| free.start <= start);
            at = match (next, free.peek()) {
                (Some(free), _) => free.end,
                (None, Some(free)) => free.start,
                (None, None) => range.end,
            }
            .min(range.end);
            Some((start..at, next.is_some()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_sorted_and_merged() {
        let mask = |ranges: &[Range<u64>]| Mask::new(ranges.iter().cloned()).0;
        let empty = 3..3_u64;
        assert_eq!(mask(&[50..60, 10..20, 20..30, empty.clone(), 15..18, 55..70]), [10..30, 50..70]);
        assert_eq!(mask(&[0..u64::MAX, 5..6, 0..1]), mask(&[0..u64::MAX, empty]));
        assert_eq!(mask(&[]), []);
    }

    #[test]
    fn parts_tile_a_range() {
        let mask = Mask::new([10..20, 30..40]);
        let parts = |range| mask.parts(range).collect::<Vec<_>>();
        let want = [(0..10, false), (10..20, true), (20..30, false), (30..40, true), (40..50, false)];
        assert_eq!(parts(0..50), want);
        assert_eq!(parts(12..15), [(12..15, true)]);
        assert_eq!(parts(10..20), [(10..20, true)]);
        assert_eq!(parts(15..35), [(15..20, true), (20..30, false), (30..35, true)]);
        assert_eq!(parts(20..30), [(20..30, false)]);
        assert_eq!(parts(40..41), [(40..41, false)]);
        assert_eq!(parts(7..7), []);
        assert_eq!(Mask::default().parts(3..9).collect::<Vec<_>>(), [(3..9, false)]);
    }

    #[test]
    fn every_byte_is_in_the_part_that_the_ranges_say() {
        let ranges = [1..3, 4..5, 9..12];
        let mask = Mask::new(ranges.clone());
        for start in 0..15 {
            for end in start..15 {
                let mut at = start;
                for (part, is_free) in mask.parts(start..end) {
                    assert!(part.start == at && !part.is_empty(), "{start}..{end}: {part:?}");
                    at = part.end;
                    assert!(
                        part.into_iter()
                            .all(|byte| { ranges.iter().any(|range| range.contains(&byte)) == is_free })
                    );
                }
                assert_eq!(at, end);
            }
        }
    }
}
