//! Where the bytes are: a walk over L1 and L2.

use core::ops::{ControlFlow, Range};

use imgprep_format_kit::Invalid;
use imgprep_map::{
    Codec, CompressedLen, EntryRun, Error, ExtentBuilder, FileId, ReadAt, RevisitLimiter, Source,
    walk_entries,
};

use crate::entry::{Cluster, l1, l2};
use crate::error::HEADER_CODES;
use crate::header::Header;

pub(crate) struct Map {
    pub(crate) header: Header,
    unallocated: Source,
}

impl Map {
    pub(crate) fn new(header: &Header) -> Self {
        let has_parent = header.backing_name.is_some();
        Self {
            unallocated: if has_parent { Source::Parent } else { Source::Zero { explicit: false } },
            header: header.clone(),
        }
    }

    /// Bytes of the disk that L1 entries describe, clipped to the disk.
    pub(crate) fn described(&self, run: &EntryRun) -> Range<u64> {
        let coverage = self.header.l2_coverage();
        let end = run.index.saturating_add(run.count).saturating_mul(coverage);
        // OK: an entry of the table begins inside the disk, by the table's length.
        run.index * coverage..end.min(self.header.raw.size)
    }

    /// The L2 table that an L1 entry names, inside the file.
    pub(crate) fn table(&self, file: &dyn ReadAt, entry: &EntryRun) -> Result<Option<u64>, Invalid> {
        let Some(table) = l1(entry.value, entry.at, self.header.cluster_bits)? else { return Ok(None) };
        HEADER_CODES.check_table(file, entry.at, "an L2 table", table, self.header.l2_bytes())?;
        Ok(Some(table))
    }

    /// The cluster at `disk`, all that is read of it inside the file.
    pub(crate) fn cluster(&self, entry: &EntryRun, disk: u64, file_len: u64) -> Result<Cluster, Invalid> {
        let cluster = l2(entry.value, entry.at, self.header.cluster_bits)?;
        let Some(range) = self.stored(cluster, disk) else { return Ok(cluster) };
        if range.end > file_len {
            let Range { start, end } = range;
            return Err(Invalid::DataPastEnd {
                code: "qcow.l2.past-end",
                at: entry.at,
                start,
                end,
                file_len,
            });
        }
        Ok(cluster)
    }

    /// Bytes of the file that hold the cluster at `disk`: of a plain one up to the disk's end.
    pub(crate) fn stored(&self, cluster: Cluster, disk: u64) -> Option<Range<u64>> {
        match cluster {
            Cluster::Unallocated => None,
            Cluster::Data { at } => {
                let seen = self.header.cluster_size().min(self.header.raw.size.saturating_sub(disk));
                Some(at..at.saturating_add(seen))
            }
            Cluster::Compressed { at, len } => Some(at..at.saturating_add(len.into())),
        }
    }

    pub(crate) fn source(&self, cluster: Cluster, disk: u64) -> Source {
        match cluster {
            Cluster::Unallocated => self.unallocated.clone(),
            Cluster::Data { at } => Source::Data { file: FileId::SELF, at },
            Cluster::Compressed { at, len } => Source::Compressed {
                file: FileId::SELF,
                at,
                len: CompressedLen::Exact(len),
                codec: Codec::Deflate,
                block: disk..disk.saturating_add(self.header.cluster_size()),
            },
        }
    }

    /// Pushes the clusters of `range` that the table at `table` describes.
    fn walk_table(
        &self,
        file: &dyn ReadAt,
        table: u64,
        disk: &Range<u64>,
        range: &Range<u64>,
        builder: &mut ExtentBuilder<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        let size = self.header.cluster_size();
        let first = (range.start.max(disk.start) - disk.start) / size;
        // OK: at most `l2_entries`, by the table's coverage.
        let end = (range.end.min(disk.end) - disk.start).div_ceil(size);
        walk_entries(file, table, first..end, u64::from_be_bytes, &mut |entry| {
            let at = disk.start + entry.index * size;
            let lost = at..at.saturating_add(size).min(disk.end);
            let found = self.cluster(&entry, at, file.len());
            let cluster = found.map_err(|error| Error::new(error).hitting(lost))?;
            Ok(builder.push(entry.count * size, self.source(cluster, at)))
        })
    }

    pub(crate) fn walk(
        &self,
        file: &dyn ReadAt,
        range: &Range<u64>,
        builder: &mut ExtentBuilder<'_>,
    ) -> Result<(), Error> {
        let coverage = self.header.l2_coverage();
        let entries = range.start / coverage..range.end.div_ceil(coverage);
        let mut revisits = RevisitLimiter::new(file.len());
        let _ = walk_entries(file, self.header.raw.l1_offset, entries, u64::from_be_bytes, &mut |entry| {
            let disk = self.described(&entry);
            let table = self.table(file, &entry);
            match table.map_err(|error| Error::new(error).hitting(disk.clone()))? {
                None => Ok(builder.push(disk.end - builder.at(), self.unallocated.clone())),
                Some(table) if revisits.may_walk(table, self.header.l2_bytes()) => {
                    self.walk_table(file, table, &disk, range, builder)
                }
                Some(table) => {
                    let error =
                        Invalid::TablesRepeated { code: "qcow.table.repeated", at: entry.at, found: table };
                    Err(Error::new(error).hitting(builder.at().max(range.start)..range.end))
                }
            }
        })?;
        Ok(())
    }
}
