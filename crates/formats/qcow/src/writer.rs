//! Writes QCOW, version 1, in one pass, in QEMU's layout.
//!
//! The L1 table follows the header. An L2 table precedes the clusters that it describes. Compressed clusters
//! are stored without alignment.
//!
//! The pages of a table are written as soon as the walk has left them. The header is written last.
//!
//! Memory: one page of the L1 table and an L2 table.

use imgprep_format_kit::PagedTable;
use imgprep_map::{Compression, Emit, Encoding, Error, ImageWriter, Placement, SinkKind, Stored};

use crate::Unsupported;
use crate::layout::{COMPRESSED, ENTRY, HEADER, MAGIC, RawHeader};

/// Window of compressed clusters, as a power of two: QEMU decodes them with 4 KiB.
pub const WINDOW_BITS: u8 = 12;
/// Entries of the largest L1 table that QEMU reads.
const MAX_L1: u64 = (1 << 28) - 1;

/// The size of a cluster in bytes: a power of two from 512 to 64 KiB.
///
/// An L2 table has one cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterSize {
    bits: u8,
}

impl ClusterSize {
    /// `None` if the size is invalid.
    pub fn new(bytes: u64) -> Option<Self> {
        let bits = u8::try_from(bytes.trailing_zeros()).ok()?;
        (bytes.is_power_of_two() && (9..=16).contains(&bits)).then_some(Self { bits })
    }

    fn bytes(self) -> u64 {
        1 << self.bits
    }

    /// Entries of an L2 table, as a power of two: 6 to 13.
    fn l2_bits(self) -> u8 {
        self.bits - 3
    }

    fn l2_entries(self) -> u64 {
        1 << self.l2_bits()
    }

    /// Bytes of the disk that an L2 table describes.
    fn coverage(self) -> u64 {
        self.bytes() << self.l2_bits()
    }

    /// The largest disk, in bytes.
    ///
    /// The offset of a compressed cluster has `63 - bits` bits. Half of them are reserved for tables.
    fn most(self, is_compressed: bool) -> u64 {
        let most = self.coverage() * MAX_L1;
        if is_compressed { most.min(1 << (62 - self.bits)) } else { most }
    }
}

/// 4 KiB, QEMU's default.
impl Default for ClusterSize {
    fn default() -> Self {
        Self { bits: 12 }
    }
}

/// A table of either level.
type Table = PagedTable<u64, 8>;

/// A writer of QCOW images.
pub struct QcowWriter {
    disk_size: u64,
    cluster: ClusterSize,
    /// zlib compression level, if clusters are compressed.
    level: Option<u32>,
    l1: Table,
    /// Number and entries of the L2 table that is being filled.
    l2: Option<(u64, Table)>,
    /// End of the stored data, in bytes.
    end: u64,
}

impl QcowWriter {
    /// Creates a writer for a disk of whole sectors.
    ///
    /// `level` is the zlib level, 1 to 9, if clusters are compressed. A cluster that does not become smaller
    /// stays uncompressed.
    ///
    /// Fails if QEMU would not read the L1 table, or the offsets of compressed clusters could become too large.
    pub fn new(disk_size: u64, cluster: ClusterSize, level: Option<u32>) -> Result<Self, Error> {
        let most = cluster.most(level.is_some());
        if disk_size > most {
            let cluster = cluster.bytes();
            return Err(Unsupported::WriteDiskTooLarge { size: disk_size, cluster, most }.into());
        }
        let l1_entries = disk_size.div_ceil(cluster.coverage());
        let l1 = PagedTable::new(HEADER, l1_entries, 0, u64::to_be_bytes);
        Ok(Self { disk_size, cluster, level, l1, l2: None, end: HEADER + l1_entries * ENTRY })
    }

    /// Allocates a whole cluster. Returns its file offset.
    fn take_cluster(&mut self) -> u64 {
        let at = self.end.next_multiple_of(self.cluster.bytes());
        self.end = at + self.cluster.bytes();
        at
    }

    /// Completes the current L2 table and starts the table `index`.
    ///
    /// Does nothing if `index` is the current table.
    fn open_l2(&mut self, index: u64, out: &mut dyn Emit) -> Result<(), Error> {
        if self.l2.as_ref().is_some_and(|(current, _)| *current == index) {
            return Ok(());
        }
        self.close_l2(out)?;
        let at = self.take_cluster();
        self.l1.set(index, at, out)?;
        self.l2 = Some((index, PagedTable::new(at, self.cluster.l2_entries(), 0, u64::to_be_bytes)));
        Ok(())
    }

    fn close_l2(&mut self, out: &mut dyn Emit) -> Result<(), Error> {
        self.l2.take().map_or(Ok(()), |(_, mut l2)| l2.finish(out))
    }

    /// The L2 entry of a compressed cluster: its length above its offset.
    ///
    /// Both fit, see [`ClusterSize::most`].
    fn descriptor(&self, at: u64, len: u64) -> u64 {
        COMPRESSED | len << (63 - self.cluster.bits) | at
    }

    fn header(&self) -> RawHeader {
        RawHeader {
            magic: MAGIC,
            version: 1,
            backing_offset: 0,
            backing_len: 0,
            mtime: 0,
            size: self.disk_size,
            cluster_bits: self.cluster.bits,
            l2_bits: self.cluster.l2_bits(),
            crypt_method: 0,
            l1_offset: HEADER,
        }
    }
}

impl ImageWriter for QcowWriter {
    fn block(&self) -> u64 {
        self.cluster.bytes()
    }

    fn encoding(&self) -> Encoding {
        self.level.map_or(Encoding::Plain, |level| Encoding::PerBlock {
            compression: Compression::Deflate { level, window_bits: WINDOW_BITS },
            keep_if_smaller: true,
        })
    }

    fn needs(&self) -> SinkKind {
        SinkKind::Random
    }

    fn begin(&mut self, _: &mut dyn Emit) -> Result<(), Error> {
        Ok(())
    }

    fn place(&mut self, block: u64, stored: Stored, out: &mut dyn Emit) -> Result<Placement, Error> {
        let entries = self.cluster.l2_entries();
        self.open_l2(block / entries, out)?;
        let (at, entry) = if stored.is_compressed {
            let at = self.end;
            self.end += stored.len;
            (at, self.descriptor(at, stored.len))
        } else {
            let at = self.take_cluster();
            (at, at)
        };
        if let Some((_, l2)) = &mut self.l2 {
            l2.set(block % entries, entry, out)?;
        }
        Ok(Placement::bare(at))
    }

    fn finish(&mut self, out: &mut dyn Emit) -> Result<u64, Error> {
        self.close_l2(out)?;
        self.l1.finish(out)?;
        out.write(0, &self.header().encode())?;
        Ok(self.end)
    }

    /// All clusters are counted as plain ones.
    ///
    /// A compressed cluster is shorter, even with the padding before the next plain one.
    fn max_len(&self, blocks: u64, _: u64) -> u64 {
        let tables = self.disk_size.div_ceil(self.cluster.coverage());
        let first = (HEADER + tables * ENTRY).next_multiple_of(self.cluster.bytes());
        let clusters = blocks.saturating_add(tables.min(blocks));
        first.saturating_add(clusters.saturating_mul(self.cluster.bytes()))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use core::ops::ControlFlow;

    use imgprep_map::{Codec, CompressedLen, Extent, FileId, ParseOptions, Parsed, ReadAt, Source};

    use super::*;

    fn extents(file: &[u8], size: u64) -> Vec<Extent> {
        let file = file.to_vec();
        let file: &dyn ReadAt = &file;
        let Ok(Parsed::Done(image)) = crate::parse(file, &ParseOptions::default()) else { panic!() };
        let mut all = Vec::new();
        let mut add = |extent| {
            all.push(extent);
            ControlFlow::Continue(())
        };
        image.map.visit(&file, 0..size, &mut add).unwrap();
        all
    }

    fn sized(bytes: u64) -> ClusterSize {
        ClusterSize::new(bytes).unwrap()
    }

    const HOLE: Source = Source::Zero { explicit: false };

    #[test]
    fn cluster_sizes_are_those_that_qemu_reads() {
        let valid: Vec<u64> =
            (0..64).map(|bits| 1 << bits).filter(|size| ClusterSize::new(*size).is_some()).collect();
        assert_eq!(valid, [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536]);
        assert_eq!([0, 1000, u64::MAX].map(ClusterSize::new), [None; 3]);
        assert_eq!(ClusterSize::default(), sized(4096));
    }

    #[test]
    fn clusters_follow_their_tables_in_the_order_of_the_disk() {
        // A table covers 64 clusters of 512 bytes: 32 KiB. Header and L1 end in the first cluster.
        let size = (3 << 15) + 512;
        let mut writer = QcowWriter::new(size, sized(512), None).unwrap();
        let file = imgprep_tests::plain_image(&mut writer, &[1, 2, 128, 192]);
        let place = |cluster: u64| Source::Data { file: FileId::SELF, at: cluster * 512 };
        let want = [
            Extent { disk: 0..512, source: HOLE },
            Extent { disk: 512..3 * 512, source: place(2) },
            Extent { disk: 3 * 512..128 * 512, source: HOLE },
            Extent { disk: 128 * 512..129 * 512, source: place(5) },
            Extent { disk: 129 * 512..192 * 512, source: HOLE },
            Extent { disk: 192 * 512..size, source: place(7) },
        ];
        assert_eq!(extents(&file, size), want);
        assert_eq!(file.len(), 8 * 512);
    }

    #[test]
    fn compressed_clusters_follow_each_other_and_plain_ones_are_aligned() {
        let mut writer = QcowWriter::new(4096, sized(512), Some(6)).unwrap();
        let mut out = imgprep_tests::Emitted::default();
        let stored = [(0, 100, true), (1, 511, true), (3, 512, false), (7, 7, true)];
        let places = stored.map(|(block, len, is_compressed)| {
            writer.place(block, Stored { len, is_compressed }, &mut out).unwrap().at
        });
        assert_eq!(places, [1024, 1124, 2048, 2560]);
        let len = writer.finish(&mut out).unwrap();
        assert!(len == 2567 && len <= writer.max_len(4, 512));
        out.0.resize(2567, 0);
        let block = |at: u64, len: u32, number: u64| Extent {
            disk: number * 512..number * 512 + 512,
            source: Source::Compressed {
                file: FileId::SELF,
                at,
                len: CompressedLen::Exact(len),
                codec: Codec::Deflate,
                block: number * 512..number * 512 + 512,
            },
        };
        let want = [
            block(1024, 100, 0),
            block(1124, 511, 1),
            Extent { disk: 1024..1536, source: HOLE },
            Extent { disk: 1536..2048, source: Source::Data { file: FileId::SELF, at: 2048 } },
            Extent { disk: 2048..3584, source: HOLE },
            block(2560, 7, 7),
        ];
        assert_eq!(extents(&out.0, 4096), want);
    }

    #[test]
    fn a_disk_whose_tables_or_offsets_become_too_large_is_rejected() {
        for (cluster, level, most) in [
            (512, None, (8 << 40) - (32 << 10)),
            (4096, None, (512 << 40) - (2 << 20)),
            (4096, Some(6), (512 << 40) - (2 << 20)),
            (65536, None, (1 << 57) - (1 << 29)),
            (65536, Some(6), 64 << 40),
        ] {
            let largest = QcowWriter::new(most, sized(cluster), level).unwrap();
            // The last compressed cluster of a file without holes.
            let end = largest.max_len(most / cluster, cluster);
            assert!(level.is_none() || end < 1 << (63 - largest.cluster.bits));
            let size = most + 512;
            let error = QcowWriter::new(size, sized(cluster), level).err().unwrap();
            assert_eq!(error.code().id, "qcow.write.disk-too-large");
            assert_eq!(error.detail(), Some(&Unsupported::WriteDiskTooLarge { size, cluster, most }));
        }
    }

    #[test]
    fn the_estimate_counts_each_l2_table_once() {
        // A table of 512 entries covers 2 MiB.
        let size = (8 << 20) + 512;
        let plain = QcowWriter::new(size, sized(4096), None).unwrap();
        assert_eq!((plain.block(), plain.needs()), (4096, SinkKind::Random));
        assert_eq!(plain.encoding(), Encoding::Plain);
        for (blocks, clusters) in [(0, 0), (1, 1 + 1), (4, 4 + 4), (1000, 1000 + 5)] {
            assert_eq!(plain.max_len(blocks, 4096), 4096 + clusters * 4096, "{blocks}");
        }
        let compressed = QcowWriter::new(size, sized(4096), Some(7)).unwrap();
        let compression = Compression::Deflate { level: 7, window_bits: 12 };
        assert_eq!(compressed.encoding(), Encoding::PerBlock { compression, keep_if_smaller: true });
        assert_eq!(compressed.max_len(1000, 9), plain.max_len(1000, 9));
    }

    #[test]
    fn the_estimate_includes_the_whole_l1_table() {
        // With clusters of 512 bytes, a table covers 32 KiB; the L1 table of 58 entries ends with the first cluster.
        for (tables, len) in [(1, 512), (58, 512), (59, 1024), (122, 1024), (123, 1536)] {
            let writer = QcowWriter::new(tables << 15, sized(512), None).unwrap();
            assert_eq!(writer.max_len(0, 512), len, "{tables}");
        }
    }
}
