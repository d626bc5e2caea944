//! File usage: which structure uses which bytes of the image: header, tables, clusters.

use core::ops::{ControlFlow, Range};

use imgprep_format_kit::metadata;
use imgprep_map::{Error, FileId, FileUse, Files, ReadAt, UseKind, walk_entries};

use crate::entry::Cluster;
use crate::map::Map;

type Visit<'f> = &'f mut dyn FnMut(FileUse) -> ControlFlow<()>;

impl Map {
    pub(crate) fn walk_claims(&self, files: &dyn Files, visit: Visit<'_>) -> Result<(), Error> {
        let Some(file) = files.get(FileId::SELF) else { return Ok(()) };
        let (l1, table_bytes) = (self.header.raw.l1_table_offset, self.header.table_bytes());
        let fixed = [(0..self.header.length, "the header"), (l1..l1 + table_bytes, "the L1 table")];
        if fixed.into_iter().try_for_each(|(range, name)| visit(metadata(range, name))).is_break() {
            return Ok(());
        }
        // More bytes of tables than the file has: two of them share some, and what was reported
        // proves it. So the cost of a walk follows the file, whatever its L1 table repeats.
        let mut room = file.len();
        let _ = walk_entries(file, l1, 0..self.header.l1_entries(), u64::from_le_bytes, &mut |entry| {
            // `visit` reports invalid entries.
            let Ok(Some(table)) = self.table(file, &entry) else { return Ok(ControlFlow::Continue(())) };
            let disk = self.described(&entry);
            let file_use = metadata(table..table + table_bytes, "an L2 table");
            let flow = visit(FileUse { disk: Some(disk.start), ..file_use });
            let Some(left) = room.checked_sub(table_bytes).filter(|_| flow.is_continue()) else {
                return Ok(ControlFlow::Break(()));
            };
            room = left;
            self.claim_clusters(file, table, &disk, visit)
        })?;
        Ok(())
    }

    fn claim_clusters(
        &self,
        file: &dyn ReadAt,
        table: u64,
        disk: &Range<u64>,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        let size = self.header.cluster_size;
        let count = (disk.end - disk.start).div_ceil(size);
        walk_entries(file, table, 0..count, u64::from_le_bytes, &mut |entry| {
            let offset = disk.start + entry.index * size;
            let Ok(Cluster::Data { at }) = self.cluster(&entry, offset, file.len()) else {
                return Ok(ControlFlow::Continue(()));
            };
            let (range, kind) = (self.stored(at, offset), UseKind::Data);
            Ok(visit(FileUse { file: FileId::SELF, range, kind, disk: Some(offset) }))
        })
    }
}
