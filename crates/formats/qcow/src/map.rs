//! Meaning of the entries of L1 and L2 for the disk.

use core::ops::{ControlFlow, Range};

use imgprep_format_kit::{Clusters, EntryRun, Flow, Invalid, TwoLevel};
use imgprep_map::{Code, Codec, CompressedLen, ExtentBuilder, FileId, FileUse, ReadAt, Source, UseKind};

use crate::codes;
use crate::error::HEADER_CODES;
use crate::header::Header;
use crate::tables::{Cluster, l1, l2};

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

    /// Decodes the entry of the cluster at disk offset `disk`.
    ///
    /// Fails if the bytes of the cluster that are read extend past the end of the file.
    pub(crate) fn cluster(&self, entry: &EntryRun, disk: u64, file_len: u64) -> Result<Cluster, Invalid> {
        let cluster = l2(entry.value, entry.at, self.header.cluster_bits)?;
        let Some(range) = self.stored(cluster, disk) else { return Ok(cluster) };
        if range.end > file_len {
            let Range { start, end } = range;
            return Err(Invalid::DataPastEnd {
                code: codes::L2_PAST_END,
                at: entry.at,
                start,
                end,
                file_len,
            });
        }
        Ok(cluster)
    }

    /// Bytes of the file that store the cluster at disk offset `disk`.
    ///
    /// A plain cluster ends with the disk. `None` if the cluster is unallocated.
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

    fn source(&self, cluster: Cluster, disk: u64) -> Source {
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
}

impl Clusters<8> for Map {
    type Entry = u64;
    const REPEATED: &'static Code = codes::TABLE_REPEATED;
    const TABLE: &'static str = "an L2 table";

    fn shape(&self) -> TwoLevel {
        TwoLevel {
            l1: self.header.raw.l1_offset,
            decode: u64::from_be_bytes,
            l2_entries: self.header.l2_entries,
            cluster_size: self.header.cluster_size(),
            disk_size: self.header.raw.size,
        }
    }

    fn unallocated(&self) -> Source {
        self.unallocated.clone()
    }

    fn decode(bytes: [u8; 8]) -> u64 {
        u64::from_be_bytes(bytes)
    }

    fn table(&self, file: &dyn ReadAt, entry: &EntryRun) -> Result<Option<u64>, Invalid> {
        let Some(table) = l1(entry.value, entry.at, self.header.cluster_bits)? else { return Ok(None) };
        HEADER_CODES.check_table(file, entry.at, "an L2 table", table, self.header.l2_bytes())?;
        Ok(Some(table))
    }

    fn push(&self, file: &dyn ReadAt, entry: &EntryRun, disk: u64, builder: &mut ExtentBuilder<'_>) -> Flow {
        let cluster = self.cluster(entry, disk, file.len())?;
        Ok(builder.push(entry.count * self.header.cluster_size(), self.source(cluster, disk)))
    }

    fn report_use(
        &self,
        file: &dyn ReadAt,
        entry: &EntryRun,
        disk: u64,
        visit: &mut dyn FnMut(FileUse) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Ok(cluster) = self.cluster(entry, disk, file.len()) else { return ControlFlow::Continue(()) };
        let Some(range) = self.stored(cluster, disk) else { return ControlFlow::Continue(()) };
        let is_compressed = matches!(cluster, Cluster::Compressed { .. });
        let kind = if is_compressed { UseKind::Compressed } else { UseKind::Data };
        visit(FileUse { file: FileId::SELF, range, kind, disk: Some(disk) })
    }
}
