//! Writes QED in one pass.
//!
//! An L2 table is allocated before the first cluster that it describes.
//!
//! The pages of a table are written as soon as the walk has left them. The header is written last. Clusters
//! of zeros are unallocated, and so is an L2 table without clusters.
//!
//! Memory: one page of the L1 table and of an L2 table, whatever the size of the tables.

use imgprep_format_kit::PagedTable;
use imgprep_map::{Emit, Encoding, Error, ImageWriter, Placement, SinkKind, Stored};

use crate::Unsupported;
use crate::layout::{ENTRY, MAGIC, RawHeader};

/// The largest disk, in bytes: QEMU's offsets are signed.
const MAX_DISK_SIZE: u64 = (1 << 63) - 512;

/// Sizes of clusters and tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    cluster_size: u32,
    table_size: u32,
}

impl Shape {
    /// Creates the shape with clusters of `cluster_size` and tables of `table_size`.
    ///
    /// `cluster_size` is in bytes, a power of two from 4 KiB to 4 MiB. `table_size` is in clusters, a power
    /// of two from 2 to 16.
    ///
    /// `None` if a size is invalid, or the tables would cover 2^64 bytes or more. The specification permits
    /// tables of one cluster and clusters up to 64 MiB, but QEMU rejects such images: it considers the end of
    /// the table invalid, or the product of the sizes overflows.
    pub fn new(cluster_size: u64, table_size: u64) -> Option<Self> {
        let is_valid = |size: u64, least, most| size.is_power_of_two() && (least..=most).contains(&size);
        let is_shape = is_valid(cluster_size, 4 << 10, 64 << 20) && is_valid(table_size, 2, 16);
        let shape = Self {
            cluster_size: u32::try_from(cluster_size).ok().filter(|_| is_shape)?,
            table_size: u32::try_from(table_size).ok()?,
        };
        shape.coverage().map(|_| shape)
    }

    /// Bytes of a cluster.
    pub fn cluster_size(self) -> u64 {
        self.cluster_size.into()
    }

    /// Clusters of a table.
    pub fn table_size(self) -> u64 {
        self.table_size.into()
    }

    /// Bytes of a table, L1 or L2: at most 16 MiB.
    fn table(self) -> u64 {
        self.cluster_size() * self.table_size()
    }

    /// Entries of a table: at most 2^21.
    fn entries(self) -> u64 {
        self.table() / ENTRY
    }

    /// Bytes that the L1 table covers; `None` if they need more than 64 bits.
    fn coverage(self) -> Option<u64> {
        self.entries().checked_mul(self.entries())?.checked_mul(self.cluster_size())
    }

    /// The largest disk, in bytes.
    fn most(self) -> u64 {
        self.coverage().map_or(MAX_DISK_SIZE, |covered| covered.min(MAX_DISK_SIZE))
    }
}

/// Clusters of 64 KiB and tables of 4, as in QEMU.
impl Default for Shape {
    fn default() -> Self {
        Self { cluster_size: 64 << 10, table_size: 4 }
    }
}

/// A table of either level.
type Table = PagedTable<u64, 8>;

/// A writer of QED images.
pub struct QedWriter {
    disk_size: u64,
    shape: Shape,
    l1: Table,
    /// Number and entries of the L2 table that is being filled.
    l2: Option<(u64, Table)>,
    /// File offset of the next cluster.
    next: u64,
}

impl QedWriter {
    /// Creates a writer for a disk of whole sectors.
    ///
    /// Fails if the L1 table does not cover the disk.
    pub fn new(disk_size: u64, shape: Shape) -> Result<Self, Error> {
        if disk_size > shape.most() {
            return Err(Unsupported::WriteDiskTooLarge { size: disk_size, most: shape.most() }.into());
        }
        let l1_at = shape.cluster_size();
        Ok(Self { disk_size, shape, l1: table(l1_at, shape), l2: None, next: l1_at + shape.table() })
    }

    /// Completes the current L2 table and starts the table `index`.
    ///
    /// Does nothing if `index` is the current table.
    fn open_l2(&mut self, index: u64, out: &mut dyn Emit) -> Result<(), Error> {
        if self.l2.as_ref().is_some_and(|(current, _)| *current == index) {
            return Ok(());
        }
        self.close_l2(out)?;
        self.l1.set(index, self.next, out)?;
        self.l2 = Some((index, table(self.next, self.shape)));
        self.next += self.shape.table();
        Ok(())
    }

    fn close_l2(&mut self, out: &mut dyn Emit) -> Result<(), Error> {
        self.l2.take().map_or(Ok(()), |(_, mut l2)| l2.finish(out))
    }

    fn header(&self) -> RawHeader {
        RawHeader {
            magic: MAGIC,
            cluster_size: self.shape.cluster_size,
            table_size: self.shape.table_size,
            header_size: 1,
            features: 0,
            compat_features: 0,
            autoclear_features: 0,
            l1_table_offset: self.shape.cluster_size(),
            image_size: self.disk_size,
            backing_filename_offset: 0,
            backing_filename_size: 0,
        }
    }
}

/// An empty table at a file offset.
fn table(at: u64, shape: Shape) -> Table {
    PagedTable::new(at, shape.entries(), 0, u64::to_le_bytes)
}

impl ImageWriter for QedWriter {
    fn block(&self) -> u64 {
        self.shape.cluster_size()
    }

    fn encoding(&self) -> Encoding {
        Encoding::Plain
    }

    fn needs(&self) -> SinkKind {
        SinkKind::Random
    }

    fn begin(&mut self, _: &mut dyn Emit) -> Result<(), Error> {
        Ok(())
    }

    fn place(&mut self, block: u64, _: Stored, out: &mut dyn Emit) -> Result<Placement, Error> {
        let entries = self.shape.entries();
        self.open_l2(block / entries, out)?;
        let at = self.next;
        if let Some((_, l2)) = &mut self.l2 {
            l2.set(block % entries, at, out)?;
        }
        self.next += self.shape.cluster_size();
        Ok(Placement::bare(at))
    }

    fn finish(&mut self, out: &mut dyn Emit) -> Result<u64, Error> {
        self.close_l2(out)?;
        self.l1.finish(out)?;
        out.write(0, &self.header().encode())?;
        Ok(self.next)
    }

    fn max_len(&self, blocks: u64, _: u64) -> u64 {
        let (cluster, table) = (self.shape.cluster_size(), self.shape.table());
        let tables = self.disk_size.div_ceil(self.shape.entries() * cluster).min(blocks);
        let stored = blocks.saturating_mul(cluster).saturating_add(tables.saturating_mul(table));
        stored.saturating_add(cluster + table)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use core::ops::ControlFlow;

    use imgprep_map::{Extent, FileId, Image, ParseOptions, Parsed, ReadAt, Source};

    use super::*;

    fn image(disk_size: u64, shape: Shape, clusters: &[u64]) -> Vec<u8> {
        imgprep_tests::plain_image(&mut QedWriter::new(disk_size, shape).unwrap(), clusters)
    }

    fn extents(file: &[u8], size: u64) -> Vec<Extent> {
        let file = file.to_vec();
        let file: &dyn ReadAt = &file;
        let Ok(Parsed::Done(image)) = crate::parse(file, &ParseOptions::default()) else { panic!() };
        let Image { map, .. } = *image;
        let mut all = Vec::new();
        let mut add = |extent| {
            all.push(extent);
            ControlFlow::Continue(())
        };
        map.visit(&file, 0..size, &mut add).unwrap();
        all
    }

    #[test]
    fn shapes_are_those_that_qemu_opens() {
        for (cluster, table) in [(4 << 10, 2), (64 << 10, 4), (1 << 20, 16), (2 << 20, 8), (4 << 20, 2)] {
            assert!(Shape::new(cluster, table).is_some(), "{cluster} {table}");
        }
        for (cluster, table) in
            [(0, 4), (2 << 10, 4), (5000, 4), (1 << 40, 4), (4096, 0), (4096, 3), (4096, 32)]
        {
            assert_eq!(Shape::new(cluster, table), None, "{cluster} {table}");
        }
        // Valid by the specification.
        for (cluster, table) in [(4096, 1), (2 << 20, 16), (4 << 20, 4), (8 << 20, 2), (64 << 20, 16)] {
            assert_eq!(Shape::new(cluster, table), None, "{cluster} {table}");
        }
        assert_eq!(Shape::new(64 << 10, 4), Some(Shape::default()));
    }

    #[test]
    fn clusters_follow_their_tables_in_the_order_of_the_disk() {
        // A table of two clusters covers 1024 clusters of 4 KiB: 4 MiB.
        let shape = Shape::new(4096, 2).unwrap();
        let size = (3 << 22) + 512;
        let file = image(size, shape, &[1, 2, 2048, 3072]);
        let place = |cluster: u64| Source::Data { file: FileId::SELF, at: cluster * 4096 };
        let hole = Source::Zero { explicit: false };
        // Header, L1, then each table in front of its clusters. The second table is not allocated.
        let want = [
            Extent { disk: 0..4096, source: hole.clone() },
            Extent { disk: 4096..3 * 4096, source: place(5) },
            Extent { disk: 3 * 4096..2048 * 4096, source: hole.clone() },
            Extent { disk: 2048 * 4096..2049 * 4096, source: place(9) },
            Extent { disk: 2049 * 4096..3072 * 4096, source: hole },
            Extent { disk: 3072 * 4096..size, source: place(12) },
        ];
        assert_eq!(extents(&file, size), want);
        assert_eq!(file.len(), 13 * 4096);
        assert_eq!((file[5 * 4096], file[9 * 4096]), (2, 41));
    }

    #[test]
    fn a_disk_that_the_l1_table_does_not_cover_is_rejected() {
        for (cluster, table, most) in [
            (4096, 2, 4 << 30),
            (64 << 10, 4, 64 << 40),
            (64 << 10, 16, 1 << 50),
            (2 << 20, 8, MAX_DISK_SIZE),
        ] {
            let shape = Shape::new(cluster, table).unwrap();
            assert!(QedWriter::new(most, shape).is_ok());
            let error = QedWriter::new(most + 512, shape).err().unwrap();
            assert_eq!(error.code().id, "qed.write.disk-too-large");
            assert_eq!(error.detail(), Some(&Unsupported::WriteDiskTooLarge { size: most + 512, most }));
        }
    }

    #[test]
    fn an_empty_disk_is_a_header_and_an_l1_table() {
        let file = image(0, Shape::default(), &[]);
        assert_eq!(file.len(), 5 << 16);
        assert_eq!(extents(&file, 0), []);
    }

    #[test]
    fn the_estimate_counts_each_l2_table_once() {
        let shape = Shape::new(4096, 2).unwrap();
        let writer = QedWriter::new((3 << 22) + 512, shape).unwrap();
        assert_eq!(writer.block(), 4096);
        // The header, the L1 table, four L2 tables and their clusters.
        assert_eq!(writer.max_len(3000, 4096), 4096 + 8192 + 4 * 8192 + 3000 * 4096);
        // No more tables than clusters.
        assert_eq!(writer.max_len(1, 4096), 4096 + 8192 + 8192 + 4096);
        assert_eq!(writer.max_len(0, 0), 4096 + 8192);
    }

    #[test]
    fn a_backing_file_name_may_be_as_long_as_the_limit() {
        let mut file = image(4096, Shape::new(4096, 2).unwrap(), &[]);
        file[16] = 1;
        file[56..64].copy_from_slice(&[64, 0, 0, 0, 5, 0, 0, 0]);
        file[64..69].copy_from_slice(b"a.img");
        let parse = |text_bytes| {
            let limits = imgprep_map::Limits { text_bytes, ..Default::default() };
            crate::parse(&file, &ParseOptions { limits, ..ParseOptions::default() })
        };
        assert!(parse(5).is_ok());
        let error = parse(4).err().unwrap();
        assert_eq!((error.code().id, error.at()), ("qed.limit.text", Some(60)));
    }
}
