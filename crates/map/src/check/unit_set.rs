//! A sparse set of allocation units.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::ops::{ControlFlow, Range};

use crate::size::usize_of;

/// Units of a chunk: 512 bytes of bits.
const CHUNK: u64 = 4096;
/// The default maximum of chunks: about 20 MiB, 128 million adjacent units.
const ROOM: usize = 1 << 15;

type Chunk = [u64; 64];

/// A set of the units of a file, by number.
pub struct UnitSet {
    chunks: BTreeMap<u64, Box<Chunk>>,
    room: usize,
}

/// There is no room for more units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Default for UnitSet {
    fn default() -> Self {
        Self { chunks: BTreeMap::new(), room: ROOM }
    }
}

impl UnitSet {
    /// Adds a unit. Returns whether it was in the set.
    pub fn take(&mut self, unit: u64) -> Result<bool, Full> {
        let number = unit / CHUNK;
        if self.chunks.len() >= self.room && !self.chunks.contains_key(&number) {
            return Err(Full);
        }
        let chunk = self.chunks.entry(number).or_insert_with(|| Box::new([0; 64]));
        let (word, bit) = place(unit);
        // OK: `place` returns an index below 64.
        let word = &mut chunk[word];
        let was = *word & bit != 0;
        *word |= bit;
        Ok(was)
    }

    /// Calls `see` with each run of units of `range` that are not in the set, in order.
    pub fn free(&self, range: Range<u64>, see: &mut dyn FnMut(Range<u64>) -> ControlFlow<()>) {
        let mut start = range.start;
        for (number, chunk) in self.chunks.range(range.start / CHUNK..range.end.div_ceil(CHUNK)) {
            let first = number * CHUNK;
            for unit in first.max(range.start)..(first + CHUNK).min(range.end) {
                let (word, bit) = place(unit);
                // OK: as above.
                if chunk[word] & bit != 0 {
                    if start < unit && see(start..unit).is_break() {
                        return;
                    }
                    start = unit + 1;
                }
            }
        }
        if start < range.end {
            let _ = see(start..range.end);
        }
    }
}

/// The word of a chunk and the bit in it.
fn place(unit: u64) -> (usize, u64) {
    // OK: less than 64.
    (usize_of(unit % CHUNK / 64), 1 << (unit % 64))
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn free(units: &UnitSet, range: Range<u64>) -> Vec<Range<u64>> {
        let mut runs = Vec::new();
        units.free(range, &mut |run| {
            runs.push(run);
            ControlFlow::Continue(())
        });
        runs
    }

    #[test]
    fn units_that_are_not_taken_are_free() {
        let mut units = UnitSet::default();
        for unit in [0, 1, 64, 4095, 4096, 1 << 52] {
            assert_eq!(units.take(unit), Ok(false), "{unit}");
            assert_eq!(units.take(unit), Ok(true), "{unit}");
        }
        assert_eq!(free(&units, 1..1 << 53), [2..64, 65..4095, 4097..1 << 52, (1 << 52) + 1..1 << 53]);
        assert_eq!(free(&units, 70..80), Vec::from([Range { start: 70, end: 80 }]));
        assert_eq!(free(&units, 4095..4097), []);
        assert_eq!(free(&units, 9..9), []);
    }

    #[test]
    fn memory_is_bounded() {
        let mut units = UnitSet { room: 2, ..UnitSet::default() };
        assert_eq!([0, CHUNK, 5].map(|unit| units.take(unit)), [Ok(false); 3]);
        assert_eq!(units.take(2 * CHUNK), Err(Full));
        assert_eq!(units.take(5), Ok(true));
    }
}
