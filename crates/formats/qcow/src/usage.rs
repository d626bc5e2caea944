//! File usage: which structure uses which bytes of the image: header, name, tables, clusters.

use core::ops::{ControlFlow, Range};

use imgprep_format_kit::metadata;
use imgprep_map::{Error, FileId, FileUse, Files, ReadAt, UseKind, walk_entries};

use crate::entry::Cluster;
use crate::map::Map;

type Visit<'f> = &'f mut dyn FnMut(FileUse) -> ControlFlow<()>;

impl Map {
    pub(crate) fn walk_claims(&self, files: &dyn Files, visit: Visit<'_>) -> Result<(), Error> {
        let Some(file) = files.get(FileId::SELF) else { return Ok(()) };
        if self.header.refusal().is_some() || self.claim_fixed(visit).is_break() {
            return Ok(());
        }
        let (l1, entries) = (self.header.raw.l1_offset, 0..self.header.l1_entries);
        // More bytes of tables than the file has: two of them share some, and what was reported
        // proves it. So the cost of a walk follows the file, whatever its L1 table repeats.
        let mut room = file.len();
        let _ = walk_entries(file, l1, entries, u64::from_be_bytes, &mut |entry| {
            // `visit` reports invalid entries.
            let Ok(Some(table)) = self.table(file, &entry) else { return Ok(ControlFlow::Continue(())) };
            let disk = self.described(&entry);
            let file_use = metadata(table..table + self.header.l2_bytes(), "an L2 table");
            let flow = visit(FileUse { disk: Some(disk.start), ..file_use });
            let Some(left) = room.checked_sub(self.header.l2_bytes()).filter(|_| flow.is_continue()) else {
                return Ok(ControlFlow::Break(()));
            };
            room = left;
            self.claim_clusters(file, table, &disk, visit)
        })?;
        Ok(())
    }

    fn claim_fixed(&self, visit: Visit<'_>) -> ControlFlow<()> {
        visit(metadata(0..self.header.length(), "the header"))?;
        if let Some((at, len)) = self.header.backing_name {
            visit(metadata(at..at + len as u64, "the backing file name"))?;
        }
        let l1 = self.header.raw.l1_offset;
        if self.header.l1_entries > 0 {
            visit(metadata(l1..l1 + self.header.l1_bytes(), "the L1 table"))?;
        }
        ControlFlow::Continue(())
    }

    fn claim_clusters(
        &self,
        file: &dyn ReadAt,
        table: u64,
        disk: &Range<u64>,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        let size = self.header.cluster_size();
        let count = (disk.end - disk.start).div_ceil(size);
        walk_entries(file, table, 0..count, u64::from_be_bytes, &mut |entry| {
            let at = disk.start + entry.index * size;
            let Ok(cluster) = self.cluster(&entry, at, file.len()) else {
                return Ok(ControlFlow::Continue(()));
            };
            let Some(range) = self.stored(cluster, at) else { return Ok(ControlFlow::Continue(())) };
            let is_compressed = matches!(cluster, Cluster::Compressed { .. });
            let kind = if is_compressed { UseKind::Compressed } else { UseKind::Data };
            Ok(visit(FileUse { file: FileId::SELF, range, kind, disk: Some(at) }))
        })
    }
}
