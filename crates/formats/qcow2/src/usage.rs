//! Bytes of the image that each structure uses: header, tables, clusters.

use core::ops::{ControlFlow, Range};

use imgprep_format_kit::{Flow, file_usage, metadata, walk_entries};
use imgprep_map::{Error, FileId, FileUse, Files, ReadAt};

use crate::clusters::DiskClusters;
use crate::layout::{OFFSET_MASK, REFCOUNT_TABLE_BYTES};
use crate::map::Map;

type Visit<'f> = &'f mut dyn FnMut(FileUse) -> ControlFlow<()>;

impl Map {
    /// Reports the use of the file by the disk that is read and by tables.
    ///
    /// Includes every table of the image that can be found without reading the clusters of another disk.
    pub(crate) fn report_usage(&self, files: &dyn Files, visit: Visit<'_>) -> Result<(), Error> {
        let Some(file) = files.get(FileId::SELF) else { return Ok(()) };
        if self.header.refusal().is_some() || self.report_fixed(file, visit).is_break() {
            return Ok(());
        }
        if self.report_refcounts(file, visit)?.is_break() {
            return Ok(());
        }
        if self.header.has_extended_l2() {
            file_usage(&DiskClusters::<16>::new(self, files), file, visit)
        } else {
            file_usage(&DiskClusters::<8>::new(self, files), file, visit)
        }
    }

    fn report_fixed(&self, file: &dyn ReadAt, visit: Visit<'_>) -> ControlFlow<()> {
        let clipped = |range: Range<u64>| range.start..range.end.min(file.len());
        visit(metadata(clipped(0..self.header.cluster_size()), "the header"))?;
        // Every disk of the image has its own L1 table. The L1 table of a snapshot is not read if it extends
        // past the end of the file.
        for table in self.l1_tables.iter().filter(|table| !table.is_empty() && table.end <= file.len()) {
            visit(metadata(table.clone(), "an L1 table"))?;
        }
        self.snapshot_table
            .iter()
            .try_for_each(|table| visit(metadata(clipped(table.clone()), "the snapshot table")))
    }

    /// Reports the refcount table and its blocks.
    ///
    /// Reading does not use them, so their errors are not reported here.
    fn report_refcounts(&self, file: &dyn ReadAt, visit: Visit<'_>) -> Flow {
        let start = self.header.raw.refcount_offset;
        let len = u64::from(self.header.raw.refcount_clusters) << self.header.cluster_bits;
        // No image needs more. The excess of a larger size in the header is not walked.
        let len = len.min(REFCOUNT_TABLE_BYTES);
        let end = start.saturating_add(len).min(file.len());
        if start >= end {
            return Ok(ControlFlow::Continue(()));
        }
        if visit(metadata(start..end, "the refcount table")).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        walk_entries(file, start, 0..(end - start) / 8, u64::from_be_bytes, |entry| {
            let block = entry.value & OFFSET_MASK;
            let block_end = block.saturating_add(self.header.cluster_size());
            if block == 0 || block_end > file.len() {
                return Ok(ControlFlow::Continue(()));
            }
            Ok(visit(metadata(block..block_end, "a refcount block")))
        })
    }
}
