//! Unused and shared bytes of a file, found in bounded memory.
//!
//! Uses are collected as runs and sorted. If they do not fit, those that begin
//! highest are dropped and collected in a further pass: time grows instead of memory.

use alloc::vec::Vec;
use core::ops::Range;

use crate::Error;

/// One use of bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// Bytes of the file.
    pub bytes: Range<u64>,
    /// File offset of the entry or field that references them.
    pub by: u64,
}

/// A result of the sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swept {
    /// Unused bytes.
    Gap(Range<u64>),
    /// Bytes with two uses: the entries that reference them.
    Shared {
        /// The bytes.
        bytes: Range<u64>,
        /// The use that begins first.
        first: u64,
        /// The use that begins inside the first.
        second: u64,
    },
}

/// The shape of adjacent uses, and the maximum number of runs in memory.
#[derive(Clone, Copy, Debug)]
pub struct CoverageSweep {
    /// The usual number of bytes of a use.
    pub block: u64,
    /// Bytes of an entry.
    pub step: u64,
    /// Maximum number of runs in memory, 48 bytes each.
    pub room: usize,
}

/// The default number of runs: 12 MiB.
const ROOM: usize = 1 << 18;

/// Reports the whole file usage, in any order, each time it is called.
pub type Uses<'w> = &'w mut dyn FnMut(&mut dyn FnMut(Use)) -> Result<(), Error>;

/// Adjacent uses, referenced by adjacent entries.
#[derive(Clone, Debug)]
struct Run {
    bytes: Range<u64>,
    by: u64,
    count: u64,
}

impl CoverageSweep {
    /// With room for a quarter of a million runs.
    pub fn new(block: u64, step: u64) -> Self {
        Self { block, step, room: ROOM }
    }

    /// Reports gaps below `end` and shared bytes, in file order; returns the end of the last use.
    pub fn run(&self, end: u64, uses: Uses<'_>, see: &mut dyn FnMut(Swept)) -> Result<u64, Error> {
        let (mut from, mut covered) = (0, Run { bytes: 0..0, by: 0, count: 0 });
        loop {
            let mut pass = Pass { sweep: *self, from, until: u64::MAX, runs: Vec::new(), shared: Vec::new() };
            uses(&mut |taken| pass.add(taken))?;
            pass.order();
            for shared in pass.shared.drain(..) {
                see(shared);
            }
            for run in pass.runs {
                if run.bytes.start > covered.bytes.end {
                    see(Swept::Gap(covered.bytes.end..run.bytes.start.min(end).max(covered.bytes.end)));
                } else if run.bytes.start < covered.bytes.end {
                    see(self.shared(&covered, &run));
                }
                if run.bytes.end > covered.bytes.end {
                    covered = run;
                }
            }
            if pass.until == u64::MAX {
                break;
            }
            from = pass.until;
        }
        if covered.bytes.end < end {
            see(Swept::Gap(covered.bytes.end..end));
        }
        Ok(covered.bytes.end)
    }

    fn shared(&self, first: &Run, second: &Run) -> Swept {
        let start = second.bytes.start;
        let nth = ((start - first.bytes.start) / self.block.max(1)).min(first.count.saturating_sub(1));
        Swept::Shared {
            bytes: start..first.bytes.end.min(second.bytes.end),
            first: first.by.saturating_add(nth * self.step),
            second: second.by,
        }
    }
}

/// Maximum number of findings that are kept until they are reported.
const SHARED: usize = 1 << 12;

/// The uses that begin in a part of the file.
struct Pass {
    sweep: CoverageSweep,
    from: u64,
    until: u64,
    runs: Vec<Run>,
    shared: Vec<Swept>,
}

impl Pass {
    fn add(&mut self, taken: Use) {
        let Use { bytes, by } = taken;
        if bytes.start >= bytes.end || bytes.start < self.from || bytes.start >= self.until {
            return;
        }
        if let Some(last) = self.runs.last_mut() {
            // Only the last use of a run may be shorter than the others.
            let is_whole = last.bytes.end - last.bytes.start == self.sweep.block.saturating_mul(last.count);
            let next = last.by.saturating_add(last.count.saturating_mul(self.sweep.step));
            if is_whole
                && last.bytes.end == bytes.start
                && next == by
                && bytes.end - bytes.start <= self.sweep.block
            {
                last.bytes.end = bytes.end;
                last.count += 1;
                return;
            }
        }
        if self.runs.len() >= self.sweep.room.max(4) {
            self.make_room();
        }
        if bytes.start < self.until {
            self.runs.push(Run { bytes, by, count: 1 });
        }
    }

    /// Sorts the runs and keeps the longest of those with the same start.
    fn order(&mut self) {
        self.runs.sort_unstable_by_key(|run| (run.bytes.start, core::cmp::Reverse(run.bytes.end), run.by));
        let (sweep, shared) = (self.sweep, &mut self.shared);
        self.runs.dedup_by(|later, kept| {
            let is_same = later.bytes.start == kept.bytes.start;
            if is_same && shared.len() < SHARED {
                shared.push(sweep.shared(kept, later));
            }
            is_same
        });
    }

    /// Drops the runs that begin highest, unless sorting made enough room.
    fn make_room(&mut self) {
        self.order();
        let half = self.sweep.room.max(4) / 2;
        let Some(middle) = self.runs.get(half) else { return };
        // No two runs have the same start: some remain, and the next pass begins later than this one.
        self.until = middle.bytes.start;
        self.runs.truncate(half);
        for run in &mut self.runs {
            // Uses of a kept run that begin after the limit are collected again in the next pass.
            let kept = (self.until - run.bytes.start).div_ceil(self.sweep.block.max(1));
            if run.count > kept {
                run.count = kept;
                run.bytes.end = run.bytes.start + kept * self.sweep.block;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn swept(room: usize, end: u64, uses: &[(u64, u64)]) -> (Vec<Swept>, u64) {
        let mut seen = Vec::new();
        let sweep = CoverageSweep { block: 10, step: 4, room };
        let covered = sweep.run(
            end,
            &mut |add| {
                for (by, (start, end)) in (1000..).step_by(4).zip(uses) {
                    add(Use { bytes: *start..*end, by });
                }
                Ok(())
            },
            &mut |swept| seen.push(swept),
        );
        (seen, covered.unwrap())
    }

    #[test]
    fn gaps_and_shared_bytes() {
        let (seen, covered) = swept(99, 100, &[(0, 10), (10, 20), (20, 24), (50, 60), (55, 65)]);
        let shared = Swept::Shared { bytes: 55..60, first: 1012, second: 1016 };
        assert_eq!(seen, [Swept::Gap(24..50), shared, Swept::Gap(65..100)]);
        assert_eq!(covered, 65);
    }

    #[test]
    fn the_entry_inside_of_a_run_is_found() {
        let (seen, _) = swept(99, 30, &[(0, 10), (10, 20), (20, 30), (12, 22)]);
        assert_eq!(seen, [Swept::Shared { bytes: 12..22, first: 1004, second: 1012 }]);
        let (seen, _) = swept(99, 10, &[(0, 10), (0, 10)]);
        assert_eq!(seen, [Swept::Shared { bytes: 0..10, first: 1000, second: 1004 }]);
    }

    #[test]
    fn a_small_budget_finds_the_same_overlaps() {
        // Backwards, with gaps, and every use twice: nothing merges.
        let mut uses: Vec<_> = (0..200).rev().map(|n| (n * 30, n * 30 + 10)).collect();
        let once = swept(1000, 6000, &uses);
        assert_eq!(once.0.len(), 200);
        assert_eq!(swept(5, 6000, &uses), once);
        uses.extend(uses.clone());
        let (seen, covered) = swept(5, 6000, &uses);
        assert_eq!(covered, 5980);
        assert_eq!(seen.iter().filter(|seen| matches!(seen, Swept::Gap(_))).count(), 200);
        assert!(seen.len() >= 400, "{}", seen.len());
    }

    #[test]
    fn a_run_across_passes_is_no_conflict() {
        let mut uses: Vec<_> = (0..100).map(|n| (n * 10, n * 10 + 10)).collect();
        uses.extend((0..100).rev().map(|n| (2000 + n * 20, 2000 + n * 20 + 10)));
        let all = swept(4, 4000, &uses).0;
        assert!(all.iter().all(|seen| matches!(seen, Swept::Gap(_))), "{all:?}");
        assert_eq!(all[0], Swept::Gap(1000..2000));
        assert_eq!(swept(4, 50, &vec![(0, 10); 50]).0.last(), Some(&Swept::Gap(10..50)));
    }
}
