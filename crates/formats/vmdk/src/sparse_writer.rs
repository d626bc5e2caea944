//! Writes monolithicSparse images (5.0, "Hosted Sparse Extents").
//!
//! Both grain directories and all grain tables precede the grains, as in images of the vendor. All directory entries are
//! set; tables without grains are gaps, which read as zeros.
//!
//! Memory: one grain table.

use alloc::vec::Vec;

use imgprep_map::{Emit, Encoding, Error, ImageWriter, Placement, SinkKind, Stored};

use crate::descriptor_text::{DESCRIPTOR_SECTORS, EMBEDDED_NAME, WrittenExtent, descriptor_text, embedded};
use crate::grain_table::{GrainTable, TABLE_BYTES, check_disk_size, entry_bytes, sector_of, tables_of};
use crate::layout::{FLAG_NEWLINES, FLAG_REDUNDANT, NEWLINES, RawHosted, SECTOR};
use crate::write_options::WriteOptions;

/// Entries of a directory that are written at once.
const PAGE: u64 = 16 << 10;

/// Places in a sparse extent file, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExtentLayout {
    /// Bytes of the extent's part of the disk.
    pub(crate) capacity: u64,
    pub(crate) grain: u64,
    /// Sectors of the embedded descriptor; 0 without one.
    pub(crate) descriptor_sectors: u64,
}

impl ExtentLayout {
    fn tables(&self) -> u64 {
        tables_of(self.capacity, self.grain)
    }

    /// Bytes of a directory in whole sectors.
    fn directory_len(&self) -> u64 {
        (self.tables() * 4).next_multiple_of(SECTOR)
    }

    /// File offsets of the redundant directory and of the one in use. The tables of a directory follow it.
    fn directories(&self) -> [u64; 2] {
        let redundant = (1 + self.descriptor_sectors) * SECTOR;
        [redundant, redundant + self.directory_len() + self.tables() * TABLE_BYTES]
    }

    /// File offset of the table `index` of a directory.
    fn table_at(&self, directory: u64, index: u64) -> u64 {
        directory + self.directory_len() + index * TABLE_BYTES
    }

    /// File offset of the first grain.
    pub(crate) fn first_grain(&self) -> u64 {
        let [_, directory] = self.directories();
        self.table_at(directory, self.tables()).next_multiple_of(self.grain)
    }

    fn header(&self) -> RawHosted {
        let [redundant, directory] = self.directories();
        RawHosted {
            version: 1,
            flags: FLAG_NEWLINES | FLAG_REDUNDANT,
            capacity: self.capacity / SECTOR,
            grain_size: self.grain / SECTOR,
            descriptor_offset: u64::from(self.descriptor_sectors > 0),
            descriptor_size: self.descriptor_sectors,
            num_gtes_per_gt: 512,
            rgd_offset: redundant / SECTOR,
            gd_offset: directory / SECTOR,
            over_head: self.first_grain() / SECTOR,
            unclean_shutdown: 0,
            newlines: NEWLINES,
            compress_algorithm: 0,
        }
    }

    /// Writes the header and both directories of the file that begins at `base`.
    pub(crate) fn begin(&self, base: u64, descriptor: &[u8], out: &mut dyn Emit) -> Result<(), Error> {
        out.write(base, &self.header().encode())?;
        out.write(base + SECTOR, descriptor)?;
        for directory in self.directories() {
            for page in 0..self.tables().div_ceil(PAGE) {
                let indices = page * PAGE..self.tables().min((page + 1) * PAGE);
                let entries: Result<Vec<_>, _> =
                    indices.map(|index| sector_of(self.table_at(directory, index))).collect();
                out.write(base + directory + page * PAGE * 4, &entry_bytes(&entries?))?;
            }
        }
        Ok(())
    }

    /// Writes both copies of a table of the file that begins at `base`.
    pub(crate) fn write_table(&self, base: u64, table: &GrainTable, out: &mut dyn Emit) -> Result<(), Error> {
        let bytes = table.bytes();
        self.directories()
            .into_iter()
            .try_for_each(|directory| out.write(base + self.table_at(directory, table.index), &bytes))
    }

    /// The maximum length of the file with `blocks` grains.
    pub(crate) fn max_len(&self, blocks: u64) -> u64 {
        self.first_grain().saturating_add(blocks.saturating_mul(self.grain))
    }
}

/// A writer of monolithicSparse images.
pub(crate) struct SparseWriter {
    options: WriteOptions,
    layout: ExtentLayout,
    /// File offset of the next grain.
    next: u64,
    table: Option<GrainTable>,
}

impl SparseWriter {
    /// Fails if the directory would be too long, or if the tables leave no space for grains.
    pub(crate) fn new(options: WriteOptions) -> Result<Self, Error> {
        let (capacity, grain) = (options.disk_size, options.grain.bytes());
        check_disk_size(capacity, grain)?;
        let layout = ExtentLayout { capacity, grain, descriptor_sectors: DESCRIPTOR_SECTORS };
        Ok(Self { options, layout, next: layout.first_grain(), table: None })
    }

    fn close_table(&mut self, out: &mut dyn Emit) -> Result<(), Error> {
        let Some(table) = self.table.take() else { return Ok(()) };
        self.layout.write_table(0, &table, out)
    }
}

impl ImageWriter for SparseWriter {
    fn block(&self) -> u64 {
        self.layout.grain
    }

    fn encoding(&self) -> Encoding {
        Encoding::Plain
    }

    fn needs(&self) -> SinkKind {
        SinkKind::Random
    }

    fn begin(&mut self, out: &mut dyn Emit) -> Result<(), Error> {
        let sectors = self.options.disk_size / SECTOR;
        let extent = WrittenExtent { sectors, kind: "SPARSE", name: EMBEDDED_NAME };
        self.layout.begin(0, &embedded(&descriptor_text(&self.options, [extent])), out)
    }

    fn place(&mut self, block: u64, _: Stored, out: &mut dyn Emit) -> Result<Placement, Error> {
        let index = block / (TABLE_BYTES / 4);
        if self.table.as_ref().is_none_or(|table| table.index != index) {
            self.close_table(out)?;
            self.table = Some(GrainTable::new(index));
        }
        let at = self.next;
        if let Some(table) = &mut self.table {
            table.set(block, at)?;
        }
        self.next += self.layout.grain;
        Ok(Placement::bare(at))
    }

    fn finish(&mut self, out: &mut dyn Emit) -> Result<u64, Error> {
        self.close_table(out)?;
        Ok(self.next)
    }

    fn max_len(&self, blocks: u64, _: u64) -> u64 {
        self.layout.max_len(blocks)
    }
}
