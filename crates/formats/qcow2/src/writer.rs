//! Writes QCOW2 in one pass.
//!
//! Data clusters, L2 tables and refcount blocks are stored in the order in which they become final. The L1 table and
//! the header, whose places are known in advance, are written last.
//!
//! Memory: one L2 table, one refcount block, the L1 table and the refcount table, at most 45 MiB for the largest disk.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use imgprep_map::{Compression, Emit, Encoding, Error, ImageWriter, Placement, SinkKind, Stored, usize_of};

use crate::Unsupported;
use crate::allocator::{Allocator, refcount_structures};
use crate::cluster_size::{ClusterSize, ENTRY};
use crate::extension::BACKING_FORMAT;
use crate::layout::{
    COMPRESSED, COMPRESSION_TYPE, COPIED, HEADER_V2, HEADER_WITH_COMPRESSION, MAGIC, REFCOUNT_TABLE_BYTES,
    RawHeader, ZERO,
};
use crate::table_writer::write_table;

/// Width of a reference count, as a power of two: 16 bits, QEMU's default.
const REFCOUNT_ORDER: u32 = 4;
/// QEMU decodes compressed clusters with a window of 4 KiB.
const WINDOW_BITS: u8 = 12;

/// The compression of clusters.
///
/// A cluster that does not become smaller stays uncompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterCompression {
    /// Raw deflate streams; the specification calls this type zlib.
    Zlib {
        /// 1 to 9.
        level: u32,
    },
    /// zstd frames with a checksum of their contents, which decoders verify.
    Zstd {
        /// 1 to 22.
        level: i32,
    },
}

impl From<ClusterCompression> for Compression {
    fn from(compression: ClusterCompression) -> Self {
        match compression {
            ClusterCompression::Zlib { level } => Self::Deflate { level, window_bits: WINDOW_BITS },
            ClusterCompression::Zstd { level } => Self::Zstd { level, has_checksum: true },
        }
    }
}

/// The version of the format, as QEMU's option `compat` names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compat {
    /// Version 2, which QEMU before 1.1 reads. Its compression is zlib.
    V2,
    /// Version 3.
    #[default]
    V3,
}

/// The backing file of a new image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBackingFile {
    /// Its name, relative to the folder of the image.
    pub name: String,
    /// QEMU's name of its format.
    pub format: String,
}

/// The properties of a new image, besides its blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// The version.
    pub compat: Compat,
    /// Bytes of a cluster.
    pub cluster_size: ClusterSize,
    /// The compression, if clusters are compressed.
    pub compression: Option<ClusterCompression>,
    /// The backing file, whose contents are read where the image has no cluster.
    pub backing: Option<NewBackingFile>,
}

/// A writer of QCOW2 images.
pub struct Qcow2Writer {
    disk_size: u64,
    compat: Compat,
    backing: Option<NewBackingFile>,
    cluster: ClusterSize,
    compression: Option<ClusterCompression>,
    l1: Vec<u64>,
    l2: Option<L2>,
    allocator: Allocator,
}

/// The L2 table that is being filled.
struct L2 {
    index: u64,
    entries: Vec<u64>,
}

impl Qcow2Writer {
    /// Creates a writer for a disk of whole sectors.
    ///
    /// Fails if the tables would exceed the limits of QEMU once the whole disk contains data.
    pub fn new(disk_size: u64, options: WriteOptions) -> Result<Self, Error> {
        let WriteOptions { compat, cluster_size: cluster, compression, backing } = options;
        if compat == Compat::V2 && matches!(compression, Some(ClusterCompression::Zstd { .. })) {
            return Err(Unsupported::WriteVersion2Zstd.into());
        }
        if let Some(backing) = &backing {
            check_backing(backing, cluster)?;
        }
        let too_large = Unsupported::WriteDiskTooLarge { size: disk_size, cluster: cluster.bytes() };
        let tables = disk_size.div_ceil(cluster.entries() * cluster.bytes());
        let most = most_clusters(cluster, tables, disk_size.div_ceil(cluster.bytes()));
        let (blocks, _) = refcount_structures(cluster, most, 0);
        // QEMU also limits the L1 table, to 32 MiB. Such a table describes as many clusters as the largest refcount table
        // covers, and the refcount table also covers the clusters of all tables: it always exceeds its limit first.
        if blocks > REFCOUNT_TABLE_BYTES / ENTRY {
            return Err(too_large.into());
        }
        let l1 = vec![0; usize_of(tables)];
        Ok(Self {
            disk_size,
            compat,
            backing,
            cluster,
            compression,
            l1,
            l2: None,
            allocator: Allocator::new(cluster),
        })
    }

    /// The L1 table follows the header's cluster.
    fn l1_offset(&self) -> u64 {
        self.cluster.bytes()
    }

    /// Writes the current L2 table and starts the table `index`.
    ///
    /// Does nothing if `index` is the current table.
    fn open_l2(&mut self, index: u64, out: &mut dyn Emit) -> Result<(), Error> {
        if self.l2.as_ref().is_some_and(|l2| l2.index == index) {
            return Ok(());
        }
        self.close_l2(out)?;
        // OK: a table is a cluster, 2 MiB at most.
        self.l2 = Some(L2 { index, entries: vec![0; usize_of(self.cluster.entries())] });
        Ok(())
    }

    fn set_entry(&mut self, block: u64, entry: u64, out: &mut dyn Emit) -> Result<(), Error> {
        let per_table = self.cluster.entries();
        self.open_l2(block / per_table, out)?;
        if let Some(l2) = &mut self.l2 {
            // OK: less than the number of entries in a table.
            l2.entries[usize_of(block % per_table)] = entry;
        }
        Ok(())
    }

    fn close_l2(&mut self, out: &mut dyn Emit) -> Result<(), Error> {
        let Some(L2 { index, entries }) = self.l2.take() else { return Ok(()) };
        let at = self.allocator.cluster(out)?;
        // OK: blocks are within the disk, and L1 has an entry for each L2 table of the disk.
        self.l1[usize_of(index)] = at | COPIED;
        write_table(out, at, &entries)
    }

    /// The L2 entry of a compressed cluster.
    ///
    /// The offset is in the low bits. The number of additional sectors follows (section "Compressed Clusters
    /// Descriptor").
    fn descriptor(&self, at: u64, len: u64) -> u64 {
        let offset_bits = 62 - (self.cluster.bits - 8);
        let sectors = (at + len - 1) / 512 - at / 512;
        COMPRESSED | sectors << offset_bits | at
    }

    /// Length of the header, without extensions.
    fn header_len(&self) -> u64 {
        match self.compat {
            Compat::V2 => HEADER_V2,
            Compat::V3 => HEADER_WITH_COMPRESSION.into(),
        }
    }

    /// File offset and length of the name of the backing file.
    fn backing_name(&self) -> Option<(u64, u32)> {
        let backing = self.backing.as_ref()?;
        let at = self.header_len() + format_extension(backing).len() as u64;
        // OK: `check_backing` limits the name to 1023 bytes.
        Some((at, u32::try_from(backing.name.len()).unwrap_or(u32::MAX)))
    }

    fn header(&self, refcount_offset: u64, refcount_clusters: u64) -> RawHeader {
        let is_zstd = matches!(self.compression, Some(ClusterCompression::Zstd { .. }));
        RawHeader {
            magic: MAGIC,
            version: match self.compat {
                Compat::V2 => 2,
                Compat::V3 => 3,
            },
            backing_offset: self.backing_name().map_or(0, |(at, _)| at),
            backing_len: self.backing_name().map_or(0, |(_, len)| len),
            cluster_bits: self.cluster.bits,
            size: self.disk_size,
            crypt_method: 0,
            // OK: `new` limits both tables to a few MiB.
            l1_size: u32::try_from(self.l1.len()).unwrap_or(u32::MAX),
            l1_offset: self.l1_offset(),
            refcount_offset,
            // OK: as above.
            refcount_clusters: u32::try_from(refcount_clusters).unwrap_or(u32::MAX),
            snapshots: 0,
            snapshots_offset: 0,
            incompatible: if is_zstd { COMPRESSION_TYPE } else { 0 },
            compatible: 0,
            autoclear: 0,
            refcount_order: REFCOUNT_ORDER,
            length: HEADER_WITH_COMPRESSION,
            compression: u8::from(is_zstd),
        }
    }
}

impl ImageWriter for Qcow2Writer {
    fn block(&self) -> u64 {
        self.cluster.bytes()
    }

    fn encoding(&self) -> Encoding {
        match self.compression {
            None => Encoding::Plain,
            Some(compression) => {
                Encoding::PerBlock { compression: compression.into(), keep_if_smaller: true }
            }
        }
    }

    fn needs(&self) -> SinkKind {
        SinkKind::Random
    }

    fn begin(&mut self, out: &mut dyn Emit) -> Result<(), Error> {
        let l1_clusters = (self.l1.len() as u64 * ENTRY).div_ceil(self.cluster.bytes());
        self.allocator.contiguous(1 + l1_clusters, out).map(|_| ())
    }

    fn place(&mut self, block: u64, stored: Stored, out: &mut dyn Emit) -> Result<Placement, Error> {
        self.open_l2(block / self.cluster.entries(), out)?;
        let (at, entry) = if stored.is_compressed {
            let at = self.allocator.bytes(stored.len, out)?;
            (at, self.descriptor(at, stored.len))
        } else {
            let at = self.allocator.cluster(out)?;
            (at, at | COPIED)
        };
        self.set_entry(block, entry, out)?;
        Ok(Placement::bare(at))
    }

    /// Version 2 has no zero flag: zeros are stored.
    fn marks_zeros(&self) -> bool {
        self.compat == Compat::V3
    }

    fn mark_zeros(&mut self, block: u64, out: &mut dyn Emit) -> Result<(), Error> {
        self.set_entry(block, ZERO, out)
    }

    fn finish(&mut self, out: &mut dyn Emit) -> Result<u64, Error> {
        self.close_l2(out)?;
        let (refcount_offset, refcount_clusters) = self.allocator.finish(out)?;
        write_table(out, self.l1_offset(), &self.l1)?;
        // The zeros after the header terminate the list of header extensions.
        let raw = self.header(refcount_offset, refcount_clusters);
        let header = raw.encode();
        // OK: the header of version 3 begins with that of version 2.
        let mut bytes = header[..usize_of(self.header_len())].to_vec();
        if let Some(backing) = &self.backing {
            bytes.extend_from_slice(&format_extension(backing));
            bytes.extend_from_slice(backing.name.as_bytes());
        }
        out.write(0, &bytes)?;
        Ok(self.allocator.end())
    }

    fn max_len(&self, blocks: u64, _: u64) -> u64 {
        let clusters = most_clusters(self.cluster, self.l1.len() as u64, blocks);
        let (refcount_blocks, table) = refcount_structures(self.cluster, clusters, 0);
        (clusters + refcount_blocks + table).saturating_mul(self.cluster.bytes())
    }
}

/// The longest name of a backing file (section "Header").
const LONGEST_NAME: usize = 1023;

/// Checks that the name fits into the first cluster, after the header.
fn check_backing(backing: &NewBackingFile, cluster: ClusterSize) -> Result<(), Error> {
    let room = cluster.bytes() - u64::from(HEADER_WITH_COMPRESSION);
    let needed = format_extension(backing).len() + backing.name.len();
    if backing.name.len() > LONGEST_NAME || needed as u64 > room {
        let len = backing.name.len() as u64;
        return Err(Unsupported::WriteBackingName { len, cluster: cluster.bytes() }.into());
    }
    Ok(())
}

/// The header extension with the format of the backing file, and the final one.
fn format_extension(backing: &NewBackingFile) -> Vec<u8> {
    let format = backing.format.as_bytes();
    let mut bytes = BACKING_FORMAT.to_be_bytes().to_vec();
    // OK: the name of a format.
    bytes.extend_from_slice(&u32::try_from(format.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(format);
    // Padding to 8 bytes, then an extension of type 0 without data.
    bytes.resize(bytes.len().next_multiple_of(8) + 8, 0);
    bytes
}

/// Maximum number of clusters of header, L1 table, L2 tables and data.
///
/// `blocks` is the number of data clusters, `tables` that of L1 entries.
fn most_clusters(cluster: ClusterSize, tables: u64, blocks: u64) -> u64 {
    1 + tables.saturating_mul(ENTRY).div_ceil(cluster.bytes()) + blocks.min(tables) + blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(size: u64, cluster_size: ClusterSize) -> Result<Qcow2Writer, Error> {
        Qcow2Writer::new(size, WriteOptions { cluster_size, ..WriteOptions::default() })
    }

    /// The header of version 2 has no field for the type.
    #[test]
    fn zstd_in_version_2_is_rejected() {
        let compression = Some(ClusterCompression::Zstd { level: 3 });
        let options = WriteOptions { compat: Compat::V2, compression, ..WriteOptions::default() };
        let error = Qcow2Writer::new(512, options).err().unwrap();
        assert_eq!(error.code().id, "qcow2.write.version-2-zstd");
    }

    #[test]
    fn a_disk_with_larger_tables_than_qemu_reads_is_refused() {
        // A refcount table of 8 MiB covers 2 PiB in clusters of 64 KiB, tables included.
        let (size, cluster) = (1 << 51, ClusterSize::default());
        assert!(writer(size - (1 << 40), cluster).is_ok());
        for size in [size, size + 512] {
            let error = writer(size, cluster).err().unwrap();
            assert_eq!(error.code().id, "qcow2.write.disk-too-large");
            assert_eq!(error.detail(), Some(&Unsupported::WriteDiskTooLarge { size, cluster: 65536 }));
        }
        let large = ClusterSize::new(2 << 20).unwrap();
        assert!(writer(1 << 60, large).is_ok());
        assert!(writer(1 << 61, large).is_err());
        let small = ClusterSize::new(512).unwrap();
        assert!(writer(120 << 30, small).is_ok());
        assert!(writer(128 << 30, small).is_err());
    }

    #[test]
    fn a_backing_name_that_does_not_fit_is_rejected() {
        let with = |len, cluster_size| {
            let backing = Some(NewBackingFile { name: "x".repeat(len), format: "qcow2".into() });
            Qcow2Writer::new(512, WriteOptions { cluster_size, backing, ..WriteOptions::default() })
        };
        let small = ClusterSize::new(512).unwrap();
        assert!(with(1023, ClusterSize::default()).is_ok() && with(376, small).is_ok());
        for (len, cluster) in [(1024, ClusterSize::default()), (377, small)] {
            assert_eq!(with(len, cluster).err().unwrap().code().id, "qcow2.write.backing-name");
        }
    }

    #[test]
    fn descriptors_count_the_sectors_that_a_payload_touches() {
        let writer = writer(1 << 20, ClusterSize::default()).unwrap();
        let sectors = |at, len| writer.descriptor(at, len) >> 54 & 0xff;
        assert_eq!([sectors(0, 1), sectors(0, 512), sectors(0, 513), sectors(511, 2)], [0, 0, 1, 1]);
        assert_eq!(writer.descriptor(0x1_2345, 1), COMPRESSED | 0x1_2345);
    }
}
