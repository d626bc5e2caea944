//! Extents and file usage of a disk with clusters and two levels of tables.

use core::ops::{ControlFlow, Range};

use imgprep_map::{Code, Error, ExtentBuilder, FileUse, ReadAt, RevisitLimiter, Source};

use crate::entries::{EntryRun, Flow};
use crate::two_level::{Step, TableVisitor, TwoLevel};
use crate::{Invalid, metadata};

/// Meaning of the tables of a disk. L2 entries have `N` bytes.
pub trait Clusters<const N: usize> {
    /// The value of an L2 entry.
    type Entry;
    /// Code of an L1 table that references L2 tables repeatedly.
    const REPEATED: &'static Code;
    /// The name of an L2 table in the file's usage.
    const TABLE: &'static str;

    /// The shape of the tables.
    fn shape(&self) -> TwoLevel;

    /// The source of clusters without an L2 table.
    fn unallocated(&self) -> Source;

    /// The value of an L2 entry.
    fn decode(bytes: [u8; N]) -> Self::Entry;

    /// The L2 table that an L1 entry references; `None` if nothing is allocated.
    ///
    /// Fails if the table is not inside the file.
    fn table(&self, file: &dyn ReadAt, l1: &EntryRun) -> Result<Option<u64>, Invalid>;

    /// Pushes the clusters of an L2 entry.
    ///
    /// The first one begins at disk offset `disk`.
    fn push(
        &self,
        file: &dyn ReadAt,
        l2: &EntryRun<Self::Entry>,
        disk: u64,
        builder: &mut ExtentBuilder<'_>,
    ) -> Flow;

    /// Reports the bytes that the cluster at disk offset `disk` uses.
    ///
    /// Reports nothing if its entry is invalid.
    fn report_use(
        &self,
        file: &dyn ReadAt,
        l2: &EntryRun<Self::Entry>,
        disk: u64,
        visit: &mut dyn FnMut(FileUse) -> ControlFlow<()>,
    ) -> ControlFlow<()>;
}

/// Pushes the extents of `range`.
///
/// Fails at the first invalid entry; the error contains the disk range of that entry. Also fails if the L1
/// table references tables so often that the walk would read more bytes than the file has.
pub fn visit<const N: usize, C: Clusters<N>>(
    clusters: &C,
    file: &dyn ReadAt,
    range: &Range<u64>,
    builder: &mut ExtentBuilder<'_>,
) -> Result<(), Error> {
    let shape = clusters.shape();
    let wanted = range.start / shape.cluster_size..range.end.div_ceil(shape.cluster_size);
    let revisits = RevisitLimiter::new(file.len());
    let mut visit = Visit::<C, N> { clusters, shape, file, range, revisits, builder };
    shape.walk(file, wanted, C::decode, &mut visit)
}

/// Reports the use of every L2 table and cluster.
///
/// Invalid entries are omitted: [`visit`] reports them. The walk ends when it has read more bytes of tables
/// than the file has. Some tables overlap in that case, which the reported uses show. The cost thus depends
/// on the length of the file, however often a table is referenced.
pub fn file_usage<const N: usize, C: Clusters<N>>(
    clusters: &C,
    file: &dyn ReadAt,
    visit: &mut dyn FnMut(FileUse) -> ControlFlow<()>,
) -> Result<(), Error> {
    let shape = clusters.shape();
    let mut usage = Usage::<C, N> { clusters, shape, file, room: file.len(), visit };
    shape.walk(file, 0..shape.clusters(), C::decode, &mut usage)
}

struct Visit<'v, 'b, C, const N: usize> {
    clusters: &'v C,
    shape: TwoLevel,
    file: &'v dyn ReadAt,
    range: &'v Range<u64>,
    revisits: RevisitLimiter,
    builder: &'v mut ExtentBuilder<'b>,
}

impl<const N: usize, C: Clusters<N>> TableVisitor<C::Entry> for Visit<'_, '_, C, N> {
    fn table(&mut self, l1: &EntryRun) -> Result<Step, Error> {
        let described = self.shape.described(l1);
        let table = self.clusters.table(self.file, l1);
        let Some(table) = table.map_err(|error| Error::new(error).hitting(described.clone()))? else {
            let flow = self.builder.push(described.end - self.builder.at(), self.clusters.unallocated());
            return Ok(if flow.is_break() { Step::End } else { Step::Skip });
        };
        if self.revisits.may_walk(table, self.shape.l2_entries * N as u64) {
            return Ok(Step::Enter(table));
        }
        let error = Invalid::TablesRepeated { code: C::REPEATED, at: l1.at, found: table };
        Err(Error::new(error).hitting(self.builder.at().max(self.range.start)..self.range.end))
    }

    #[inline]
    fn cluster(&mut self, l2: &EntryRun<C::Entry>, cluster: u64) -> Flow {
        // OK: `range` is inside the disk.
        let disk = cluster * self.shape.cluster_size;
        self.clusters.push(self.file, l2, disk, self.builder).map_err(|error| {
            let end = disk.saturating_add(self.shape.cluster_size);
            error.hitting(disk..end.min(self.shape.disk_size))
        })
    }
}

struct Usage<'v, C, const N: usize> {
    clusters: &'v C,
    shape: TwoLevel,
    file: &'v dyn ReadAt,
    /// Bytes of tables that may still be read.
    room: u64,
    visit: &'v mut dyn FnMut(FileUse) -> ControlFlow<()>,
}

impl<const N: usize, C: Clusters<N>> TableVisitor<C::Entry> for Usage<'_, C, N> {
    fn table(&mut self, l1: &EntryRun) -> Result<Step, Error> {
        let Ok(Some(table)) = self.clusters.table(self.file, l1) else { return Ok(Step::Skip) };
        let len = self.shape.l2_entries * N as u64;
        let disk = Some(self.shape.described(l1).start);
        // OK: the table is inside the file.
        let flow = (self.visit)(FileUse { disk, ..metadata(table..table + len, C::TABLE) });
        let Some(room) = self.room.checked_sub(len).filter(|_| flow.is_continue()) else {
            return Ok(Step::End);
        };
        self.room = room;
        Ok(Step::Enter(table))
    }

    #[inline]
    fn cluster(&mut self, l2: &EntryRun<C::Entry>, cluster: u64) -> Flow {
        // OK: the cluster begins inside the disk.
        let disk = cluster * self.shape.cluster_size;
        Ok(self.clusters.report_use(self.file, l2, disk, self.visit))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use imgprep_map::{Extent, FileId, UseKind};

    use super::*;

    /// A disk of five and a half clusters of 512 bytes, in L2 tables of two entries. The L1 table of three entries is at 0.
    ///
    /// An L2 entry is the offset of a cluster, 0 for none. Odd entries are invalid.
    struct Sample;

    const DISK: u64 = 5 * 512 + 256;

    impl Clusters<8> for Sample {
        type Entry = u64;
        const REPEATED: &'static Code = REPEATED;
        const TABLE: &'static str = "an L2 table";

        fn shape(&self) -> TwoLevel {
            let decode = u64::from_be_bytes;
            TwoLevel { l1: 0, decode, l2_entries: 2, cluster_size: 512, disk_size: DISK }
        }

        fn unallocated(&self) -> Source {
            Source::Parent
        }

        fn decode(bytes: [u8; 8]) -> u64 {
            u64::from_be_bytes(bytes)
        }

        fn table(&self, _: &dyn ReadAt, l1: &EntryRun) -> Result<Option<u64>, Invalid> {
            if l1.value % 2 == 1 {
                return Err(invalid(l1.at, l1.value));
            }
            Ok((l1.value != 0).then_some(l1.value))
        }

        fn push(&self, _: &dyn ReadAt, l2: &EntryRun, disk: u64, builder: &mut ExtentBuilder<'_>) -> Flow {
            assert!(disk.is_multiple_of(512));
            match l2.value {
                0 => Ok(builder.push(512 * l2.count, Source::Zero { explicit: false })),
                found if found % 2 == 1 => Err(invalid(l2.at, found).into()),
                at => Ok(builder.push(512, Source::Data { file: FileId::SELF, at })),
            }
        }

        fn report_use(
            &self,
            _: &dyn ReadAt,
            l2: &EntryRun,
            disk: u64,
            visit: &mut dyn FnMut(FileUse) -> ControlFlow<()>,
        ) -> ControlFlow<()> {
            if l2.value == 0 || l2.value % 2 == 1 {
                return ControlFlow::Continue(());
            }
            let range = l2.value..l2.value + 512;
            visit(FileUse { file: FileId::SELF, range, kind: UseKind::Data, disk: Some(disk) })
        }
    }

    fn invalid(at: u64, found: u64) -> Invalid {
        Invalid::Entry { code: ENTRY, at, table: "a", found, reason: "odd" }
    }

    const REPEATED: &Code = &Code::corrupt("a.table.repeated", "structure/table", "");
    const ENTRY: &Code = &Code::corrupt("a.table.entry", "structure/table", "");

    /// A file with L2 tables at 32, 48 and 64; `words` are written at their offsets.
    fn file(len: usize, words: &[(usize, u64)]) -> Vec<u8> {
        let mut file = vec![0; len];
        for (at, word) in words {
            file[*at..*at + 8].copy_from_slice(&word.to_be_bytes());
        }
        file
    }

    fn extents(file: &dyn ReadAt, range: Range<u64>) -> (Vec<Extent>, Result<(), Error>) {
        let mut extents = Vec::new();
        let mut sink = |extent| {
            extents.push(extent);
            ControlFlow::Continue(())
        };
        let from = range.start / 512 * 512;
        let walked = ExtentBuilder::visit(range, DISK, from, &mut sink, |range, builder| {
            visit(&Sample, file, range, builder)
        });
        (extents, walked)
    }

    fn extent(disk: Range<u64>, source: Source) -> Extent {
        Extent { disk, source }
    }

    fn data(disk: Range<u64>, at: u64) -> Extent {
        extent(disk, Source::Data { file: FileId::SELF, at })
    }

    const ZERO: Source = Source::Zero { explicit: false };

    #[test]
    fn extents_cover_the_range_by_both_tables() {
        let file = file(4096, &[(0, 32), (16, 64), (32, 1024), (64, 1536), (72, 3072)]);
        let (found, walked) = extents(&file, 0..DISK);
        walked.unwrap();
        let want = [
            data(0..512, 1024),
            extent(512..1024, ZERO),
            extent(1024..2048, Source::Parent),
            data(2048..2560, 1536),
            data(2560..DISK, 3072),
        ];
        assert_eq!(found, want);
        let (found, walked) = extents(&file, 700..2100);
        walked.unwrap();
        let want = [extent(700..1024, ZERO), extent(1024..2048, Source::Parent), data(2048..2100, 1536)];
        assert_eq!(found, want);
        // A range within clusters that have no L2 table.
        let (found, walked) = extents(&file, 1100..1200);
        walked.unwrap();
        assert_eq!(found, [extent(1100..1200, Source::Parent)]);
    }

    #[test]
    fn an_invalid_l1_entry_loses_all_that_its_table_describes() {
        let (found, walked) = extents(&file(4096, &[(0, 32), (8, 7), (32, 1024), (40, 2048)]), 0..DISK);
        assert_eq!(found, [data(0..512, 1024), data(512..1024, 2048)]);
        let error = walked.unwrap_err();
        assert_eq!((error.detail(), error.disk()), (Some(&invalid(8, 7)), Some(1024..2048)));
    }

    #[test]
    fn an_invalid_l2_entry_loses_its_cluster() {
        let (found, walked) = extents(&file(4096, &[(16, 64), (64, 9)]), 0..DISK);
        assert_eq!(found, [extent(0..2048, Source::Parent)]);
        let error = walked.unwrap_err();
        assert_eq!((error.detail(), error.disk()), (Some(&invalid(64, 9)), Some(2048..2560)));
        // The last cluster ends with the disk.
        let error = extents(&file(4096, &[(16, 64), (72, 9)]), 0..DISK).1.unwrap_err();
        assert_eq!(error.disk(), Some(2560..DISK));
    }

    #[test]
    fn tables_that_are_referenced_repeatedly_end_the_walk() {
        // Two tables of 16 bytes fit into the file, three do not.
        let (found, walked) = extents(&file(47, &[(0, 24), (8, 24), (16, 24)]), 0..DISK);
        assert_eq!(found, [extent(0..2048, ZERO)]);
        let error = walked.unwrap_err();
        let want = Invalid::TablesRepeated { code: REPEATED, at: 16, found: 24 };
        assert_eq!((error.detail(), error.disk()), (Some(&want), Some(2048..DISK)));
        // Different tables of a file of the same length are read completely.
        assert!(extents(&file(48, &[(0, 24), (8, 32), (16, 24)]), 0..DISK).1.is_ok());
        // The lost range ends where the caller's does.
        let error = extents(&file(47, &[(0, 24), (8, 24), (16, 24)]), 0..2100).1.unwrap_err();
        assert_eq!(error.disk(), Some(2048..2100));
    }

    fn uses(file: &dyn ReadAt, most: usize) -> Vec<(Range<u64>, UseKind, Option<u64>)> {
        let mut uses = Vec::new();
        let visited = file_usage(&Sample, file, &mut |one| {
            uses.push((one.range, one.kind, one.disk));
            if uses.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        visited.unwrap();
        uses
    }

    #[test]
    fn tables_and_clusters_are_used_and_invalid_entries_omitted() {
        let file = file(4096, &[(0, 32), (8, 7), (16, 64), (32, 1024), (40, 9), (64, 1536), (72, 3072)]);
        let table = UseKind::Metadata("an L2 table");
        let want = [
            (32..48, table, Some(0)),
            (1024..1536, UseKind::Data, Some(0)),
            (64..80, table, Some(2048)),
            (1536..2048, UseKind::Data, Some(2048)),
            (3072..3584, UseKind::Data, Some(2560)),
        ];
        assert_eq!(uses(&file, usize::MAX), want);
        for most in 1..want.len() {
            assert_eq!(uses(&file, most), want[..most], "a walk that ends after {most} uses");
        }
    }

    #[test]
    fn the_usage_of_repeated_tables_is_bounded_by_the_file() {
        let table = |at: u64, disk| (at..at + 16, UseKind::Metadata("an L2 table"), Some(disk));
        let words = [(0, 24), (8, 24), (16, 24)];
        // The third one exceeds the file: it is still reported, so that the overlap is found.
        let want = [table(24, 0), table(24, 1024), table(24, 2048)];
        assert_eq!(uses(&file(47, &words), usize::MAX), want);
    }
}
