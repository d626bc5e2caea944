//! The clusters of a disk: their sources and their use of the files.

use core::ops::{ControlFlow, Range};

use imgprep_format_kit::{Clusters, EntryRun, Flow, Invalid, TwoLevel};
use imgprep_map::{Code, Error, ExtentBuilder, FileId, FileUse, Files, ReadAt, Source, UseKind};

use crate::Corrupt;
use crate::codes;
use crate::map::Map;
use crate::tables::{Cluster, Entry, check_subclusters};

/// The clusters of a disk.
///
/// L2 entries have `N` bytes: 16 if they are extended, else 8.
pub(crate) struct DiskClusters<'m, const N: usize> {
    map: &'m Map,
    /// Length of the file that stores plain clusters.
    data_len: u64,
}

impl<'m, const N: usize> DiskClusters<'m, N> {
    pub(crate) fn new(map: &'m Map, files: &dyn Files) -> Self {
        Self { map, data_len: files.get(map.data_file()).map_or(0, ReadAt::len) }
    }

    /// Checks that data ends, and that compressed data begins, inside its file.
    #[inline]
    fn check_place(
        &self,
        l2: &EntryRun<Entry>,
        cluster: Cluster,
        disk: u64,
        file: &dyn ReadAt,
    ) -> Result<(), Error> {
        match cluster {
            Cluster::Data { at } => {
                let end = at.saturating_add(self.map.stored_len(l2.value, disk));
                if end > self.data_len {
                    return Err(past_end(l2.at, at..end, self.data_len));
                }
                if self.map.header.has_data_file() && at != disk {
                    return Err(Corrupt::NotRaw { at: l2.at, expected: disk, found: at }.into());
                }
                Ok(())
            }
            Cluster::Compressed { at, len } if at >= file.len() => {
                Err(past_end(l2.at, at..at.saturating_add(len.into()), file.len()))
            }
            _ => Ok(()),
        }
    }
}

impl<const N: usize> Clusters<N> for DiskClusters<'_, N> {
    type Entry = Entry;
    const REPEATED: &'static Code = codes::TABLE_REPEATED;
    const TABLE: &'static str = "the L2 table";

    fn shape(&self) -> TwoLevel {
        self.map.shape()
    }

    fn unallocated(&self) -> Source {
        self.map.unallocated.clone()
    }

    fn decode(bytes: [u8; N]) -> Entry {
        Entry::decode(bytes)
    }

    fn table(&self, file: &dyn ReadAt, l1: &EntryRun) -> Result<Option<u64>, Invalid> {
        self.map.table(file, l1)
    }

    #[inline]
    fn push(
        &self,
        file: &dyn ReadAt,
        l2: &EntryRun<Entry>,
        disk: u64,
        builder: &mut ExtentBuilder<'_>,
    ) -> Flow {
        let cluster = self.map.rules.l2(l2.value.descriptor, l2.at)?;
        self.check_place(l2, cluster, disk, file)?;
        if let Some(bitmap) = l2.value.bitmap {
            check_subclusters(bitmap, cluster, l2.at + 8)?;
            if l2.count == 1 && !matches!(cluster, Cluster::Compressed { .. }) {
                return Ok(self.map.push_subclusters(bitmap, cluster, builder));
            }
        }
        let len = l2.count * self.map.header.cluster_size();
        Ok(builder.push(len, self.map.source(cluster, disk)))
    }

    #[inline]
    fn report_use(
        &self,
        _: &dyn ReadAt,
        l2: &EntryRun<Entry>,
        disk: u64,
        visit: &mut dyn FnMut(FileUse) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match self.map.rules.l2(l2.value.descriptor, l2.at) {
            Ok(Cluster::Data { at } | Cluster::Zero { kept: Some(at) }) => {
                let range = at..at.saturating_add(self.map.stored_len(l2.value, disk));
                // `visit` reports data past the end, with the offset of the entry.
                if range.is_empty() || range.end > self.data_len {
                    return ControlFlow::Continue(());
                }
                let file = self.map.data_file();
                visit(FileUse { file, range, kind: UseKind::Data, disk: Some(disk) })
            }
            Ok(Cluster::Compressed { at, len }) => {
                let (range, kind) = (at..at.saturating_add(len.into()), UseKind::CompressedAtMost);
                visit(FileUse { file: FileId::SELF, range, kind, disk: Some(disk) })
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

fn past_end(at: u64, data: Range<u64>, file_len: u64) -> Error {
    let (code, Range { start, end }) = (codes::L2_PAST_END, data);
    Invalid::DataPastEnd { code, at, start, end, file_len }.into()
}
