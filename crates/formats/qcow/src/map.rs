//! Where the bytes are: a walk over L1 and L2.

use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use imgprep_map::{
    Checked, Claim, Codec, Contradictions, DiskMap, EntryRun, Error, FileId, Files, Finding, PackedLen,
    ReadAt, Repeats, Severity, Source, Tiler, Visitor, walk_entries,
};

use crate::Corrupt;
use crate::entry::{Cluster, l1, l2};
use crate::header::{Header, check_table};

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
    pub(crate) fn table(&self, file: &dyn ReadAt, entry: &EntryRun) -> Result<Option<u64>, Corrupt> {
        let Some(table) = l1(entry.value, entry.at, self.header.cluster_bits)? else { return Ok(None) };
        check_table(file, entry.at, "an L2 table", table, self.header.l2_bytes())?;
        Ok(Some(table))
    }

    /// The cluster at `disk`, all that is read of it inside the file.
    pub(crate) fn cluster(&self, entry: &EntryRun, disk: u64, file_len: u64) -> Result<Cluster, Corrupt> {
        let cluster = l2(entry.value, entry.at, self.header.cluster_bits)?;
        let Some(range) = self.stored(cluster, disk) else { return Ok(cluster) };
        if range.end > file_len {
            let Range { start, end } = range;
            return Err(Corrupt::DataPastEnd { at: entry.at, start, end, file_len });
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
            Cluster::Packed { at, len } => Some(at..at.saturating_add(len.into())),
        }
    }

    fn source(&self, cluster: Cluster, disk: u64) -> Source {
        match cluster {
            Cluster::Unallocated => self.unallocated.clone(),
            Cluster::Data { at } => Source::Data { file: FileId::SELF, at },
            Cluster::Packed { at, len } => Source::Packed {
                file: FileId::SELF,
                at,
                len: PackedLen::Exact(len),
                codec: Codec::Deflate,
                unit: disk..disk.saturating_add(self.header.cluster_size()),
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
        tiler: &mut Tiler<'_>,
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
            Ok(tiler.push(entry.count * size, self.source(cluster, at)))
        })
    }

    fn walk(&self, file: &dyn ReadAt, range: &Range<u64>, tiler: &mut Tiler<'_>) -> Result<(), Error> {
        let coverage = self.header.l2_coverage();
        let entries = range.start / coverage..range.end.div_ceil(coverage);
        let mut repeats = Repeats::new(file.len());
        let _ = walk_entries(file, self.header.raw.l1_offset, entries, u64::from_be_bytes, &mut |entry| {
            let disk = self.described(&entry);
            let table = self.table(file, &entry);
            match table.map_err(|error| Error::new(error).hitting(disk.clone()))? {
                None => Ok(tiler.push(disk.end - tiler.at(), self.unallocated.clone())),
                Some(table) if repeats.may_walk(table, self.header.l2_bytes()) => {
                    self.walk_table(file, table, &disk, range, tiler)
                }
                Some(table) => {
                    let error = Corrupt::TablesRepeated { at: entry.at, found: table };
                    Err(Error::new(error).hitting(tiler.at().max(range.start)..range.end))
                }
            }
        })?;
        Ok(())
    }
}

impl DiskMap for Map {
    fn size(&self) -> u64 {
        self.header.raw.size
    }

    fn stride(&self) -> u64 {
        self.header.l2_coverage()
    }

    fn visit(&self, files: &dyn Files, range: Range<u64>, visitor: Visitor<'_>) -> Result<(), Error> {
        let Some(file) = files.get(FileId::SELF) else { return Ok(()) };
        let first = range.start & !(self.header.cluster_size() - 1);
        Tiler::visit(range, self.header.raw.size, first, visitor, |range, tiler| {
            match self.header.refusal() {
                Some(refusal) => Err(refusal.hitting(range.clone())),
                None => self.walk(file, range, tiler),
            }
        })
    }

    fn claims(
        &self,
        files: &dyn Files,
        visitor: &mut dyn FnMut(Claim) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.walk_claims(files, visitor)
    }

    fn check(
        &self,
        files: &dyn Files,
        found: &mut dyn FnMut(Finding) -> ControlFlow<()>,
    ) -> Result<Checked, Error> {
        crate::check::check(self, files, found)
    }

    /// Entries behind the disk, the name of a backing file that is not set, and clusters that nothing names: an entry
    /// may have been lost. Where clusters are
    /// compressed, QEMU leaves their payload behind when they are written to, so lost clusters mean nothing there.
    /// The check's walks over the tables are as cheap as the one that follows them.
    fn cross_check(&self, files: &dyn Files) -> Result<Vec<Finding>, Error> {
        if self.header.refusal().is_some() {
            return Ok(Vec::new());
        }
        let (mut beyond, mut lost) = (Contradictions::default(), Contradictions::default());
        let checked = self.check(files, &mut |finding| {
            match finding.code {
                "qcow.check.beyond-disk" | "qcow.backing.unplaced" => beyond.add_finding(finding),
                "qcow.check.leak" | "qcow.check.trailing" | "qcow.check.remains"
                    if finding.severity > Severity::Note =>
                {
                    lost.add_finding(finding);
                }
                _ => {}
            }
            ControlFlow::Continue(())
        })?;
        let mut found = beyond.into_findings();
        if checked.packed.unwrap_or(0) == 0 {
            found.extend(lost.into_findings());
        }
        Ok(found)
    }
}
