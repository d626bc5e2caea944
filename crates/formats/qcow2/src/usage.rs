//! File usage: which structure uses which bytes of the image: header, tables, clusters.

use core::ops::{ControlFlow, Range};

use byteorder::{BigEndian, ByteOrder};
use imgprep_format_kit::metadata;
use imgprep_map::{Error, FileId, FileUse, Files, ReadAt, UseKind, usize_of, walk_entries};

use crate::entry::Cluster;
use crate::layout::{OFFSET_MASK, REFCOUNT_TABLE_BYTES};
use crate::map::{Map, Table};

type Visit<'f> = &'f mut dyn FnMut(FileUse) -> ControlFlow<()>;

/// Entries of the refcount table that are read at once.
const CHUNK: u64 = 8192;

impl Map {
    /// Clusters of the disk that is read, and every table of the image that is known
    /// without reading the clusters of another disk.
    pub(crate) fn walk_claims(&self, files: &dyn Files, visit: Visit<'_>) -> Result<(), Error> {
        let Some(file) = files.get(FileId::SELF) else { return Ok(()) };
        if self.header.refusal().is_some() || self.claim_fixed(file, visit).is_break() {
            return Ok(());
        }
        if self.claim_refcounts(file, visit)?.is_break() {
            return Ok(());
        }
        let data_len = files.get(self.data_file()).map_or(0, ReadAt::len);
        let tables = self.disk.size.div_ceil(self.header.l2_coverage());
        // More bytes of tables than the file has: two of them share some, and what was reported
        // proves it. So the cost of a walk follows the file, whatever its L1 table repeats.
        let mut room = file.len();
        let walked = walk_entries(file, self.disk.l1_at, 0..tables, u64::from_be_bytes, &mut |entry| {
            let Ok(Some(table)) = self.table(file, entry) else { return Ok(ControlFlow::Continue(())) };
            let file_use = metadata(table.at..table.at + self.header.cluster_size(), "the L2 table");
            let flow = visit(FileUse { disk: Some(table.disk.start), ..file_use });
            let Some(left) = room.checked_sub(self.header.cluster_size()).filter(|_| flow.is_continue())
            else {
                return Ok(ControlFlow::Break(()));
            };
            room = left;
            self.claim_clusters((file, data_len), &table, visit)
        });
        walked.map(|_| ())
    }

    fn claim_fixed(&self, file: &dyn ReadAt, visit: Visit<'_>) -> ControlFlow<()> {
        let clipped = |range: Range<u64>| range.start..range.end.min(file.len());
        visit(metadata(clipped(0..self.header.cluster_size()), "the header"))?;
        // Every disk of the image has its own L1 table; a snapshot's that runs out of the file is not read.
        for table in self.l1_tables.iter().filter(|table| !table.is_empty() && table.end <= file.len()) {
            visit(metadata(table.clone(), "an L1 table"))?;
        }
        self.snapshot_table
            .iter()
            .try_for_each(|table| visit(metadata(clipped(table.clone()), "the snapshot table")))
    }

    /// The refcount table and its blocks. They are not used for reading: what is wrong
    /// with themselves is not reported here.
    fn claim_refcounts(&self, file: &dyn ReadAt, visit: Visit<'_>) -> Result<ControlFlow<()>, Error> {
        let start = self.header.raw.refcount_offset;
        let len = u64::from(self.header.raw.refcount_clusters) << self.header.cluster_bits;
        // No image needs more; what a header declares beyond that is not walked.
        let len = len.min(REFCOUNT_TABLE_BYTES);
        let end = start.saturating_add(len).min(file.len());
        if start >= end {
            return Ok(ControlFlow::Continue(()));
        }
        if visit(metadata(start..end, "the refcount table")).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let mut at = start;
        while at + 8 <= end {
            let data = file.next_data(at);
            if data >= at + 8 {
                at += (data - at) / 8 * 8;
                continue;
            }
            let count = ((end - at) / 8).min(CHUNK);
            // OK: at most 64 KiB.
            let bytes = file.slice(at, usize_of(count * 8))?;
            for entry in bytes.chunks_exact(8) {
                let block = BigEndian::read_u64(entry) & OFFSET_MASK;
                let block_end = block.saturating_add(self.header.cluster_size());
                let is_used = block != 0 && block_end <= file.len();
                if is_used && visit(metadata(block..block_end, "a refcount block")).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            at += count * 8;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn claim_clusters(
        &self,
        (file, data_len): (&dyn ReadAt, u64),
        table: &Table,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        let cluster_size = self.header.cluster_size();
        let left = self.disk.size.saturating_sub(table.disk.start).div_ceil(cluster_size);
        let count = left.min(self.header.l2_entries());
        // OK: at most a cluster.
        let bytes = file.slice(table.at, usize_of(count * self.entry_bytes()))?;
        // OK: 8 or 16.
        let step = usize_of(self.entry_bytes());
        let mut disk = table.disk.start;
        for entry in bytes.chunks_exact(step) {
            let (file, range, kind) = match self.rules.l2(BigEndian::read_u64(entry), 0) {
                Ok(Cluster::Data { at } | Cluster::Zero { kept: Some(at) }) => {
                    let end = at.saturating_add(self.stored_len(entry, disk));
                    // `visit` reports data past the end, with the offset of the entry.
                    let range = if end <= data_len { at..end } else { 0..0 };
                    (self.data_file(), range, UseKind::Data)
                }
                Ok(Cluster::Compressed { at, len }) => {
                    (FileId::SELF, at..at.saturating_add(len.into()), UseKind::CompressedAtMost)
                }
                _ => (FileId::SELF, 0..0, UseKind::Data),
            };
            if !range.is_empty() && visit(FileUse { file, range, kind, disk: Some(disk) }).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            disk += cluster_size;
        }
        Ok(ControlFlow::Continue(()))
    }
}
