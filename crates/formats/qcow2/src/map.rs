//! Where the bytes are: a walk over L1 and L2, one table at a time.

use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use byteorder::{BigEndian, ByteOrder};
use imgprep_format_kit::Invalid;
use imgprep_map::{
    Codec, CompressedLen, EntryRun, Error, ExtentBuilder, FileId, Files, ReadAt, RevisitLimiter, Source,
    usize_of, walk_entries,
};

use crate::Corrupt;
use crate::disk::Disk;
use crate::entry::{Cluster, Rules, Subcluster, check_subclusters, l1, subcluster};
use crate::error::HEADER_CODES;
use crate::header::Header;
use crate::layout::SUBCLUSTERS;
use crate::snapshot::Entry;

pub(crate) struct Map {
    pub(crate) header: Header,
    pub(crate) disk: Disk,
    pub(crate) rules: Rules,
    /// All L1 tables of the image: place and length.
    pub(crate) l1_tables: Vec<Range<u64>>,
    pub(crate) snapshot_table: Option<Range<u64>>,
    /// What only a check reads.
    pub(crate) tables: Tables,
    /// Bytes of memory that a check may take.
    pub(crate) budget: u64,
    data_file: FileId,
    unallocated: Source,
}

/// Tables that are not read for the disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables {
    pub(crate) snapshots: Vec<Entry>,
    /// Place, length and entries of the bitmap directory.
    pub(crate) bitmaps: Option<(u64, u64, u32)>,
    /// Place and length of the LUKS header.
    pub(crate) crypto: Option<(u64, u64)>,
}

/// One L2 table and the part of the disk that it describes.
pub(crate) struct Table {
    pub(crate) at: u64,
    pub(crate) disk: Range<u64>,
}

/// What is done with an entry: its file offset, its bytes, its place on the disk.
pub(crate) type EachEntry<'a> = &'a mut dyn FnMut(u64, &[u8], u64) -> Result<(), Error>;

impl Map {
    pub(crate) fn new(header: &Header, disk: Disk, has_parent: bool, tables: Tables, budget: u64) -> Self {
        let snapshots = &tables.snapshots;
        let table = |disk: &Disk| disk.l1_at..disk.l1_at.saturating_add(disk.l1_entries * 8);
        let mut l1_tables = Vec::from([table(&Disk::active(header))]);
        l1_tables.extend(snapshots.iter().map(|entry| table(&entry.disk(header))));
        let snapshot_table = snapshots.last().map(|last| header.raw.snapshots_offset..last.at + 40);
        Self {
            disk,
            budget,
            rules: Rules {
                cluster_bits: header.cluster_bits,
                has_zero_flag: header.is_v3() && !header.has_extended_l2(),
                has_data_file: header.has_data_file(),
            },
            l1_tables,
            snapshot_table,
            tables,
            data_file: if header.has_data_file() { FileId::associated(0) } else { FileId::SELF },
            unallocated: if has_parent { Source::Parent } else { Source::Zero { explicit: false } },
            header: header.clone(),
        }
    }

    /// The file that holds clusters of data.
    pub(crate) fn data_file(&self) -> FileId {
        self.data_file
    }

    /// Bytes of an L2 entry.
    pub(crate) fn entry_bytes(&self) -> u64 {
        if self.header.has_extended_l2() { 16 } else { 8 }
    }

    /// The L2 table that an L1 entry names; `None` where nothing is allocated.
    pub(crate) fn table(&self, file: &dyn ReadAt, entry: EntryRun) -> Result<Option<Table>, Error> {
        let coverage = self.header.l2_coverage();
        let start = entry.index * coverage;
        let disk = start..start.saturating_add(coverage);
        let lost = disk.start..disk.end.min(self.disk.size);
        let hit = |error: Invalid| Error::new(error).hitting(lost.clone());
        let Some(table) = l1(entry.value, entry.at, self.header.cluster_bits).map_err(hit)? else {
            return Ok(None);
        };
        HEADER_CODES
            .check_table(file, entry.at, "an L2 table", table, self.header.cluster_size())
            .map_err(hit)?;
        Ok(Some(Table { at: table, disk }))
    }

    /// Calls `each` for every entry of a table that is not zero, with its file offset and its place on the disk.
    pub(crate) fn entries(&self, file: &dyn ReadAt, table: &Table, each: EachEntry<'_>) -> Result<(), Error> {
        let end = table.at.saturating_add(self.header.cluster_size());
        if file.next_data(table.at) >= end {
            return Ok(());
        }
        // OK: a cluster, at most 2 MiB, which `table` found inside the file.
        let bytes = file.slice(table.at, usize_of(self.header.cluster_size()))?;
        // OK: 8 or 16.
        let step = usize_of(self.entry_bytes());
        let mut disk = table.disk.start;
        for (at, entry) in (table.at..end).step_by(step).zip(bytes.chunks_exact(step)) {
            if entry.iter().any(|byte| *byte != 0) {
                each(at, entry, disk)?;
            }
            disk += self.header.cluster_size();
        }
        Ok(())
    }

    /// Pushes the clusters of one table that lie in `range`.
    fn walk_table(
        &self,
        files: (&dyn ReadAt, Option<&dyn ReadAt>),
        table: &Table,
        range: &Range<u64>,
        builder: &mut ExtentBuilder<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        let (file, data) = files;
        let bits = self.header.cluster_bits;
        let first = (range.start.max(table.disk.start) - table.disk.start) >> bits;
        let end = (range.end.min(table.disk.end) - table.disk.start).div_ceil(1 << bits);
        let at = table.at + first * self.entry_bytes();
        // OK: at most a cluster.
        let len = usize_of((end - first) * self.entry_bytes());
        let bytes = file.slice(at, len)?;
        let data_len = data.map_or(0, ReadAt::len);
        let step = if self.header.has_extended_l2() { 16 } else { 8 };
        let mut disk = table.disk.start + (first << bits);
        for (entry_at, entry) in (at..).step_by(step).zip(bytes.chunks_exact(step)) {
            let flow = self.walk_entry(file, entry_at, entry, disk, data_len, builder);
            let lost = disk..(disk + (1 << bits)).min(self.disk.size);
            if flow.map_err(|error| error.hitting(lost))?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            disk += 1 << bits;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn walk_entry(
        &self,
        file: &dyn ReadAt,
        at: u64,
        entry: &[u8],
        disk: u64,
        data_len: u64,
        builder: &mut ExtentBuilder<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        let cluster = self.rules.l2(BigEndian::read_u64(entry), at)?;
        self.check_place((cluster, self.stored_len(entry, disk)), at, disk, file.len(), data_len)?;
        if entry.len() == 16 {
            let bitmap = BigEndian::read_u64(&entry[8..]);
            check_subclusters(bitmap, cluster, at + 8)?;
            if !matches!(cluster, Cluster::Compressed { .. }) {
                return Ok(self.push_subclusters(bitmap, cluster, builder));
            }
        }
        Ok(builder.push(self.header.cluster_size(), self.source(cluster, disk)))
    }

    /// Bytes of the cluster at `disk` that are stored and read: up to the disk's end, and with an
    /// extended entry up to its last allocated subcluster. QEMU's files may end there.
    pub(crate) fn stored_len(&self, entry: &[u8], disk: u64) -> u64 {
        let seen = self.header.cluster_size().min(self.disk.size.saturating_sub(disk));
        let Some(bitmap) = entry.get(8..16) else { return seen };
        let allocated = BigEndian::read_u64(bitmap) & 0xffff_ffff;
        let last = u64::from(64 - allocated.leading_zeros());
        seen.min(last * (self.header.cluster_size() / SUBCLUSTERS))
    }

    /// Data lies inside its file; compressed data begins there.
    fn check_place(
        &self,
        (cluster, stored): (Cluster, u64),
        entry_at: u64,
        disk: u64,
        file_len: u64,
        data_len: u64,
    ) -> Result<(), Error> {
        match cluster {
            Cluster::Data { at } => {
                let end = at.saturating_add(stored);
                if end > data_len {
                    return Err(past_end(entry_at, at..end, data_len));
                }
                if self.header.has_data_file() && at != disk {
                    return Err(Corrupt::NotRaw { at: entry_at, expected: disk, found: at }.into());
                }
                Ok(())
            }
            Cluster::Compressed { at, len } if at >= file_len => {
                let end = at.saturating_add(len.into());
                Err(past_end(entry_at, at..end, file_len))
            }
            _ => Ok(()),
        }
    }

    fn source(&self, cluster: Cluster, disk: u64) -> Source {
        match cluster {
            Cluster::Unallocated => self.unallocated.clone(),
            Cluster::Zero { .. } => Source::Zero { explicit: true },
            Cluster::Data { at } => Source::Data { file: self.data_file, at },
            Cluster::Compressed { at, len } => Source::Compressed {
                file: FileId::SELF,
                at,
                len: CompressedLen::AtMost(len),
                codec: self.codec(),
                block: disk..disk + self.header.cluster_size(),
            },
        }
    }

    fn codec(&self) -> Codec {
        self.header.codec
    }

    fn push_subclusters(
        &self,
        bitmap: u64,
        cluster: Cluster,
        builder: &mut ExtentBuilder<'_>,
    ) -> ControlFlow<()> {
        let len = self.header.cluster_size() / SUBCLUSTERS;
        for index in 0..SUBCLUSTERS {
            let source = match (subcluster(bitmap, index), cluster) {
                (Subcluster::Zero, _) => Source::Zero { explicit: true },
                (Subcluster::Data, Cluster::Data { at }) => {
                    Source::Data { file: self.data_file, at: at + index * len }
                }
                _ => self.unallocated.clone(),
            };
            builder.push(len, source)?;
        }
        ControlFlow::Continue(())
    }

    pub(crate) fn walk(
        &self,
        files: &dyn Files,
        range: &Range<u64>,
        builder: &mut ExtentBuilder<'_>,
    ) -> Result<(), Error> {
        let Some(file) = files.get(FileId::SELF) else { return Ok(()) };
        let data = files.get(self.data_file);
        let coverage = self.header.l2_coverage();
        let mut revisits = RevisitLimiter::new(file.len());
        let entries = range.start / coverage..range.end.div_ceil(coverage);
        let walked = walk_entries(file, self.disk.l1_at, entries, u64::from_be_bytes, &mut |entry| {
            let Some(table) = self.table(file, entry)? else {
                let end = (entry.index + entry.count).saturating_mul(coverage);
                return Ok(builder.push(end - builder.at(), self.unallocated.clone()));
            };
            if !revisits.may_walk(table.at, self.header.cluster_size()) {
                let error =
                    Invalid::TablesRepeated { code: "qcow2.table.repeated", at: entry.at, found: table.at };
                return Err(Error::new(error).hitting(builder.at().max(range.start)..range.end));
            }
            self.walk_table((file, data), &table, range, builder)
        });
        walked.map(|_| ())
    }
}

fn past_end(at: u64, data: Range<u64>, file_len: u64) -> Error {
    let (code, Range { start, end }) = ("qcow2.l2.past-end", data);
    Invalid::DataPastEnd { code, at, start, end, file_len }.into()
}
