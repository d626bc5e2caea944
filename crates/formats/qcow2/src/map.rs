//! A disk of an image: its tables and the meaning of its L2 entries.

use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use imgprep_format_kit::{EntryRun, Invalid, TwoLevel};
use imgprep_map::{CompressedLen, ExtentBuilder, FileId, ReadAt, Source};

use crate::disk::Disk;
use crate::error::HEADER_CODES;
use crate::header::Header;
use crate::layout::SUBCLUSTERS;
use crate::snapshot;
use crate::tables::{Cluster, Entry, Rules, Subcluster, subcluster};

pub(crate) struct Map {
    pub(crate) header: Header,
    pub(crate) disk: Disk,
    pub(crate) rules: Rules,
    /// File ranges of all L1 tables of the image.
    pub(crate) l1_tables: Vec<Range<u64>>,
    pub(crate) snapshot_table: Option<Range<u64>>,
    /// Tables that only a check reads.
    pub(crate) tables: Tables,
    /// Bytes of memory that a check may use.
    pub(crate) budget: u64,
    data_file: FileId,
    pub(crate) unallocated: Source,
}

/// Tables that reading the disk does not need.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables {
    pub(crate) snapshots: Vec<snapshot::Entry>,
    /// File offset, length in bytes and number of entries of the bitmap directory.
    pub(crate) bitmaps: Option<(u64, u64, u32)>,
    /// File offset and length of the LUKS header.
    pub(crate) crypto: Option<(u64, u64)>,
}

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

    /// The file that stores data clusters.
    pub(crate) fn data_file(&self) -> FileId {
        self.data_file
    }

    /// Bytes of an L2 entry.
    pub(crate) fn entry_bytes(&self) -> u64 {
        if self.header.has_extended_l2() { 16 } else { 8 }
    }

    /// File offset of the L2 table that an L1 entry references.
    ///
    /// `None` if nothing is allocated. Fails if the table extends past the end of the file.
    pub(crate) fn table(&self, file: &dyn ReadAt, l1: &EntryRun) -> Result<Option<u64>, Invalid> {
        let bits = self.header.cluster_bits;
        let Some(table) = crate::tables::l1(l1.value, l1.at, bits)? else { return Ok(None) };
        HEADER_CODES.check_table(file, l1.at, "an L2 table", table, self.header.cluster_size())?;
        Ok(Some(table))
    }

    /// The shape of the tables.
    pub(crate) fn shape(&self) -> TwoLevel {
        TwoLevel {
            l1: self.disk.l1_at,
            decode: u64::from_be_bytes,
            l2_entries: self.header.l2_entries(),
            cluster_size: self.header.cluster_size(),
            disk_size: self.disk.size,
        }
    }

    /// Bytes of the cluster at disk offset `disk` that are stored and read.
    ///
    /// They end with the disk, and with the last allocated subcluster of an extended entry. QEMU's files may
    /// end there.
    pub(crate) fn stored_len(&self, entry: Entry, disk: u64) -> u64 {
        let seen = self.header.cluster_size().min(self.disk.size.saturating_sub(disk));
        let Some(bitmap) = entry.bitmap else { return seen };
        let allocated = bitmap & 0xffff_ffff;
        let last = u64::from(64 - allocated.leading_zeros());
        seen.min(last * (self.header.cluster_size() / SUBCLUSTERS))
    }

    pub(crate) fn source(&self, cluster: Cluster, disk: u64) -> Source {
        match cluster {
            Cluster::Unallocated => self.unallocated.clone(),
            Cluster::Zero { .. } => Source::Zero { explicit: true },
            Cluster::Data { at } => Source::Data { file: self.data_file, at },
            Cluster::Compressed { at, len } => Source::Compressed {
                file: FileId::SELF,
                at,
                len: CompressedLen::AtMost(len),
                codec: self.header.codec,
                block: disk..disk + self.header.cluster_size(),
            },
        }
    }

    pub(crate) fn push_subclusters(
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
}
