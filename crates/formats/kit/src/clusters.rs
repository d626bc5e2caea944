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
