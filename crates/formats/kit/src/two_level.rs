//! A walk over an L1 table and the L2 tables that it references.

use core::ops::{ControlFlow, Range};

use imgprep_map::{Error, ReadAt};

use crate::entries::{EntryRun, Flow, walk_entries};

/// The shape of a disk whose clusters are described by L2 tables.
#[derive(Clone, Copy, Debug)]
pub struct TwoLevel {
    /// File offset of the L1 table.
    pub l1: u64,
    /// The byte order of its entries, which have 64 bits.
    pub decode: fn([u8; 8]) -> u64,
    /// Entries of an L2 table.
    pub l2_entries: u64,
    /// Bytes of a cluster.
    pub cluster_size: u64,
    /// Length of the disk, in bytes.
    pub disk_size: u64,
}

/// Next step of a walk at an L1 entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Visits the L2 table at this file offset.
    Enter(u64),
    /// Continues with the next L1 entry.
    Skip,
    /// Ends the walk.
    End,
}

/// Receiver of the entries of both tables. `E` is the value of an L2 entry.
pub trait TableVisitor<E> {
    /// Called for an L1 entry or a run of zeros.
    fn table(&mut self, l1: &EntryRun) -> Result<Step, Error>;

    /// Called for an L2 entry or a run of zeros.
    ///
    /// `cluster` is the number of its first cluster on the disk.
    fn cluster(&mut self, l2: &EntryRun<E>, cluster: u64) -> Flow;
}

impl TwoLevel {
    /// Bytes of the disk that an L2 table describes.
    pub fn coverage(&self) -> u64 {
        self.l2_entries * self.cluster_size
    }

    /// Clusters of the disk, the last of which may extend past its end.
    pub fn clusters(&self) -> u64 {
        self.disk_size.div_ceil(self.cluster_size)
    }

    /// Bytes of the disk that L1 entries describe, clipped to the disk.
    pub fn described(&self, l1: &EntryRun) -> Range<u64> {
        let start = l1.index.saturating_mul(self.coverage());
        let end = l1.index.saturating_add(l1.count).saturating_mul(self.coverage());
        start..end.min(self.disk_size)
    }

    /// Walks the entries of `clusters`. Their L1 entries must be inside the file.
    ///
    /// L2 tables that the visitor enters must be inside the file.
    pub fn walk<const N: usize, E>(
        &self,
        file: &dyn ReadAt,
        clusters: Range<u64>,
        decode: impl Fn([u8; N]) -> E,
        visitor: &mut impl TableVisitor<E>,
    ) -> Result<(), Error> {
        let tables = clusters.start / self.l2_entries..clusters.end.div_ceil(self.l2_entries);
        let _ = walk_entries(file, self.l1, tables, self.decode, |l1| {
            let table = match visitor.table(&l1)? {
                Step::Enter(table) => table,
                Step::Skip => return Ok(ControlFlow::Continue(())),
                Step::End => return Ok(ControlFlow::Break(())),
            };
            // OK: the entry describes some of `clusters`.
            let first = l1.index * self.l2_entries;
            let entries = clusters.start.saturating_sub(first)..(clusters.end - first).min(self.l2_entries);
            walk_entries(file, table, entries, &decode, |l2| visitor.cluster(&l2, first + l2.index))
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    /// An L1 table of three entries at 8, L2 tables of two entries.
    ///
    /// The value of an entry is its offset.
    const SHAPE: TwoLevel =
        TwoLevel { l1: 8, decode: u64::from_be_bytes, l2_entries: 2, cluster_size: 512, disk_size: 2600 };

    fn file() -> Vec<u8> {
        (0..8u64).flat_map(|word| (word * 8).to_be_bytes()).collect()
    }

    /// The L1 entries and the clusters of a walk, with tables at 32 and 48.
    #[derive(Default)]
    struct Seen {
        tables: Vec<u64>,
        clusters: Vec<(u64, u64)>,
        last: Option<u64>,
    }

    impl TableVisitor<u64> for Seen {
        fn table(&mut self, l1: &EntryRun) -> Result<Step, Error> {
            self.tables.push(l1.index);
            Ok(match l1.index {
                0 => Step::Enter(32),
                1 => Step::Skip,
                _ if self.last == Some(0) => Step::End,
                _ => Step::Enter(48),
            })
        }

        fn cluster(&mut self, l2: &EntryRun, cluster: u64) -> Flow {
            self.clusters.push((cluster, l2.value));
            let is_last = self.last == Some(cluster);
            Ok(if is_last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        }
    }

    fn seen(clusters: Range<u64>, last: Option<u64>) -> Seen {
        let mut seen = Seen { last, ..Seen::default() };
        SHAPE.walk(&file(), clusters, u64::from_be_bytes, &mut seen).unwrap();
        seen
    }

    #[test]
    fn only_the_entries_of_the_range_are_visited() {
        let all = seen(0..6, None);
        assert_eq!((all.tables, all.clusters), (vec![0, 1, 2], vec![(0, 32), (1, 40), (4, 48), (5, 56)]));
        let inner = seen(1..5, None);
        assert_eq!((inner.tables, inner.clusters), (vec![0, 1, 2], vec![(1, 40), (4, 48)]));
        assert_eq!(seen(2..4, None).tables, [1]);
    }

    #[test]
    fn a_visitor_ends_the_walk_at_either_level() {
        let ended = seen(0..6, Some(4));
        assert_eq!(ended.clusters.last(), Some(&(4, 48)));
        let ended = seen(0..6, Some(0));
        assert_eq!((ended.tables, ended.clusters), (vec![0], vec![(0, 32)]));
    }

    #[test]
    fn described_ranges_are_clipped_to_the_disk_and_saturate() {
        let run = |index, count| EntryRun { at: 0, index, count, value: 0 };
        assert_eq!(SHAPE.described(&run(1, 1)), 1024..2048);
        assert_eq!(SHAPE.described(&run(1, 9)), 1024..2600);
        assert_eq!(SHAPE.described(&run(1, u64::MAX)), 1024..2600);
        assert_eq!((SHAPE.coverage(), SHAPE.clusters()), (1024, 6));
    }
}
