//! Meaning of the entries of L1 and L2 for the disk.

use core::ops::{ControlFlow, Range};

use imgprep_format_kit::{Clusters, EntryRun, Flow, Invalid, TwoLevel};
use imgprep_map::{Code, ExtentBuilder, FileId, FileUse, ReadAt, Source, UseKind};

use crate::codes;
use crate::error::HEADER_CODES;
use crate::header::Header;
use crate::tables::{Cluster, l1, l2};

/// Entries of a table per stride: 64 KiB.
pub(crate) const STRIDE_ENTRIES: u64 = 8192;

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
    fn cluster(&self, entry: &EntryRun, disk: u64, file_len: u64) -> Result<Cluster, Invalid> {
        let cluster = l2(&self.header, entry.value, entry.at)?;
        if let Cluster::Data { at } = cluster {
            let end = self.stored(at, disk).end;
            if end > file_len {
                return Err(Invalid::DataPastEnd {
                    code: codes::L2_PAST_END,
                    at: entry.at,
                    start: at,
                    end,
                    file_len,
                });
            }
        }
        Ok(cluster)
    }

    /// Bytes of the file that store the cluster at disk offset `disk`.
    ///
    /// They end with the disk.
    pub(crate) fn stored(&self, at: u64, disk: u64) -> Range<u64> {
        let seen = self.header.cluster_size.min(self.header.raw.image_size.saturating_sub(disk));
        at..at.saturating_add(seen)
    }

    fn source(&self, cluster: Cluster) -> Source {
        match cluster {
            Cluster::Unallocated => self.unallocated.clone(),
            Cluster::Zero => Source::Zero { explicit: true },
            Cluster::Data { at } => Source::Data { file: FileId::SELF, at },
        }
    }
}

impl Clusters<8> for Map {
    type Entry = u64;
    const REPEATED: &'static Code = codes::TABLE_REPEATED;
    const TABLE: &'static str = "an L2 table";

    fn shape(&self) -> TwoLevel {
        TwoLevel {
            l1: self.header.raw.l1_table_offset,
            decode: u64::from_le_bytes,
            l2_entries: self.header.table_entries,
            cluster_size: self.header.cluster_size,
            disk_size: self.header.raw.image_size,
        }
    }

    fn unallocated(&self) -> Source {
        self.unallocated.clone()
    }

    fn decode(bytes: [u8; 8]) -> u64 {
        u64::from_le_bytes(bytes)
    }

    fn table(&self, file: &dyn ReadAt, entry: &EntryRun) -> Result<Option<u64>, Invalid> {
        let Some(table) = l1(&self.header, entry.value, entry.at)? else { return Ok(None) };
        HEADER_CODES.check_table(file, entry.at, "an L2 table", table, self.header.table_bytes())?;
        Ok(Some(table))
    }

    fn push(&self, file: &dyn ReadAt, entry: &EntryRun, disk: u64, builder: &mut ExtentBuilder<'_>) -> Flow {
        let cluster = self.cluster(entry, disk, file.len())?;
        Ok(builder.push(entry.count * self.header.cluster_size, self.source(cluster)))
    }

    fn report_use(
        &self,
        file: &dyn ReadAt,
        entry: &EntryRun,
        disk: u64,
        visit: &mut dyn FnMut(FileUse) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Ok(Cluster::Data { at }) = self.cluster(entry, disk, file.len()) else {
            return ControlFlow::Continue(());
        };
        let (range, kind) = (self.stored(at, disk), UseKind::Data);
        visit(FileUse { file: FileId::SELF, range, kind, disk: Some(disk) })
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::vec;
    use alloc::vec::Vec;

    use imgprep_map::{DiskMap, Error, Extent, Limits, ReadError};

    use super::*;

    /// A sparse file of words: every page without one is a hole.
    struct Sparse {
        words: BTreeMap<u64, u64>,
        len: u64,
    }

    impl ReadAt for Sparse {
        fn len(&self) -> u64 {
            self.len
        }
        fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
            let end = at + buf.len() as u64;
            assert!(self.words.range(at / 8..end.div_ceil(8)).next().is_some(), "a hole is read at {at}");
            for (place, byte) in (at..).zip(buf) {
                let word = self.words.get(&(place / 8)).copied().unwrap_or(0).to_le_bytes();
                *byte = word[usize::try_from(place % 8).unwrap()];
            }
            Ok(())
        }
        fn next_data(&self, at: u64) -> u64 {
            // Pages of 4 KiB.
            let word = self.words.range(at / 4096 * 512..).next();
            word.map_or(self.len, |(word, _)| (word / 512 * 4096).max(at))
        }
    }

    /// An image with the largest clusters, 64 MiB, and tables, 16 clusters.
    fn largest(size: u64, entries: &[(u64, u64)]) -> (Sparse, Map) {
        const CLUSTER: u64 = 64 << 20;
        let mut words = BTreeMap::from([
            (0, u64::from(u32::from_le_bytes(*b"QED\0")) | CLUSTER << 32),
            (1, 16 | 1 << 32),
            (5, CLUSTER),
            (6, size),
        ]);
        words.extend(entries.iter().map(|(at, value)| (at / 8, *value)));
        let file = Sparse { words, len: 100 * CLUSTER };
        let header = Header::read(&file, &Limits::default()).unwrap();
        (file, Map::new(&header))
    }

    fn extents(file: &Sparse, map: &Map, range: Range<u64>) -> Result<Vec<Extent>, Error> {
        let mut all = Vec::new();
        let mut take = |extent| {
            all.push(extent);
            ControlFlow::Continue(())
        };
        let file: &dyn ReadAt = file;
        map.visit(&file, range, &mut take).map(|()| all)
    }

    const HOLE: Source = Source::Zero { explicit: false };

    #[test]
    fn the_largest_tables_cost_what_they_hold() {
        const CLUSTER: u64 = 64 << 20;
        let (table, data) = (17 * CLUSTER, 40 * CLUSTER);
        // The last table of a disk of almost 2^64 bytes; its entries 5 and 6.
        let last = CLUSTER + 2047 * 8;
        let entries = [(last, table), (table + 5 * 8, data), (table + 6 * 8, 1)];
        let (file, map) = largest(u64::MAX, &entries);
        let start = 2047 << 53;
        let at = |index: u64| start + index * CLUSTER;
        let want = [
            Extent { disk: 0..at(5), source: HOLE },
            Extent { disk: at(5)..at(6), source: Source::Data { file: FileId::SELF, at: data } },
            Extent { disk: at(6)..at(7), source: Source::Zero { explicit: true } },
            Extent { disk: at(7)..u64::MAX, source: HOLE },
        ];
        assert_eq!(extents(&file, &map, 0..u64::MAX).unwrap(), want);
        let inside = at(5) + 1000..at(5) + 1010;
        let part = Source::Data { file: FileId::SELF, at: data + 1000 };
        let want = vec![Extent { disk: inside.clone(), source: part }];
        assert_eq!(extents(&file, &map, inside).unwrap(), want);
    }

    #[test]
    fn an_error_names_the_entry_and_the_lost_cluster() {
        const CLUSTER: u64 = 64 << 20;
        let table = 17 * CLUSTER;
        let (file, map) = largest(10 * CLUSTER + 1, &[(CLUSTER, table), (table + 10 * 8, 100 * CLUSTER)]);
        let error = extents(&file, &map, 0..u64::MAX).unwrap_err();
        assert_eq!(error.disk(), Some(10 * CLUSTER..10 * CLUSTER + 1));
        let start = 100 * CLUSTER;
        let past = Invalid::DataPastEnd {
            code: codes::L2_PAST_END,
            at: table + 80,
            start,
            end: start + 1,
            file_len: start,
        };
        assert_eq!(error.detail(), Some(&past));
    }
}
